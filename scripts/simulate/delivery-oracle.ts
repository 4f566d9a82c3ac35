/** What a client must see: the invariants 2, 3, 4 and 5 of DESIGN §4. Owns: one session's cursor, what it was shown, and what it
 *  believes since its last reset; what every seq of a room's tag was said to be. Does not know: routers, nodes.
 *  Invariant: between resets deliveries are a contiguous run; nothing is shown twice; no older tag after a newer one. */
import type { LogOracle } from './log-oracle.ts';
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
  /** Of a durable room. */
  readonly #logs: LogOracle | undefined;
  /** Shown or acked since the last reset, in a durable room: seq → what is there. */
  readonly #believed = new Map<number, string>();
  #cursor: { seq: number; tag: string } | undefined;
  #order = 0;

  /** @param logs  what is logged; undefined where the room is none that logs */
  constructor(trace: Trace, oracle: Oracle, sayings: Sayings, who: string, room: string, logs?: LogOracle) {
    this.#logs = logs;
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
    if (!resumed) this.#forget();
  }

  reset(seq: number, tag: string): void {
    this.#cursor = { seq, tag };
    this.#forget();
  }

  /** What was said before a reset may be told again: of a durable room, since what Redis lost may be sent again. */
  #forget(): void {
    this.#believed.clear();
    if (this.#logs !== undefined) this.#seen.clear();
  }

  /** The publish `id` of `session` was acked at `seq`, without an echo. */
  acked(session: string, id: number, seq: number): void {
    if (this.#logs === undefined) return;
    const text = `${session}:${id}`;
    this.#logs.acked(this.#who, this.#room, text, seq);
    this.#believe(seq, text);
  }

  refused(session: string, id: number): void {
    this.#logs?.refused(this.#room, `${session}:${id}`);
  }

  #believe(seq: number, text: string): void {
    const before = this.#believed.get(seq);
    if (before !== undefined && before !== text) {
      this.#trace.violate('3', `${this.#who} is told of ${before} and of ${text} at ${seq} of ${this.#room}`);
    }
    this.#believed.set(seq, text);
  }

  /** Compares what the client believes with the log, once all has come to rest. */
  settle(): void {
    const differs = this.#logs?.differs(this.#room, this.#believed);
    if (differs !== undefined) {
      this.#trace.violate('3', `${this.#who} in ${this.#room} was told of ${differs}, and of no reset`);
    }
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
    if (this.#logs !== undefined) {
      this.#logs.shown(this.#who, this.#room, seq, tag, text);
      this.#believe(seq, text);
    }
    if (session === null || id === undefined) return;
    if (this.#seen.has(text)) this.#trace.violate('2', `${this.#who} is shown ${text} of ${this.#room} twice`);
    this.#seen.add(text);
  }
}
