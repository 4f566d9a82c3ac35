/** Waiting in scenarios: for what must become true within a bound. Owns: polling, and the sentence when the bound passes. */
import { setTimeout as pause } from 'node:timers/promises';

/** Three times what the protocol needs in its longest way (a namesake's certificate by patience, then grace, then a claim). */
export const BOUND_MS = 15_000;

const EVERY_MS = 20;

/** Thrown by a condition that can never come true any more. */
export class Hopeless extends Error {}

/** Waits until `holds` gives something truthy. What it throws counts as "not yet", and is told when the bound passes; only
 *  Hopeless ends the wait.
 *  @throws Error naming `what`, after `boundMs` */
export async function until<T>(
  what: string,
  holds: () => T | Promise<T>,
  boundMs: number = BOUND_MS,
): Promise<Exclude<T, false | undefined | null | 0 | ''>> {
  const untilMs = performance.now() + boundMs;
  let last: unknown;
  for (;;) {
    try {
      last = await holds();
      if (last) return last as Exclude<T, false | undefined | null | 0 | ''>;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (performance.now() >= untilMs) {
      const why = last instanceof Error ? `: ${last.message}` : '';
      throw new Error(`not within ${boundMs} ms: ${what}${why}`);
    }
    await pause(EVERY_MS);
  }
}

export { pause };
