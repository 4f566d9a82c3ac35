/** What a client must see: the invariants 2, 4 and 5 of DESIGN §4 as far as a relay room keeps them. Owns: one session's cursor and
 *  what it was shown; what every seq of a room's tag was said to be. Does not know: routers, nodes.
 *  Invariant: between resets deliveries are a contiguous run; nothing is shown twice; no older tag after a newer one. */
import type { Oracle } from './oracle.ts';
import type { Speaks } from './sim-link.ts';
import type { Trace } from './trace.ts';

/** One text for each (room, tag, seq), whoever tells it. */
export class Sayings {
  readonly #said = new Map<string, string>();

  /** @returns what was said there before, if that is something else */
  other(key: string, text: string): string | undefined {
    const before = this.#said.get(key);
    if (before === undefined) this.#said.set(key, text);
    return before === text ? undefined : before;
  }
}

export interface Shown {
  readonly seq: number;
  readonly tag: string;
  readonly session: string | null;
  readonly id?: number;
}

export class DeliveryOracle {
  readonly #trace: Trace;
  readonly #oracle: Oracle;
  readonly #sayings: Sayings;
  readonly #who: string;
  readonly #room: string;
  readonly #seen = new Set<string>();
  #cursor: { seq: number; tag: string } | undefined;
  #order = 0;

  constructor(trace: Trace, oracle: Oracle, sayings: Sayings, who: string, room: string) {
    this.#trace = trace;
    this.#oracle = oracle;
    this.#sayings = sayings;
    this.#who = who;
    this.#room = room;
  }

  get cursor(): { readonly seq: number; readonly tag: string } | undefined {
    return this.#cursor;
  }

  has(session: string, id: number): boolean {
    return this.#seen.has(`${session}:${id}`);
  }

  /** Something reached the client that a node said under this tag. */
  under(speaks: Speaks | undefined): void {
    if (speaks === undefined) return;
    const order = this.#oracle.orderOf(speaks) ?? 0;
    if (order < this.#order)
      this.#trace.violate('5', `${this.#who} is shown ${speaks.tag} of ${speaks.room} after a newer tag`);
    this.#order = Math.max(this.#order, order);
  }

  welcome(seq: number, tag: string, resumed: boolean): void {
    if (resumed && this.#cursor !== undefined && this.#cursor.seq !== seq) {
      this.#trace.violate('4', `${this.#who} stood at ${this.#cursor.seq} of ${this.#room} and was resumed at ${seq}`);
    }
    this.#cursor = { seq, tag };
  }

  reset(seq: number, tag: string): void {
    this.#cursor = { seq, tag };
  }

  message(shown: Shown): void {
    const { seq, tag, session, id } = shown;
    const cursor = this.#cursor;
    if (cursor === undefined)
      return this.#trace.violate('4', `${this.#who} is shown ${seq} of ${this.#room} before its welcome`);
    if (seq !== cursor.seq + 1) {
      this.#trace.violate(
        '4',
        `${this.#who} stands at ${cursor.seq} (${cursor.tag}) of ${this.#room} and is shown ${seq} (${tag})`,
      );
    }
    this.#cursor = { seq, tag };
    const text = `${session}:${id}`;
    const before = this.#sayings.other(`${this.#room} ${tag} ${seq}`, text);
    if (before !== undefined)
      this.#trace.violate('1', `${seq} (${tag}) of ${this.#room} is both ${before} and ${text}`);
    if (session === null || id === undefined) return;
    if (this.#seen.has(text)) this.#trace.violate('2', `${this.#who} is shown ${text} of ${this.#room} twice`);
    this.#seen.add(text);
  }
}
