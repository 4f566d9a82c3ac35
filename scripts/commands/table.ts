/** Rows in columns, and a page of names with values. Owns: alignment. Does not know: what the cells say. */
import { type Line, type Piece, piecesOf, styled, widthOf } from './text.ts';

const GAP = '  ';

export interface Column {
  readonly name: string;
  readonly align?: 'right';
}

/** A header and a line for each row. A row may be shorter than the header. */
export function table(columns: readonly Column[], rows: readonly (readonly Line[])[]): Line[] {
  const widths = columns.map(({ name }, i) => Math.max(widthOf(name), ...rows.map((row) => widthOf(row[i] ?? ''))));
  const lineOf = (cells: readonly Line[]): Piece[] =>
    cells.flatMap((cell, i) => {
      // Nothing is filled up for the sake of empty cells after it.
      const isLast = cells.slice(i + 1).every((after) => widthOf(after) === 0);
      const fill = ' '.repeat(Math.max(0, (widths[i] ?? 0) - widthOf(cell)));
      if (isLast && widthOf(cell) === 0) return [];
      const gap = i === 0 ? [] : [GAP];
      if (columns[i]?.align === 'right') return [...gap, fill, ...piecesOf(cell)];
      return [...gap, ...piecesOf(cell), ...(isLast ? [] : [fill])];
    });
  return [lineOf(columns.map(({ name }) => styled('faint', name))), ...rows.map(lineOf)];
}

/** One line a pair; a value of several lines goes on under its first. */
export function pairs(
  entries: readonly (readonly [name: string, value: Line | readonly Line[], many?: 'lines'])[],
): Line[] {
  const width = Math.max(...entries.map(([name]) => name.length)) + GAP.length;
  return entries.flatMap(([name, value, many]) => {
    const lines = many === 'lines' ? (value as readonly Line[]) : [value as Line];
    return lines.map((line, i) => [styled('faint', (i === 0 ? name : '').padEnd(width)), ...piecesOf(line)]);
  });
}
