/** Certifies dead nodes from outside of any node or router. Owns: a connection to the directory, open only while a certificate is
 *  to be written: deaths are rare, and a supervisor of a thousand healthy days needs none. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisDirectory, type RedisDirectoryOptions } from '../shared/directory/redis-directory.ts';
import { systemRandom } from '../shared/random.ts';
import { certifyByProof, type DeadNode } from './certify.ts';

export interface Certifier {
  /** Certifies a node whose process was reaped. Does not throw; retries within its bound. */
  certify(dead: DeadNode): Promise<void>;
  /** Gives up what is under way. */
  close(): void;
}

/** @param say  hears one sentence for each outcome that an operator should know */
export function createCertifier(options: RedisDirectoryOptions, say: (sentence: string) => void): Certifier {
  const closing = new AbortController();
  return {
    async certify(dead) {
      if (closing.signal.aborted) return;
      const directory = RedisDirectory.connect({ ...options, connections: ['control'] });
      // The first attempts come before there is a connection: the next is due when there is one, not when a pause is over.
      let cut = new AbortController();
      directory.onState((event) => {
        if (event.kind === 'up' && event.connection === 'control') cut.abort();
      });
      directory.start();
      try {
        const pause = async (ms: number) => {
          cut = new AbortController();
          const signal = AbortSignal.any([closing.signal, cut.signal]);
          await sleep(ms, undefined, { signal }).catch((error: unknown) => {
            if (!cut.signal.aborted || closing.signal.aborted) throw error;
          });
        };
        const outcome = await certifyByProof(directory, dead, { random: systemRandom, pause });
        if (outcome === 'gave up') say(`the death of ${dead.node} could not be recorded: Redis is away`);
      } catch (error) {
        if (closing.signal.aborted) return;
        say(
          `the death of ${dead.node} could not be recorded: ${error instanceof Error ? error.message : String(error)}`,
        );
      } finally {
        await directory.close();
      }
    },
    close: () => closing.abort(),
  };
}
