/** What happened, for people. Owns: the last lines of a run, and the first broken invariant. Does not know: what a line means.
 *  Invariant: bounded; only the first violation counts, since what follows it may be its consequence. */

const LINES_MAX = 400;

export interface Violation {
  readonly rule: string;
  readonly text: string;
  readonly atMs: number;
}

export class Trace {
  readonly #now: () => number;
  readonly #print: ((line: string) => void) | undefined;
  #lines: string[] = [];
  #violation: Violation | undefined;

  constructor(now: () => number, print?: (line: string) => void) {
    this.#now = now;
    this.#print = print;
  }

  get nowMs(): number {
    return this.#now();
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  get lines(): readonly string[] {
    return this.#lines.slice(-LINES_MAX);
  }

  say(who: string, what: string, fields?: Readonly<Record<string, unknown>>): void {
    const details = fields === undefined ? '' : ` ${JSON.stringify(fields)}`;
    const line = `${this.#now().toFixed(1).padStart(9)}  ${who.padEnd(8)} ${what}${details}`;
    this.#print?.(line);
    this.#lines.push(line);
    if (this.#lines.length > 2 * LINES_MAX) this.#lines = this.#lines.slice(-LINES_MAX);
  }

  /** What is too much to be kept: printed only when somebody reads along. */
  detail(who: string, what: () => string): void {
    this.#print?.(`${this.#now().toFixed(1).padStart(9)}  ${who.padEnd(8)}   ${what()}`);
  }

  /** @param rule  which invariant, as DESIGN §4 numbers them, or a short name */
  violate(rule: string, text: string): void {
    this.say('ORACLE', `VIOLATION of ${rule}: ${text}`);
    this.#violation ??= { rule, text, atMs: this.#now() };
  }
}
