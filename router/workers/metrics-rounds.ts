/** Asks every worker for its metrics and sums them up. Owns: the round under way and who wants its result. Does not know: processes.
 *  Invariants: one round at a time, its result is for all who asked before it ended; a worker that does not answer in time counts
 *  with what it showed last. */

import type { MetricsSnapshot } from './messages.ts';
import { MetricsLedger } from './metrics-ledger.ts';

export interface MetricsRoundsOptions {
  /** Names of the lives that serve now. */
  readonly lives: () => readonly string[];
  /** Sends `collect` to a life. */
  readonly collect: (life: string) => void;
  /** The parent's own: it costs memory and CPU like the others. */
  readonly own: () => Promise<MetricsSnapshot>;
  readonly answerMs?: number | undefined;
}

/** Well below a scraper's own patience (Prometheus: 10 s). */
const ANSWER_MS = 1_000;
const OWN = 'parent';

interface Round {
  readonly text: Promise<string>;
  /** Lives that have not answered. */
  readonly waiting: Set<string>;
  readonly done: () => void;
}

export class MetricsRounds {
  readonly #options: MetricsRoundsOptions;
  readonly #ledger = new MetricsLedger();
  #round: Round | undefined;

  constructor(options: MetricsRoundsOptions) {
    this.#options = options;
  }

  /** The metrics of all processes of this router, within the bound on answers. */
  text(): Promise<string> {
    this.#round ??= this.#begin();
    return this.#round.text;
  }

  /** A life answered. After its round it still counts: it is what that life shows last. */
  answered(life: string, metrics: MetricsSnapshot): void {
    this.#ledger.take(life, metrics);
    this.#heard(life);
  }

  /** A life ended; nothing more is heard from it. */
  ended(life: string): void {
    this.#ledger.end(life);
    this.#heard(life);
  }

  #heard(life: string): void {
    const round = this.#round;
    if (round?.waiting.delete(life) === true && round.waiting.size === 0) round.done();
  }

  #begin(): Round {
    const { lives, collect, own, answerMs = ANSWER_MS } = this.#options;
    const waiting = new Set(lives());
    let done = (): void => undefined;
    const answers = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, answerMs);
      done = () => {
        clearTimeout(timer);
        resolve();
      };
      if (waiting.size === 0) done();
    });
    const sum = async (): Promise<string> => {
      await answers;
      this.#round = undefined;
      this.#ledger.take(OWN, await own());
      return this.#ledger.text();
    };
    for (const life of waiting) collect(life);
    return { text: sum(), waiting, done };
  }
}
