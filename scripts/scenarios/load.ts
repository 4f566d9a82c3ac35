/** Many clients that talk: rooms `load-0` … with the same number of clients each, publishes at a steady rate. Owns: who speaks when,
 *  what came of it, and whether a next owner was heard in each room. Does not know: faults.
 *  Everything is stamped by this process alone (performance.now). */
import type { RoomMessage } from '../../shared/protocol.ts';
import { epochOf, ScenarioClient } from './client.ts';

export interface LoadOptions {
  readonly rooms: number;
  readonly clients: number;
  /** Publishes a second, all rooms together. */
  readonly rate: number;
  /** `http://host:port` of each router; clients are dealt round. */
  readonly urls: readonly string[];
  readonly signals?: boolean;
  readonly prefix?: string;
}

export interface LoadCounts {
  readonly published: number;
  readonly acked: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly pending: number;
  readonly resets: number;
  readonly socketsClosed: number;
  readonly violations: readonly string[];
  /** Messages that some member of the room was not told though it had no reset. */
  readonly lost: number;
  /** Publishes that a member was told more than once. */
  readonly doubled: number;
}

interface RoomWatch {
  readonly room: string;
  /** What was said under each of the last seqs: `seq of tag` → `session id`. All members must have heard the same. */
  readonly said: Map<string, string>;
  readonly clients: ScenarioClient[];
  epoch: number;
  /** Whether a next owner was heard since the last `mark`. */
  isHeardAnew: boolean;
}

const TICK_MS = 10;
const CONNECT_BATCH = 25;
const SAID_MAX = 1_000;
const DISAGREEMENTS_MAX = 20;

export class Load {
  readonly clients: ScenarioClient[] = [];
  readonly #options: LoadOptions;
  readonly #rooms: RoomWatch[] = [];
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #lastMs = 0;
  #turn = 0;
  #published = 0;
  #markMs = 0;
  readonly #disagreements: string[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
    const { rooms, prefix = 'load' } = options;
    for (let i = 0; i < rooms; i++) {
      this.#rooms.push({
        room: `${prefix}-${i}`,
        said: new Map(),
        clients: [],
        epoch: 0,
        isHeardAnew: false,
      });
    }
  }

  get rooms(): readonly string[] {
    return this.#rooms.map(({ room }) => room);
  }

  /** Connects every client and waits for their seats. */
  async connect(): Promise<void> {
    const { clients, urls } = this.#options;
    for (let from = 0; from < clients; from += CONNECT_BATCH) {
      const batch = Array.from({ length: Math.min(CONNECT_BATCH, clients - from) }, (_, i) =>
        this.#make(from + i, urls),
      );
      await Promise.all(batch.map((client) => client.seated()));
    }
  }

  /** Begins to publish. */
  start(): void {
    this.#lastMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Publishes no more; what is under way goes on. */
  pause(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A fault happens now: what rooms show is measured from here. */
  mark(): number {
    this.#markMs = performance.now();
    for (const watch of this.#rooms) watch.isHeardAnew = false;
    return this.#markMs;
  }

  /** Of `rooms`, those that were not heard under a new owner since the mark. */
  silent(rooms: readonly string[]): string[] {
    return this.#rooms.filter(({ room, isHeardAnew }) => rooms.includes(room) && !isHeardAnew).map(({ room }) => room);
  }

  get pending(): number {
    return this.clients.reduce((sum, { pending }) => sum + pending.size, 0);
  }

  counts(): LoadCounts {
    const refused: Record<string, number> = {};
    let acked = 0;
    for (const { outcomes } of this.clients) {
      for (const outcome of outcomes.values()) {
        if (outcome.kind === 'acked') acked++;
        else refused[outcome.code] = (refused[outcome.code] ?? 0) + 1;
      }
    }
    const violations = [...this.clients.flatMap((one) => one.violations), ...this.#disagreements];
    return {
      published: this.clients.reduce((sum, { outcomes, pending }) => sum + outcomes.size + pending.size, 0),
      acked,
      refused,
      pending: this.pending,
      resets: this.clients.reduce((sum, { resets }) => sum + resets.length, 0),
      socketsClosed: this.clients.reduce((sum, { closes }) => sum + closes.length, 0),
      violations,
      lost: violations.filter((text) => / seq \d+ of /.test(text)).length + this.#behind(),
      doubled: violations.filter((text) => / id \d+ of /.test(text)).length,
    };
  }

  /** Members that stand below their room's highest seq under the same tag, once nothing is under way. */
  #behind(): number {
    let behind = 0;
    for (const { clients } of this.#rooms) {
      const cursors = clients.filter(({ isOpen }) => isOpen).map(({ cursor }) => cursor);
      const top = Math.max(0, ...cursors.map((cursor) => cursor?.seq ?? 0));
      behind += cursors.filter((cursor) => cursor !== undefined && cursor.seq < top).length;
    }
    return behind;
  }

  close(): void {
    this.pause();
    for (const client of this.clients) client.terminate();
  }

  #make(index: number, urls: readonly string[]): ScenarioClient {
    const watch = this.#rooms[index % this.#rooms.length];
    if (watch === undefined) throw new Error('a load needs a room');
    // Members of one room sit on different routers.
    const url = urls[Math.floor(index / this.#rooms.length) % urls.length] ?? '';
    const client = new ScenarioClient({ url, room: watch.room, user: `u${index}`, keep: false });
    client.onMessage = (message) => {
      this.#heard(watch, epochOf(message.tag));
      this.#compare(watch, message);
    };
    watch.clients.push(client);
    this.clients.push(client);
    return client;
  }

  #compare(watch: RoomWatch, { seq, tag, session, id }: RoomMessage): void {
    const key = `${seq} of ${tag}`;
    const what = `${session ?? '-'} ${id ?? '-'}`;
    const before = watch.said.get(key);
    if (before === undefined) watch.said.set(key, what);
    else if (before !== what && this.#disagreements.length < DISAGREEMENTS_MAX)
      this.#disagreements.push(`${watch.room}: ${key} is ${what} here and ${before} there`);
    if (watch.said.size > SAID_MAX) watch.said.delete(watch.said.keys().next().value ?? key);
  }

  #heard(watch: RoomWatch, epoch: number): void {
    if (epoch > watch.epoch) {
      if (watch.epoch > 0 && this.#markMs > 0) watch.isHeardAnew = true;
      watch.epoch = epoch;
    }
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#due += ((nowMs - this.#lastMs) * this.#options.rate) / 1_000;
    this.#lastMs = nowMs;
    for (; this.#due >= 1; this.#due--) {
      const client = this.clients[this.#turn++ % this.clients.length];
      if (client?.isSeated !== true) continue;
      client.publish(this.#published++);
      if (this.#options.signals === true) client.signal(this.#published);
    }
  }
}
