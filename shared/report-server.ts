/** Tells an operator at start what the Redis should be told. Owns: asking until it answers. */
import { setTimeout as pause } from 'node:timers/promises';
import { reasonOf } from './directory/directory.ts';
import type { Logger } from './log.ts';

const EVERY_MS = 500;
const WARN_AFTER = 10;
const GIVE_UP_AFTER = 240;

/** Logs each complaint about the server once; logs that it does not answer, and goes on asking for two minutes.
 *  @param check  complaints, empty when there are none; rejects while Redis cannot be asked */
export async function reportServer(check: () => Promise<readonly string[]>, log: Logger): Promise<void> {
  for (let attempt = 1; attempt <= GIVE_UP_AFTER; attempt++) {
    try {
      for (const complaint of await check()) log.warn('redis is not set up as it should be', { complaint });
      return;
    } catch (error) {
      if (attempt === WARN_AFTER) log.warn('redis does not answer', { why: reasonOf(error) });
    }
    await pause(EVERY_MS, undefined, { ref: false });
  }
}
