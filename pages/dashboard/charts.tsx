/** The charts of the last five minutes. Owns: which there are, and uPlot within this page. One colour leads; what it is compared with
 *  is grey. Under the pointer all of them show the same moment. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { type Colours, useColours } from './colours.ts';
import { useLive, useShown } from './context.ts';
import { ms, short } from './format.ts';
import type { Quantiles, Sample } from './live.ts';

interface Line {
  readonly name: string;
  readonly of: (sample: Sample) => number | null;
  readonly isLead: boolean;
}

interface ChartSpec {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly format: (value: number | null) => string;
  /** Of events rather than a run: marks, not lines. */
  readonly isSparse?: boolean;
}

const rate = (value: number | null) => (value === null ? '–' : short(value));
const quantiles = (of: (sample: Sample) => Quantiles): readonly Line[] => [
  { name: 'p99', of: (sample) => of(sample).p99, isLead: true },
  { name: 'p50', of: (sample) => of(sample).p50, isLead: false },
];

const CHARTS: readonly ChartSpec[] = [
  {
    title: 'Messages in, per second',
    lines: [{ name: 'messages', of: (one) => one.messagesIn, isLead: true }],
    format: rate,
  },
  {
    title: 'Deliveries, per second',
    lines: [{ name: 'deliveries', of: (one) => one.deliveries, isLead: true }],
    format: rate,
  },
  { title: 'Sessions here', lines: [{ name: 'sessions', of: (one) => one.sessions, isLead: true }], format: rate },
  { title: 'Message to ack', lines: quantiles((one) => one.message), format: ms },
  {
    title: 'Takeovers',
    lines: quantiles((one) => one.takeover),
    format: ms,
    isSparse: true,
  },
  { title: 'Redis round trip', lines: quantiles((one) => one.redis), format: ms },
];

const SPAN_S = 300;
const HEIGHT = 108;

export function Charts() {
  const live = useLive();
  const isShown = useShown();
  return (
    <section aria-labelledby="charts-title">
      <h2 id="charts-title" class="section-title">
        Last five minutes of router {live.about?.router ?? ''}
      </h2>
      <div class="charts">
        {CHARTS.map((spec) => (
          <Chart key={spec.title} spec={spec} samples={live.samples} isDrawn={isShown} />
        ))}
      </div>
    </section>
  );
}

interface ChartProps {
  readonly spec: ChartSpec;
  readonly samples: readonly Sample[];
  /** Whether its lines are drawn by now, or its box alone is there. */
  readonly isDrawn: boolean;
}

function Chart({ spec, samples, isDrawn }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [index, setIndex] = useState<number | null>(null);
  const colours = useColours();
  const last = samples.at(-1)?.at;
  // Samples are added in place: their last moment tells whether there is another.
  const data = useMemo(() => dataOf(spec, samples), [spec, last]);
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = box.current;
    if (element === null || !isDrawn) return;
    const made = new uPlot(optionsOf(spec, colours, element.clientWidth, setIndex), latest.current, element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [spec, colours, isDrawn]);
  useEffect(() => plot.current?.setData(data), [data]);

  const isEmpty = spec.lines.every(({ of }) => samples.every((sample) => of(sample) === null));
  const shown = spec.lines.map((line, i) => {
    const values = data[i + 1] as (number | null)[] | undefined;
    const at = index ?? (spec.isSparse ? lastOf(values) : (values?.length ?? 0) - 1);
    return `${spec.lines.length > 1 ? `${line.name} ` : ''}${spec.format(values?.[at] ?? null)}`;
  });
  return (
    <figure class="panel chart">
      <figcaption>
        <span>{spec.title}</span>
        <span class="values">{shown.join(' · ')}</span>
      </figcaption>
      <div class="plot" ref={box} role="img" aria-label={`${spec.title}: ${shown.join(', ')}`} />
      {isEmpty && <p class="chart-empty muted">{spec.isSparse ? 'None while this was looked at' : 'Nothing yet'}</p>}
    </figure>
  );
}

function dataOf(spec: ChartSpec, samples: readonly Sample[]): uPlot.AlignedData {
  return [samples.map(({ at }) => at / 1_000), ...spec.lines.map(({ of }) => samples.map(of))] as uPlot.AlignedData;
}

function lastOf(values: readonly (number | null)[] | undefined): number {
  return values?.findLastIndex((value) => value !== null) ?? -1;
}

function optionsOf(
  { lines, format, isSparse }: ChartSpec,
  colours: Colours,
  width: number,
  onIndex: (index: number | null) => void,
): uPlot.Options {
  const axis = { stroke: colours.faint, font: '11px ui-sans-serif, system-ui, sans-serif', ticks: { show: false } };
  return {
    width: Math.max(60, width),
    height: HEIGHT,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: 'charts', setSeries: false }, drag: { x: false, y: false }, points: { show: false } },
    hooks: {
      setCursor: [
        (plot) => onIndex(plot.cursor.left === undefined || plot.cursor.left < 0 ? null : (plot.cursor.idx ?? null)),
      ],
    },
    scales: {
      // By the router's clock.
      x: { time: true, range: (_plot, _min, max) => [(max || 0) - SPAN_S, max || 0] },
      y: { range: (_plot, _min, max) => [0, Math.max(1, (max || 0) * 1.15)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 22,
        space: 70,
        values: (_plot, times) =>
          times.map((time) =>
            new Date(time * 1_000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' }),
          ),
      },
      {
        ...axis,
        grid: { stroke: colours.line, width: 1 },
        size: 52,
        space: 30,
        values: (_plot, values) => values.map((value) => (value === 0 ? '0' : format(value))),
      },
    ],
    series: [
      {},
      ...lines.map(({ isLead }) => ({
        stroke: isLead ? colours.accent : colours.faint,
        width: isLead ? 1.75 : 1.25,
        ...(isLead && !isSparse ? { fill: colours.soft } : {}),
        ...(isSparse ? { paths: () => null } : {}),
        points: { show: isSparse === true, size: isLead ? 7 : 5, fill: isLead ? colours.accent : colours.faint },
      })),
    ],
  };
}
