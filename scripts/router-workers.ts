/** The workers of one router. Owns: one supervisor for each place, and what is true of all workers together: ready, ended, their
 *  metrics. Does not know: signals, clients; no client's byte comes by here.
 *  Invariants: a place has at most one life at a time; a worker's end ends no other worker; the router is ready once every place has
 *  served, and while one does. */
import { type ClusterEvent, EventRing } from '../router/events.ts';
import { type MetricsSnapshot, readToParent, type ToWorker } from '../router/workers/messages.ts';
import { MetricsRounds } from '../router/workers/metrics-rounds.ts';
import type { Clock } from '../shared/clock.ts';
import type { RandomSource } from '../shared/random.ts';
import type { ClusterWorker } from './cluster-worker.ts';
import { Supervisor, type SupervisorEvent } from './supervisor.ts';

export type RouterWorkersEvent =
  | { readonly kind: 'worker'; readonly position: number; readonly event: SupervisorEvent }
  /** Every worker serves, for the first time. */
  | { readonly kind: 'ready'; readonly url: string }
  /** A worker was asked, in development, to have a node killed. */
  | { readonly kind: 'kill-node'; readonly node: string }
  /** No worker is left, and none is to come. */
  | { readonly kind: 'ended'; readonly code: number };

export interface RouterWorkersOptions {
  readonly workers: number;
  readonly launch: (position: number) => ClusterWorker;
  readonly restart: boolean;
  readonly restartDelayMs: number;
  /** The parent's own metrics. */
  readonly metrics: () => Promise<MetricsSnapshot>;
  readonly on: (event: RouterWorkersEvent) => void;
  readonly clock?: Clock | undefined;
  readonly random?: RandomSource | undefined;
}

/** Of what was seen before a worker began to serve. */
const EVENTS_RETOLD = 1_000;

interface Place {
  readonly position: number;
  readonly supervisor: Supervisor;
  life: { readonly name: string; readonly worker: ClusterWorker } | undefined;
  state: 'starting' | 'serving' | 'gone';
  hasServed: boolean;
}

export class RouterWorkers {
  readonly #options: RouterWorkersOptions;
  readonly #places: readonly Place[];
  readonly #rounds: MetricsRounds;
  /** What its workers have seen, numbered for all of them. */
  readonly #events = new EventRing();
  #lives = 0;
  #restarts = 0;
  #isReady = false;
  #wasReady = false;
  #stopping = false;
  #ended = false;
  /** Of the worker that ended last; 2 stays, since it says that an operator has to change something. */
  #code = 0;

