/** Redis' data as of one moment, to be put back later: a backup restored, a replica that had fallen behind. Owns: the copy of the RDB file.
 *  Does not know: what is in it. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { plainRedis } from '../../shared/testing/redis-client.ts';
import type { RedisServer } from '../../shared/testing/redis-server.ts';

const FILE = 'dump.rdb';

export class SavedData {
  readonly #redis: RedisServer;
  readonly #directory: string;

  private constructor(redis: RedisServer, directory: string) {
    this.#redis = redis;
    this.#directory = directory;
  }

  /** Keeps the data as it is now. */
  static async of(redis: RedisServer): Promise<SavedData> {
    const client = await plainRedis(redis.port);
    try {
      await client.save();
      const [, directory = ''] = (await client.config('GET', 'dir')) as string[];
      const saved = new SavedData(redis, directory);
      copyFileSync(saved.#path(FILE), saved.#path(`kept-${FILE}`));
      return saved;
    } finally {
      client.disconnect();
    }
  }

  /** Ends the server as a crash would and starts it on the data that was kept. */
  async putBack(): Promise<void> {
    await this.#redis.kill9();
    copyFileSync(this.#path(`kept-${FILE}`), this.#path(FILE));
    await this.#redis.restart();
  }

  #path(file: string): string {
    return join(this.#directory, file);
  }
}
