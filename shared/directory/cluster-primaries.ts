/** The primaries of a Redis Cluster. Owns: the map slot → primary, one connection to each, and one run id for all of them.
 *  Does not know: which run id is in force, or any operation.
 *
 *  Not ioredis' own Cluster: it keeps a queue in front of each server and follows redirections, so that a command may reach a
 *  connection that was never checked. Here a redirection is a refusal (nothing was executed) and a reason to read the map again; the
 *  caller tries again. While a slot is being migrated its moved keys are refused (ASK): plan migrations for quiet hours.
 *
 *  The run id of the whole is a hash of those of all primaries as last read: a primary that is away changes nothing for the others, one
 *  that comes back with another life, or is replaced, makes another history of all.
 *  Invariant: a key's command goes to the primary that the map names, or nowhere. */
import { createHash } from 'node:crypto';
import { slotOf } from './keys.ts';
import type { Primaries } from './primaries.ts';
import type { ConnectionListener, ConnectionSettings, RedisConnection } from './redis-connection.ts';
import type { Address } from './redis-url.ts';

export interface ClusterListener {
  /** All primaries are known and checked under this run id. */
  up(runId: string): void;
  down(reason: string): void;
}

/** The map is read again this often while all is well. */
const MAP_MS = 5_000;
/** Refuses a map from a server gone mad; the Redis Cluster specification recommends at most 1,000 nodes. */
const PRIMARIES_MAX = 1_000;
const SLOTS = 16_384;

export class ClusterPrimaries implements Primaries {
  readonly #seeds: readonly Address[];
  readonly #settings: ConnectionSettings;
  readonly #connect: (address: Address, listener: ConnectionListener) => RedisConnection;
  readonly #listener: ClusterListener;
  readonly #byAddress = new Map<string, RedisConnection>();
  /** Run id of each server as last read; kept while the server is away. */
  readonly #runIds = new Map<string, string>();
  /** Addresses of the primaries in the last map; empty before the first. */
  #primaries: readonly string[] = [];
  #slots: readonly (string | undefined)[] = [];
  #runId: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading = false;
  #readAgain = false;
  #state: 'idle' | 'started' | 'closed' = 'idle';
  readonly #leaving = new Set<Promise<void>>();
  #closed: Promise<void> | undefined;

  constructor(
    seeds: readonly Address[],
    settings: ConnectionSettings,
    connect: (address: Address, listener: ConnectionListener) => RedisConnection,
    listener: ClusterListener,
  ) {
    this.#seeds = seeds;
    this.#settings = settings;
    this.#connect = connect;
    this.#listener = listener;
  }

  get runId(): string | undefined {
    return this.#runId;
  }

  start(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'started';
    for (const seed of this.#seeds) this.#ensure(seed);
    this.#schedule();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  connectionFor(key: string): RedisConnection | undefined {
    const address = this.#slots[slotOf(key)];
    const connection = address === undefined ? undefined : this.#byAddress.get(address);
    return connection?.info === undefined ? undefined : connection;
  }

  connections(): readonly RedisConnection[] {
    return this.#primaries.flatMap((address) => this.#byAddress.get(address) ?? []);
  }

  lookAgain(): void {
    void this.#read();
  }

  async #close(): Promise<void> {
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#runId = undefined;
    await Promise.all([...this.#leaving, ...[...this.#byAddress.values()].map((connection) => connection.close())]);
    this.#byAddress.clear();
  }

  #ensure({ host, port }: Address): string {
    const address = `${host}:${port}`;
    if (this.#byAddress.has(address)) return address;
    const connection = this.#connect(
      { host, port },
      {
        up: (info) => {
          this.#runIds.set(address, info.runId);
          this.#judge();
          void this.#read();
        },
        down: (reason) => {
          this.#listener.down(`${address}: ${reason}`);
          void this.#read();
        },
      },
    );
    this.#byAddress.set(address, connection);
    connection.start();
    return address;
  }

  /** Reads the map from any server that answers. One reading at a time; a wish for another while one runs is remembered. */
  async #read(): Promise<void> {
    if (this.#state !== 'started') return;
    if (this.#reading) {
      this.#readAgain = true;
      return;
    }
    this.#reading = true;
    try {
      for (const [address, connection] of [...this.#byAddress]) {
        if (connection.info === undefined) continue;
        // One that does not answer in time says nothing; the next may.
        const raw = await connection.ask('cluster', 'slots').catch(() => undefined);
        const map = parseSlots(raw, address);
        if (map === undefined || this.#state !== 'started') continue;
        this.#adopt(map);
        break;
      }
    } finally {
      this.#reading = false;
    }
    if (this.#readAgain && this.#state === 'started') {
      this.#readAgain = false;
      this.#schedule(this.#settings.random.unit() * 0.1 * this.#settings.reconnectMs);
    } else {
      this.#schedule();
    }
  }

  #adopt(map: SlotMap): void {
    this.#primaries = map.primaries.map((address) => this.#ensure(address));
    this.#slots = map.slots;
    const kept = new Set([...this.#primaries, ...this.#seeds.map(({ host, port }) => `${host}:${port}`)]);
    for (const [address, connection] of [...this.#byAddress]) {
      if (kept.has(address)) continue;
      this.#byAddress.delete(address);
      this.#runIds.delete(address);
      const leaving = connection.close();
      this.#leaving.add(leaving);
      void leaving.then(() => this.#leaving.delete(leaving));
    }
    this.#judge();
  }

  /** Settles the run id of the whole. */
  #judge(): void {
    const ids = this.#primaries.map((address) => this.#runIds.get(address));
    const isKnown = ids.length > 0 && ids.every((id) => id !== undefined);
    const runId = isKnown ? createHash('sha1').update(ids.sort().join(' ')).digest('hex') : undefined;
    if (runId === this.#runId) return;
    this.#runId = runId;
    if (runId !== undefined) this.#listener.up(runId);
  }

  #schedule(ms?: number): void {
    if (this.#state !== 'started') return;
    const isWell = this.#runId !== undefined && this.connections().every((connection) => connection.info !== undefined);
    const periodMs = isWell ? MAP_MS : this.#settings.reconnectMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#read(), ms ?? periodMs * (0.75 + 0.25 * this.#settings.random.unit()));
  }
}

interface SlotMap {
  readonly primaries: readonly Address[];
  readonly slots: readonly (string | undefined)[];
}

/** Reads CLUSTER SLOTS: ranges of slots, each with its primary and its replicas. Undefined if it is none, or names no primary. */
function parseSlots(raw: unknown, askedAddress: string): SlotMap | undefined {
  if (!Array.isArray(raw) || raw.length === 0) return undefined;
  const slots: (string | undefined)[] = new Array(SLOTS);
  const primaries = new Map<string, Address>();
  for (const range of raw as unknown[]) {
    if (!Array.isArray(range)) return undefined;
    const [first, last, primary] = range as unknown[];
    if (!Number.isInteger(first) || !Number.isInteger(last) || !Array.isArray(primary)) return undefined;
    const [named, port] = primary as unknown[];
    // A server that does not know its own name leaves it out: it is the one that was asked.
    const host =
      typeof named === 'string' && named !== '' ? named : askedAddress.slice(0, askedAddress.lastIndexOf(':'));
    const address = `${host}:${Number(port)}`;
    primaries.set(address, { host, port: Number(port) });
    if (primaries.size > PRIMARIES_MAX) return undefined;
    for (let slot = Math.max(0, Number(first)); slot <= Number(last) && slot < SLOTS; slot++) slots[slot] = address;
  }
  return { primaries: [...primaries.values()], slots };
}
