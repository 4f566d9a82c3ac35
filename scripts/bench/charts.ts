/** Bar charts as plain SVG. Owns: their look. Does not know: what is charted. */

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly isOwn: boolean;
}

const WIDTH = 720;
const LABEL = 290;
const ROW = 26;
const TOP = 44;
const VALUE = 70;

/** Horizontal bars in the order given; colours hold on light and dark pages alike. */
export function barChart(title: string, unit: string, bars: readonly Bar[]): string {
  const height = TOP + bars.length * ROW + 10;
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const rows = bars.map(({ label, value, isOwn }, i) => {
    const y = TOP + i * ROW;
    const width = Math.max(1, (value / most) * (WIDTH - LABEL - VALUE));
    return [
      `  <text x="${LABEL - 8}" y="${y + 15}" text-anchor="end">${escaped(label)}</text>`,
      `  <rect x="${LABEL}" y="${y + 3}" width="${width.toFixed(1)}" height="${ROW - 8}" rx="2" fill="${isOwn ? '#d9480f' : '#868e96'}"/>`,
      `  <text x="${(LABEL + width + 6).toFixed(1)}" y="${y + 15}">${figure(value)}</text>`,
    ].join('\n');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}" font-family="system-ui, sans-serif" font-size="12" fill="#7a7a7a">`,
    `  <text x="8" y="20" font-size="14" font-weight="600">${escaped(title)}</text>`,
    `  <text x="8" y="36" font-size="11">${escaped(unit)}</text>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
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
