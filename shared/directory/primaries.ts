/** The primaries that the keys live on: one server, or those of a cluster. Owns: which connection a key belongs to, and the run id
 *  of the whole. Does not know: which run id is in force, or any operation.
 *  Invariant: `runId` changes whenever any primary may have begun another life of its data. */
import type { RedisConnection } from './redis-connection.ts';

export interface Primaries {
  /** Names the present life of all data; undefined while a primary's is not known. */
  readonly runId: string | undefined;
  start(): void;
  close(): Promise<void>;
  /** The checked connection to the primary that holds `key`; undefined while there is none. */
  connectionFor(key: string): RedisConnection | undefined;
  /** Connections to all primaries, checked or not. */
  connections(): readonly RedisConnection[];
  /** A reply said that a key is not where it was thought to be. */
  lookAgain(): void;
}

/** The one server that a redis:// URL or a sentinel names. */
export class SinglePrimary implements Primaries {
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  get runId(): string | undefined {
    return this.#connection.info?.runId;
  }

  start(): void {
    this.#connection.start();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  connectionFor(): RedisConnection | undefined {
    return this.#connection.info === undefined ? undefined : this.#connection;
  }

  connections(): readonly RedisConnection[] {
    return [this.#connection];
  }

  lookAgain(): void {}
}
