/** A primary and a plain replica of it, and what an operator does when the primary dies. Owns: the two servers and who is which. Does not
 *  know: who talks to them, and through what.
 *  Replication is asynchronous: what the primary had not sent yet when it died is lost. */
import { plainRedis } from '../../shared/testing/redis-client.ts';
import { type RedisServer, startRedis } from '../../shared/testing/redis-server.ts';
import { until } from '../scenarios/wait.ts';

const HOST = '127.0.0.1';
const REPLICA_ARGS = ['--repl-diskless-sync-delay', '0'];

export class RedisPair {
  #primary: RedisServer;
  #replica: RedisServer;

  private constructor(primary: RedisServer, replica: RedisServer) {
    this.#primary = primary;
    this.#replica = replica;
  }

  static async start(): Promise<RedisPair> {
    const primary = await startRedis({ args: REPLICA_ARGS });
    const replica = await startRedis({ args: [...REPLICA_ARGS, '--replicaof', `${HOST} ${primary.port}`] });
    const pair = new RedisPair(primary, replica);
    await pair.inStep();
    return pair;
  }

  get primary(): RedisServer {
    return this.#primary;
  }

  /** Waits until the replica has all that the primary has sent. */
  async inStep(): Promise<void> {
    const redis = await plainRedis(this.#replica.port);
    try {
      await until('the replica follows', async () =>
        (await redis.info('replication')).includes('master_link_status:up'),
      );
    } finally {
      redis.disconnect();
    }
  }

  /** The primary dies and the replica takes its place. @returns the new primary */
  async failOver(): Promise<RedisServer> {
    await this.#primary.kill9();
    const redis = await plainRedis(this.#replica.port);
    await redis.replicaof('NO', 'ONE');
    redis.disconnect();
    [this.#primary, this.#replica] = [this.#replica, this.#primary];
    return this.#primary;
  }

  /** What died comes back as a replica. */
  async rejoin(): Promise<void> {
    await this.#replica.restart({ args: [...REPLICA_ARGS, '--replicaof', `${HOST} ${this.#primary.port}`] });
    await this.inStep();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#primary.stop(), this.#replica.stop()]);
  }
}
