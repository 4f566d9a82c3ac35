/** Where a command writes. Owns: whether there are colours, the line that is written over (progress), and backpressure. Does not
 *  know: commands.
 *  Colours go to a terminal alone, and not where NO_COLOR is set (no-color.org) or TERM is `dumb`.
 *  Invariant: everything that is written went through `ansiOf`, `plainOf` or `safeJson`. */
import { once } from 'node:events';
import { ansiOf, cut, type Line, plainOf, safeJson } from './text.ts';

/** What of a stream is used. */
export interface Sink {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly writableNeedDrain?: boolean | undefined;
  write(text: string): unknown;
}

const COLUMNS = 80;
const ERASE = '\r\u001b[K';

export class Terminal {
  /** Whether somebody looks on: progress is a line that is written over. */
  readonly isTerminal: boolean;
  readonly #sink: Sink;
  readonly #hasColour: boolean;
  #hasProgress = false;

  constructor(sink: Sink, env: { readonly noColor: boolean; readonly term: string | undefined }) {
    this.#sink = sink;
    this.isTerminal = sink.isTTY === true && env.term !== 'dumb';
    this.#hasColour = this.isTerminal && !env.noColor;
  }

  /** Its width; undefined for what is no terminal. */
  get columns(): number | undefined {
    return this.#sink.isTTY === true ? this.#sink.columns : undefined;
  }

  lines(lines: readonly Line[]): void {
    this.#erase();
    if (lines.length > 0) this.#sink.write(`${lines.map((line) => this.#textOf(line)).join('\n')}\n`);
  }

  line(line: Line): void {
    this.lines([line]);
  }

  /** One value as JSON. @param indent  spaces a level; 0: one line, as in a stream of values */
  json(value: unknown, indent = 2): void {
    this.#erase();
    this.#sink.write(`${safeJson(value, indent)}\n`);
  }

  /** Shows a line that the next one takes the place of. For a terminal only. */
  progress(line: string): void {
    this.#hasProgress = true;
    this.#sink.write(`${ERASE}${plainOf(cut(line, (this.#sink.columns ?? COLUMNS) - 1))}`);
  }

  /** Resolves once what was written has been taken: a reader that is slower than a room does not fill memory. */
  async taken(): Promise<void> {
    const sink = this.#sink;
    if (sink.writableNeedDrain === true && 'once' in sink) await once(sink as unknown as NodeJS.EventEmitter, 'drain');
  }

  #erase(): void {
    if (this.#hasProgress) this.#sink.write(ERASE);
    this.#hasProgress = false;
  }

  #textOf(line: Line): string {
    return this.#hasColour ? ansiOf(line) : plainOf(line);
  }
}
