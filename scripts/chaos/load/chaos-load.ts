/** The load of a chaos run: rooms `chaos-0` … with the same number of clients each, publishes and signals at a steady rate. Owns: who
 *  speaks when, which router a client comes back to, and what the rooms show. Does not know: faults, verdicts. */
import { systemClock } from '../../../shared/clock.ts';
import type { RandomSource } from '../../../shared/random.ts';
import { until } from '../../scenarios/wait.ts';
import type { Recorder } from '../history/recorder.ts';
import { ChaosClient, type ChaosRouter } from './chaos-client.ts';
import { RoomWatch } from './room-watch.ts';

export interface LoadShape {
  readonly rooms: number;
  readonly clients: number;
  /** Publishes a second, all rooms together. */
  readonly rate: number;
  /** Signals a second, all rooms together. */
  readonly signals: number;
}

export interface ChaosLoadOptions extends LoadShape {
  readonly routers: readonly ChaosRouter[];
  readonly history: Recorder;
  readonly random: RandomSource;
}

const TICK_MS = 10;
const CONNECT_BATCH = 50;
const CONNECT_BOUND_MS = 30_000;

export class ChaosLoad {
  readonly clients: ChaosClient[] = [];
  readonly watches: readonly RoomWatch[];
  /** Routers a client may come back to; a stage takes out those it has killed. */
  readonly routers: ChaosRouter[];
  readonly #options: ChaosLoadOptions;
  readonly #byRoom = new Map<string, ChaosClient[]>();
  #timer: NodeJS.Timeout | undefined;
  #churn: NodeJS.Timeout | undefined;
  #lastMs = 0;
  #due = 0;
  #signalsDue = 0;
  #turn = 0;
  #signalTurn = 0;
  #lostMs = new Map<ChaosClient, number>();
  #backMs: number[] = [];
  #signalMs = 0;
  #signals = 0;
  #signalGapMs = 0;
  readonly #refused = new Map<string, number>();

  constructor(options: ChaosLoadOptions) {
    this.#options = options;
    this.routers = [...options.routers];
    this.watches = Array.from({ length: options.rooms }, (_, i) => new RoomWatch(`chaos-${i}`));
  }

  get rooms(): readonly string[] {
    return this.watches.map(({ room }) => room);
  }

  membersOf(room: string): readonly ChaosClient[] {
    return this.#byRoom.get(room) ?? [];
  }

  watchesOf(rooms: readonly string[]): readonly RoomWatch[] {
    const wanted = new Set(rooms);
    return this.watches.filter(({ room }) => wanted.has(room));
  }

  /** Connects every client and waits for their seats. */
  async connect(): Promise<void> {
    const { clients } = this.#options;
    for (let from = 0; from < clients; from += CONNECT_BATCH) {
      const batch = Array.from({ length: Math.min(CONNECT_BATCH, clients - from) }, (_, i) => this.#make(from + i));
      for (const client of batch) client.connect();
      await until('every client is seated', () => batch.every(({ isSeated }) => isSeated), CONNECT_BOUND_MS);
    }
  }

  start(): void {
    this.#lastMs = systemClock.now().monoMs;
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  /** Says no more; what is under way goes on. */
  pause(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Breaks the socket of some client so many times a second; 0 ends it. */
  churn(perSecond: number): void {
    clearInterval(this.#churn);
    if (perSecond > 0) this.#churn = setInterval(() => this.#pick(this.clients)?.break(), 1_000 / perSecond);
  }

  /** A fault strikes now: what is shown is measured from here. @returns the moment */
  mark(): number {
    const atMs = systemClock.now().monoMs;
    for (const watch of this.watches) watch.mark(atMs);
    this.#backMs = [];
    this.#signalMs = atMs;
    this.#signalGapMs = 0;
    this.#signals = 0;
    this.#refused.clear();
    return atMs;
  }

  /** Since the mark, of each client that lost its socket and has its seat again: how long that took, ms. */
  get backMs(): readonly number[] {
    return this.#backMs;
  }

  get unseated(): readonly ChaosClient[] {
    return this.clients.filter(({ isSeated }) => !isSeated);
  }

  get pending(): number {
    return this.clients.reduce((sum, { pending }) => sum + pending.size, 0);
  }

  /** Since the mark: signals heard, and the longest time in which no client heard any. */
  get signalled(): { readonly heard: number; readonly gapMs: number } {
    return {
      heard: this.#signals,
      gapMs: Math.max(this.#signalGapMs, systemClock.now().monoMs - this.#signalMs),
    };
  }

  /** Since the mark, refusals by code. */
  get refused(): ReadonlyMap<string, number> {
    return this.#refused;
  }

  close(): void {
    this.pause();
    this.churn(0);
    for (const client of this.clients) client.close();
  }

  #make(index: number): ChaosClient {
    const watch = this.watches[index % this.watches.length];
    // Members of one room sit at different routers.
    const router = this.#options.routers[Math.floor(index / this.watches.length) % this.#options.routers.length];
    if (watch === undefined || router === undefined) throw new Error('a load needs a room and a router');
    const { history, random } = this.#options;
    const { room } = watch;
    const user = `u${index}`;
    const client: ChaosClient = new ChaosClient({
      client: history.addClient({ user, room }),
      room,
      user,
      roomClass: history.roomClass,
      router,
      nextRouter: (lost) => this.#pick(this.routers.filter(({ id }) => id !== lost.id)) ?? lost,
      random: () => random.unit(),
      record: (event) => history.add(event),
      hears: {
        message: (tag, saidMs, atMs) => watch.message(tag, saidMs, atMs),
        acked: (tookMs) => watch.acked(tookMs),
        refused: (code) => this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1),
        signal: (atMs) => {
          this.#signals++;
          this.#signalGapMs = Math.max(this.#signalGapMs, atMs - this.#signalMs);
          this.#signalMs = atMs;
        },
        lost: (atMs) => void this.#lostMs.set(client, atMs),
        seated: (atMs) => {
          const lostMs = this.#lostMs.get(client);
          if (lostMs === undefined) return;
          this.#lostMs.delete(client);
          this.#backMs.push(atMs - lostMs);
        },
      },
    });
    const members = this.#byRoom.get(room) ?? [];
    members.push(client);
    this.#byRoom.set(room, members);
    this.clients.push(client);
    return client;
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#options.random.unit() * from.length)];
  }

  #tick(): void {
    const nowMs = systemClock.now().monoMs;
    // After a stall of this process the load does not make up for more than a second.
    const seconds = Math.min(1_000, nowMs - this.#lastMs) / 1_000;
    this.#lastMs = nowMs;
    this.#due += seconds * this.#options.rate;
    this.#signalsDue += seconds * this.#options.signals;
    for (; this.#due >= 1; this.#due--) this.clients[this.#turn++ % this.clients.length]?.publish();
    for (; this.#signalsDue >= 1; this.#signalsDue--) this.clients[this.#signalTurn++ % this.clients.length]?.signal();
  }
}
