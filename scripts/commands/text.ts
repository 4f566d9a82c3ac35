/** Text for a terminal, in pieces. Owns: what may reach a terminal, and how wide it is there. Does not know: streams.
 *  Renderers give pieces and never escape sequences: only `ansiOf` adds those, around what `shown` let through.
 *  Invariant: whatever a piece holds, no control, format or other invisible character of it is written as it is. */

export type Style = 'bold' | 'faint' | 'red' | 'green' | 'yellow' | 'cyan';
export type Piece = string | { readonly text: string; readonly style: Style };
export type Line = Piece | readonly Piece[];

const CODES: Readonly<Record<Style, readonly [open: number, close: number]>> = {
  bold: [1, 22],
  faint: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** Control and format characters (bidirectional overrides among them), line and paragraph separators, private and half characters. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** East Asian wide and full-width characters, and emoji: two columns each. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu;
const MARKS = /\p{M}/gu;

export function styled(style: Style, text: string): Piece {
  return { text, style };
}

/** The text with every invisible character as `\u{…}`: what a terminal may be given. */
export function shown(text: string): string {
  return text.replace(INVISIBLE, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
}

/** JSON that a terminal may be given: what JSON leaves unescaped and a terminal obeys is escaped too. It parses to the same value.
 *  @param indent  spaces a level; 0: one line */
export function safeJson(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, undefined, indent) ?? 'null';
  return text.replace(INVISIBLE, (found) => {
    // Between values, and nowhere in them: JSON escapes those inside of strings itself.
    if (found === '\n') return found;
    return Array.from(
      { length: found.length },
      (_, i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join('');
  });
}

/** A line without styles, as it looks. */
export function plainOf(line: Line): string {
  return piecesOf(line)
    .map((piece) => shown(textOf(piece)))
    .join('');
}

/** A line with its styles as escape sequences. */
export function ansiOf(line: Line): string {
  return piecesOf(line)
    .map((piece) => {
      const text = shown(textOf(piece));
      if (typeof piece === 'string' || text === '') return text;
      const [open, close] = CODES[piece.style];
      return `\u001b[${open}m${text}\u001b[${close}m`;
    })
    .join('');
}

/** Columns that a line takes. */
export function widthOf(line: Line): number {
  const text = plainOf(line).replace(MARKS, '');
  return [...text].length + (text.match(WIDE)?.length ?? 0);
}

/** At most `columns` of a text as it is shown, with an ellipsis where it was cut. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return shown(text);
  let kept = '';
  for (const character of shown(text)) {
    if (widthOf(kept) + widthOf(character) > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

export function piecesOf(line: Line): readonly Piece[] {
  return typeof line === 'string' || 'text' in line ? [line] : line;
}

function textOf(piece: Piece): string {
  return typeof piece === 'string' ? piece : piece.text;
}
