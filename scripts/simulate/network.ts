/** Which host reaches which. Owns: cuts, each in one direction, and what waits behind them. Does not know: what travels.
 *  Invariant: what meets a cut is held, as TCP would send it again and again, and goes on when the cut is healed, in order. */

export class Network {
  readonly #cuts = new Map<string, number>();
  readonly #held = new Map<string, (() => void)[]>();
  readonly #rejects = new Set<string>();
  #sockets = 0;

  /** A name for a socket, never used before. */
  newSocket(): string {
    return `socket ${++this.#sockets}`;
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  cut(from: string, to: string): void {
    const key = `${from}>${to}`;
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
  }

  heal(from: string, to: string): void {
    const key = `${from}>${to}`;
    const cuts = (this.#cuts.get(key) ?? 1) - 1;
    if (cuts > 0) {
      this.#cuts.set(key, cuts);
      return;
    }
    this.#cuts.delete(key);
    const held = this.#held.get(key) ?? [];
    this.#held.delete(key);
    for (const go of held) go();
  }

  healAll(): void {
    this.#rejects.clear();
    for (const key of [...this.#cuts.keys()]) {
      this.#cuts.set(key, 1);
      const [from = '', to = ''] = key.split('>');
      this.heal(from, to);
    }
  }

  /** From now on dials are refused, as by a firewall, though the process lives. */
  reject(from: string, to: string): void {
    this.#rejects.add(`${from}>${to}`);
  }

  admit(from: string, to: string): void {
    this.#rejects.delete(`${from}>${to}`);
  }

  isRejected(from: string, to: string): boolean {
    return this.#rejects.has(`${from}>${to}`);
  }

  /** Goes on now, or when the way is free again. */
  pass(from: string, to: string, go: () => void): void {
    const key = `${from}>${to}`;
    if (!this.#cuts.has(key)) return go();
    const held = this.#held.get(key);
    if (held === undefined) this.#held.set(key, [go]);
    else held.push(go);
  }
}

/** Delays of one way of one connection. Invariant: what is sent first arrives first. */
export class Way {
  #lastMs = 0;

  /** @returns milliseconds from now until what is sent now arrives */
  delay(nowMs: number, ms: number): number {
    this.#lastMs = Math.max(this.#lastMs, nowMs + ms);
    return this.#lastMs - nowMs;
  }
}
