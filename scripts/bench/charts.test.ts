import { describe, expect, it } from 'vitest';
import { barChart, figure } from './charts.ts';

const bars = (...values: number[]) => values.map((value, i) => ({ label: `system ${i} <&>`, value, isOwn: i === 0 }));
const widths = (svg: string): number[] =>
  [...svg.matchAll(/<rect x="330"[^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width));

describe('barChart', () => {
  it('draws values in proportion', () => {
    const [one = 0, two = 0] = widths(barChart({ title: 't', says: 's', bars: bars(10, 5), isLog: false }));
    expect(two / one).toBeCloseTo(0.5, 2);
  });

  it('draws equal factors as equal steps where it is logarithmic, and 0 without breaking', () => {
    const svg = barChart({ title: 't', says: 's', bars: bars(10, 100, 1_000, 0), isLog: true });
    const [ten = 0, hundred = 0, thousand = 0, none = 0] = widths(svg);
    expect(thousand - hundred).toBeCloseTo(hundred - ten, 0);
    expect(none).toBe(1);
    expect(svg).not.toContain('NaN');
  });

  it('brings its own background and says labels as text, not as markup', () => {
    const svg = barChart({ title: 'a < b', says: 's', bars: bars(1), isLog: false });
    expect(svg).toContain('fill="#ffffff"');
    expect(svg).toContain('system 0 &lt;&amp;&gt;');
    expect(svg).toContain('a &lt; b');
  });
});

describe('figure', () => {
  it('keeps about three digits', () => {
    expect([1_234.5, 12.34, 1.234, undefined].map(figure)).toEqual(['1,235', '12.3', '1.23', '–']);
  });
});
