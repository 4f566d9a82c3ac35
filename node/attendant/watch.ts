/** Watches a server's health for as long as its attendant runs. Owns: when it is asked. Does not know: how, or what follows.
 *  Invariant: one question at a time; none after `close`. */
import type { RandomSource } from '../../shared/random.ts';
import { jittered } from '../../shared/random.ts';
import { HealthGauge } from './health.ts';

export interface HealthWatchOptions {
  readonly failuresMax: number;
  readonly intervalMs: number;
  /** Asks once, within a bound of its own. Never rejects. */
  readonly ask: () => Promise<boolean>;
  readonly random: RandomSource;
  /** Calls back after `ms`; injected for tests. @returns what calls it off */
  readonly after: (ms: number, then: () => void) => () => void;
  /** The server has become well, or ill. */
  readonly on: (health: 'well' | 'ill') => void;
}

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #gauge: HealthGauge;
  #callOff: () => void = () => undefined;
  #state: 'new' | 'running' | 'closed' = 'new';

  constructor(options: HealthWatchOptions) {
    this.#options = options;
    this.#gauge = new HealthGauge(options.failuresMax);
  }

  /** Begins; repeating it changes nothing. */
  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#ask();
  }

  close(): void {
    this.#state = 'closed';
    this.#callOff();
  }

  #ask(): void {
    const { ask, after, intervalMs, random, on } = this.#options;
    void ask().then((isWell) => {
      if (this.#state !== 'running') return;
      const turned = this.#gauge.took(isWell);
      const { health } = this.#gauge;
      if (turned && health !== 'unknown') on(health);
      // What it was told may have closed it.
      if (this.#closed) return;
      this.#callOff = after(jittered(random, intervalMs), () => this.#ask());
    });
  }

  get #closed(): boolean {
    return this.#state === 'closed';
  }
}
