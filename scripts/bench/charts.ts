/** Bar charts as plain SVG. Owns: their look. Does not know: what is charted. */

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly isOwn: boolean;
}

export interface Chart {
  readonly title: string;
  readonly says: string;
  /** Top to bottom. */
  readonly bars: readonly Bar[];
  /** Each step to the right is ten times as much. */
  readonly isLog: boolean;
}

const WIDTH = 810;
const LABEL = 330;
const ROW = 26;
const TOP = 52;
const BOTTOM = 26;
/** Room for the number behind the longest bar. */
const VALUE = 76;

/** Colours of its own on a background of its own: readable on light and dark pages alike. */
const COLOURS = {
  ground: '#ffffff',
  frame: '#d0d7de',
  text: '#1f2328',
  quiet: '#59636e',
  grid: '#eaeef2',
  own: '#d9480f',
  other: '#8c959f',
};

/** Horizontal bars in the order given. */
export function barChart({ title, says, bars, isLog }: Chart): string {
  const height = TOP + bars.length * ROW + BOTTOM;
  const axis = isLog ? logAxis(bars) : linearAxis(bars);
  const bottom = TOP + bars.length * ROW;
  const xOf = (value: number): number => LABEL + axis.shareOf(value) * (WIDTH - LABEL - VALUE);
  const lines = axis.ticks.map((tick) => {
    const x = xOf(tick).toFixed(1);
    return [
      `  <line x1="${x}" y1="${TOP}" x2="${x}" y2="${bottom}" stroke="${COLOURS.grid}"/>`,
      `  <text x="${x}" y="${bottom + 16}" text-anchor="middle" font-size="10" fill="${COLOURS.quiet}">${plain(tick)}</text>`,
    ].join('\n');
  });
  const rows = bars.map(({ label, value, isOwn }, i) => {
    const y = TOP + i * ROW;
    const end = Math.max(LABEL + 1, xOf(value));
    const weight = isOwn ? ' font-weight="600"' : '';
    return [
      `  <text x="${LABEL - 8}" y="${y + 17}" text-anchor="end"${weight}>${escaped(label)}</text>`,
      `  <rect x="${LABEL}" y="${y + 4}" width="${(end - LABEL).toFixed(1)}" height="${ROW - 8}" rx="2" fill="${isOwn ? COLOURS.own : COLOURS.other}"/>`,
      `  <text x="${(end + 6).toFixed(1)}" y="${y + 17}"${weight}>${figure(value)}</text>`,
    ].join('\n');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="${COLOURS.text}">`,
    `  <rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6" fill="${COLOURS.ground}" stroke="${COLOURS.frame}"/>`,
    `  <text x="12" y="22" font-size="14" font-weight="600">${escaped(title)}</text>`,
    `  <text x="12" y="40" font-size="11" fill="${COLOURS.quiet}">${escaped(says)}</text>`,
    ...lines,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

interface Axis {
  /** Where a value lies, 0 to 1. */
  readonly shareOf: (value: number) => number;
  readonly ticks: readonly number[];
}

function linearAxis(bars: readonly Bar[]): Axis {
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const raw = most / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10) * power;
  const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
  return { shareOf: (value) => Math.max(0, value) / most, ticks };
}

/** From the power of ten below the least value; what is not above 0 lies there as well. */
function logAxis(bars: readonly Bar[]): Axis {
  const values = bars.map(({ value }) => value).filter((value) => value > 0);
  const from = Math.ceil(Math.log10(Math.min(...values, Number.MAX_VALUE))) - 1;
  const most = Math.max(...values, 10 ** from * 1.01);
  const span = Math.log10(most) - from;
  const shareOf = (value: number): number => (value > 0 ? Math.max(0, (Math.log10(value) - from) / span) : 0);
  const ticks = Array.from({ length: Math.floor(span) + 1 }, (_, i) => 10 ** (from + i));
  return { shareOf, ticks };
}

function plain(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}

/** A number with about three digits, thousands separated. */
export function figure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString('en-US');
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
