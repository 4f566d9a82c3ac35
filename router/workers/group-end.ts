/** A worker's end of the channel to the parent of its router. Owns: what the worker knows of its router as a whole, and the questions
 *  it has put to the parent. Does not know: the other workers, HTTP.
 *  Invariant: every question ends, with an answer or after the bound. */
import { BellhopError } from '../../shared/errors.ts';
import type { ClusterEvent, EventReport } from '../events.ts';
import { type MetricsSnapshot, readToWorker, type ToParent } from './messages.ts';

export interface GroupEndOptions {
  readonly send: (message: ToParent) => void;
  /** What this worker counted, for the parent. */
  readonly metrics: () => Promise<MetricsSnapshot>;
  /** Hears what the workers of this router have seen. */
  readonly events?: ((events: readonly ClusterEvent[], missed: number) => void) | undefined;
}

/** Above the parent's own bound on its workers' answers. */
const ANSWER_MS = 2_000;
const QUESTIONS_MAX = 64;

export class GroupEnd {
  readonly #options: GroupEndOptions;
  readonly #asked = new Map<number, (text: string) => void>();
  #questions = 0;
  #ready = false;

  constructor(options: GroupEndOptions) {
    this.#options = options;
  }

  /** Whether the router as a whole is ready, as its parent said last. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Takes what came over the channel; what is not for it is ignored. */
  heard(raw: unknown): void {
    const message = readToWorker(raw);
    switch (message?.type) {
      case 'group':
        this.#ready = message.ready;
        return;
      case 'collect':
        void this.#options.metrics().then((metrics) => this.#options.send({ type: 'metrics', metrics }));
        return;
      case 'metrics-text':
        this.#asked.get(message.id)?.(message.text);
        return;
      case 'events':
        this.#options.events?.(message.events, message.missed);
        return;
      case undefined:
        return;
      default:
        return message satisfies never;
    }
  }

  /** Tells what this worker has seen happen. */
  report(reports: readonly EventReport[], missed: number): void {
    this.#options.send({ type: 'reports', reports, missed });
  }

  /** The metrics of the whole router. Its own alone would look like a restart of the router to whoever scrapes.
   *  @throws BellhopError timeout, too_many; both retryable */
  metrics(): Promise<string> {
    if (this.#asked.size >= QUESTIONS_MAX) {
      return Promise.reject(new BellhopError('too_many', 'too many questions about metrics at once'));
    }
    const id = ++this.#questions;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id);
        reject(new BellhopError('timeout', 'the parent of this worker did not answer in time'));
      }, ANSWER_MS);
      this.#asked.set(id, (text) => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(text);
      });
      this.#options.send({ type: 'ask-metrics', id });
    });
  }
}
