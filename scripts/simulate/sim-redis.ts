/** Redis as a server process: runs, loses and forgets. Owns: the data, its life, who hears of what was executed. Does not know:
 *  connections (sim-directory.ts) or what faults are for.
 *  Invariant: operations execute one at a time, at one moment of Redis' own clock. */
import type { Args, Operation, Reply } from '../../shared/directory/directory.ts';
import { MemoryDirectory, type MemorySnapshot } from '../../shared/directory/memory-directory.ts';
import type { SeededRandom } from '../../shared/random.ts';
import type { EventQueue } from './event-queue.ts';

/** Redis' clock at the begin, Unix ms. */
const EPOCH_MS = 1_700_000_000_000;

/** What is put back under the same run id is at least this old: by then every living node's counter has moved on, by which alone nodes
 *  can tell. Within one heartbeat nobody could, but for the heads of logs, and presence is right again only once it is re-asserted. */
const REWOUND_MS = 1_500;

export type Execute = <K extends Operation>(
  directory: MemoryDirectory,
  operation: K,
  args: Args<K>,
  nowMs: number,
) => Reply<K>;

export type OnExecuted = <K extends Operation>(by: string, operation: K, args: Args<K>, reply: Reply<K>) => void;

export class SimRedis {
  readonly name = 'redis';
  readonly directory: MemoryDirectory;
  readonly #queue: EventQueue;
  readonly #random: SeededRandom;
  readonly #execute: Execute;
  readonly #onExecuted: OnExecuted;
  readonly #onRestart = new Set<() => void>();
  readonly #onLost: () => void;
  #life = 1;
  #isUp = true;
  #isPaused = false;
  #waiting: (() => void)[] = [];
  #clockMs = 0;
  #snapshots: { readonly atMs: number; readonly data: MemorySnapshot }[] = [];

  constructor(queue: EventQueue, random: SeededRandom, execute: Execute, onExecuted: OnExecuted, onLost: () => void) {
    this.#queue = queue;
    this.#random = random;
    this.#execute = execute;
    this.#onExecuted = onExecuted;
    this.#onLost = onLost;
    this.directory = new MemoryDirectory({ runId: random.hex(20) });
  }

  /** Changes with each start of the server: connections of another life are gone. */
  get life(): number {
    return this.#life;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get runId(): string {
    return this.directory.runId;
  }

  get wallMs(): number {
    return EPOCH_MS + this.#queue.nowMs + this.#clockMs;
  }

  /** Its clock is set, as by an administrator, or since it runs on another host now. */
  stepClock(ms: number): void {
    this.#clockMs += ms;
  }

  /** Runs `arrived` when the server reads it: now, or when its pause ends; never if the server is another by then. */
  arrive(life: number, arrived: () => void): void {
    if (life !== this.#life || !this.#isUp) return;
    if (this.#isPaused) this.#waiting.push(arrived);
    else arrived();
  }

  execute<K extends Operation>(by: string, operation: K, args: Args<K>): Reply<K> {
    const reply = this.#execute(this.directory, operation, args, this.wallMs);
    this.#onExecuted(by, operation, args, reply);
    return reply;
  }

  /** Calls back each time the server has gone and its connections with it. */
  onRestart(listener: () => void): void {
    this.#onRestart.add(listener);
  }

  /** Keeps the data as it is now, for a later rollback. */
  save(): void {
    this.#snapshots.push({ atMs: this.#queue.nowMs, data: this.directory.snapshot() });
    if (this.#snapshots.length > 8) this.#snapshots.shift();
  }

  /** @param data  of a moment of which the directory's snapshot was taken, or one that was saved, or none */
  restart(data: 'kept' | 'empty' | 'rollback' | MemorySnapshot, downMs: number): void {
    this.#life++;
    this.#waiting = [];
    this.#isUp = false;
    const saved = this.#snapshots.length === 0 ? undefined : this.#random.pick(this.#snapshots);
    const next = data === 'rollback' ? (saved?.data ?? 'kept') : data;
    if (data !== 'kept') this.#snapshots = this.#snapshots.filter((one) => one.data === next);
    this.directory.restart({ runId: this.#random.hex(20), data: next });
    if (next !== 'kept') this.#onLost();
    for (const listener of this.#onRestart) listener();
    const life = this.#life;
    this.#queue.after(downMs, () => {
      if (life === this.#life) this.#isUp = true;
    });
  }

  /** It starts now, if it has not started yet. */
  start(): void {
    this.#isUp = true;
  }

  /** FLUSHALL: the same server, without its data. */
  flush(): void {
    this.#snapshots = [];
    this.directory.restart({ runId: this.directory.runId, data: 'empty' });
    this.#onLost();
  }

  /** An older state is back under the same run id, as after a FLUSHALL and a restored file. @returns whether there was one */
  rewind(): boolean {
    const old = this.#snapshots.filter(({ atMs }) => this.#queue.nowMs - atMs >= REWOUND_MS);
    if (old.length === 0) return false;
    const saved = this.#random.pick(old);
    this.#snapshots = [saved];
    this.directory.restore(saved.data);
    this.#onLost();
    return true;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const arrived of waiting) arrived();
  }
}