  constructor(options: RouterWorkersOptions) {
    this.#options = options;
    this.#places = Array.from({ length: options.workers }, (_, i) => this.#makePlace(i + 1));
    this.#rounds = new MetricsRounds({
      lives: () => this.#serving().flatMap(({ life }) => (life === undefined ? [] : [life.name])),
      collect: (name) => {
        const life = this.#places.find((place) => place.life?.name === name)?.life;
        life?.worker.send({ type: 'collect' } satisfies ToWorker);
      },
      own: options.metrics,
    });
  }

  get serving(): number {
    return this.#serving().length;
  }

  /** Lives that took the place of one that died. */
  get restarts(): number {
    return this.#restarts;
  }

  start(): void {
    for (const { supervisor } of this.#places) supervisor.start();
  }

  /** Asks every worker to send its clients away and end. */
  drain(): void {
    this.#stopping = true;
    this.#tellReady();
    for (const place of this.#places) {
      place.supervisor.drain();
      if (!place.supervisor.isAlive) place.state = 'gone';
    }
    this.#endIfNoneIsLeft(0);
  }

  /** Has every worker read certificates and secrets again. */
  reload(): void {
    for (const { supervisor } of this.#places) supervisor.reload();
  }

  /** Ends every worker at once. Resolves when they are gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#places.map(({ supervisor }) => supervisor.stop('at once')));
  }

  #makePlace(position: number): Place {
    const { launch, restart, restartDelayMs, clock, random } = this.#options;
    const supervisor = new Supervisor({
      launch: () => {
        const worker = launch(position);
        const life = { name: `${position}/${++this.#lives}`, worker };
        if (place.life !== undefined) this.#restarts++;
        place.life = life;
        place.state = 'starting';
        worker.onMessage((message) => this.#heard(place, life, message));
        return worker;
      },
      restart,
      restartDelayMs,
      clock,
      random,
      on: (event) => {
        this.#options.on({ kind: 'worker', position, event });
        if (event.kind === 'ready') this.#nowServes(place, event.message);
        if (event.kind === 'ended') this.#nowEnded(place, event);
      },
    });
    const place: Place = { position, supervisor, life: undefined, state: 'starting', hasServed: false };
    return place;
  }

  #serving(): Place[] {
    return this.#places.filter(({ state }) => state === 'serving');
  }

  #nowServes(place: Place, message: Readonly<Record<string, unknown>>): void {
    place.state = 'serving';
    place.hasServed = true;
    this.#tellReady();
    const events = this.#events.latest(EVENTS_RETOLD);
    if (events.length > 0) place.life?.worker.send({ type: 'events', events, missed: 0 } satisfies ToWorker);
    // What it was not told while it started.
    if (this.#isReady) place.life?.worker.send({ type: 'group', ready: true } satisfies ToWorker);
    if (this.#wasReady || !this.#isReady) return;
    this.#wasReady = true;
    this.#options.on({ kind: 'ready', url: String(message['url']) });
  }

  #nowEnded(place: Place, event: Extract<SupervisorEvent, { kind: 'ended' }>): void {
    place.state = event.restartMs === undefined ? 'gone' : 'starting';
    if (place.life !== undefined) this.#rounds.ended(place.life.name);
    this.#tellReady();
    // What one of them refuses at its start, the others will.
    const isRefused = event.verdict === 'refused' && !this.#wasReady;
    if (isRefused && !this.#stopping) void this.stop();
    this.#code = isRefused || this.#code === 2 ? 2 : (event.exit.code ?? 1);
    this.#endIfNoneIsLeft(this.#code);
  }

  #endIfNoneIsLeft(code: number): void {
    if (this.#ended || this.#places.some(({ supervisor, state }) => supervisor.isAlive || state !== 'gone')) return;
    this.#ended = true;
    this.#options.on({ kind: 'ended', code });
  }

  #tellReady(): void {
    const ready = !this.#stopping && this.#places.every(({ hasServed }) => hasServed) && this.#serving().length > 0;
    if (ready === this.#isReady) return;
    this.#isReady = ready;
    for (const { life } of this.#serving()) life?.worker.send({ type: 'group', ready } satisfies ToWorker);
  }

  #tellEvents(events: readonly ClusterEvent[], missed: number): void {
    for (const { life } of this.#serving()) life?.worker.send({ type: 'events', events, missed } satisfies ToWorker);
  }

  #heard(place: Place, life: NonNullable<Place['life']>, raw: unknown): void {
    const message = readToParent(raw);
    // The last words of a life may come after its end was told.
    if (message === undefined || place.life !== life || !place.supervisor.isAlive) return;
    if (message.type === 'metrics') return this.#rounds.answered(life.name, message.metrics);
    if (message.type === 'kill-node') return this.#options.on({ kind: 'kill-node', node: message.node });
    if (message.type === 'reports') {
      const events = message.reports.flatMap((report) => this.#events.add(report) ?? []);
      if (events.length > 0 || message.missed > 0) this.#tellEvents(events, message.missed);
      return;
    }
    const { id } = message;
    this.#rounds.text().then(
      (text) => life.worker.send({ type: 'metrics-text', id, text } satisfies ToWorker),
      // Unanswered, the worker's own bound ends the question.
      () => undefined,
    );
  }
}
