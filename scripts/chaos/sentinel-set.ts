/** A primary, its replica, and three sentinels that decide between them. Owns: the five servers, and waiting for what sentinels do. Does not
 *  know: who talks to them.
 *  Nobody is told by hand who is primary: sentinels find it gone, agree, and promote the replica.
 *  Replication is asynchronous: what the primary had not sent yet when it died is lost. */
import type { Redis } from 'ioredis';
import { plainRedis } from '../../shared/testing/redis-client.ts';
import { type RedisServer, startRedis } from '../../shared/testing/redis-server.ts';
import { pause, until } from '../scenarios/wait.ts';

const HOST = '127.0.0.1';
const NAME = 'main';
const SENTINELS = 3;
const QUORUM = 2;
const DOWN_AFTER_MS = 1_000;
/** A replica follows at once. */
const DATA_ARGS = ['--repl-diskless-sync-delay', '0'];
/** Sentinels tell each other of themselves every 2 s, and ask a server who it is every 10 s. */
const AGREED_BOUND_MS = 40_000;
const ASK_EVERY_MS = 50;

export class SentinelSet {
  readonly #data: readonly [RedisServer, RedisServer];
  readonly #sentinels: readonly RedisServer[];
  #primary: RedisServer;

  private constructor(data: readonly [RedisServer, RedisServer], sentinels: readonly RedisServer[]) {
    this.#data = data;
    this.#sentinels = sentinels;
    [this.#primary] = data;
  }

  /** Starts all five and waits until each sentinel knows the others and the replica. */
  static async start(): Promise<SentinelSet> {
    const primary = await startRedis({ args: DATA_ARGS });
    const replica = await startRedis({ args: [...DATA_ARGS, '--replicaof', `${HOST} ${primary.port}`] });
    const watched = { name: NAME, port: primary.port, quorum: QUORUM, downAfterMs: DOWN_AFTER_MS };
    const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => startRedis({ sentinelOf: watched })));
    const set = new SentinelSet([primary, replica], sentinels);
    await set.agreed();
    return set;
  }

  /** Whom the sentinels named last. */
  get primary(): RedisServer {
    return this.#primary;
  }

  /** How processes find the primary. */
  get url(): string {
    return `redis+sentinel://${this.#sentinels.map(({ port }) => `${HOST}:${port}`).join(',')}/${NAME}`;
  }

  /** Waits until the replica follows the primary, and every sentinel sees both and all sentinels: the next failover can be decided. */
  async agreed(): Promise<void> {
    const primary = String(this.#primary.port);
    const replica = this.#replica;
    await untilAnswered('the replica follows the primary', replica, async (client) => {
      const info = await client.info('replication');
      return info.includes(`master_port:${primary}\r`) && info.includes('master_link_status:up');
    });
    for (const sentinel of this.#sentinels) {
      await untilAnswered('a sentinel sees primary, replica and the others', sentinel, async (client) => {
        const seen = fieldsOf(await client.call('SENTINEL', 'master', NAME));
        const [other] = ((await client.call('SENTINEL', 'replicas', NAME)) as unknown[]).map(fieldsOf);
        return (
          seen.get('port') === primary &&
          seen.get('flags') === 'master' &&
          seen.get('num-other-sentinels') === String(SENTINELS - 1) &&
          other?.get('port') === String(replica.port) &&
          other.get('flags') === 'slave' &&
          other.get('master-link-status') === 'ok'
        );
      });
    }
  }

  /** Kills the primary and waits until every sentinel names the replica. @returns the new primary */
  async failOver(): Promise<RedisServer> {
    const next = this.#replica;
    await this.#primary.kill9();
    for (const sentinel of this.#sentinels) {
      await untilAnswered('the sentinels name the replica', sentinel, async (client) => {
        return String(await client.call('SENTINEL', 'get-master-addr-by-name', NAME)) === `${HOST},${next.port}`;
      });
    }
    this.#primary = next;
    return next;
  }

  /** What died starts again, empty, as a replica of whom a sentinel names: so a container's entry point or an operator does it. Left to
   *  sentinels alone it would be a second primary for some 20 s, which nobody asks for. */
  async rejoin(): Promise<void> {
    const [sentinel] = this.#sentinels;
    if (sentinel === undefined) return;
    const client = await plainRedis(sentinel.port);
    const named = (await client.call('SENTINEL', 'get-master-addr-by-name', NAME)) as string[];
    client.disconnect();
    await this.#replica.restart({ args: [...DATA_ARGS, '--replicaof', named.join(' ')] });
    await this.agreed();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#sentinels, ...this.#data].map((server) => server.stop()));
  }

  get #replica(): RedisServer {
    const [one, other] = this.#data;
    return this.#primary === one ? other : one;
  }
}

/** Asks a server again and again, each time on a connection of its own: a sentinel that changes a server's role ends all it has. */
async function untilAnswered(
  what: string,
  server: RedisServer,
  isSo: (client: Redis) => Promise<boolean>,
): Promise<void> {
  await until(
    what,
    async () => {
      const client = await plainRedis(server.port);
      try {
        if (await isSo(client)) return true;
      } finally {
        client.disconnect();
      }
      await pause(ASK_EVERY_MS);
      return false;
    },
    AGREED_BOUND_MS,
  );
}

/** A reply of names and values by turns. */
function fieldsOf(reply: unknown): ReadonlyMap<string, string> {
  const words = (reply as readonly unknown[]).map(String);
  return new Map(words.flatMap((word, i) => (i % 2 === 0 ? [[word, words[i + 1] ?? ''] as const] : [])));
}
