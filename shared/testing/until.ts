/** Waiting for a condition. Owns: asking again, at short intervals, until a bound. */

const EVERY_MS = 10;
const BOUND_MS = 50_000;

/** Resolves once `isSo` does with true; a rejection counts as false.
 *  @throws Error when that has not come within the bound, with the last rejection as its cause */
export async function until(isSo: () => Promise<boolean>, boundMs = BOUND_MS): Promise<void> {
  const beganMs = performance.now();
  let cause: unknown;
  while (performance.now() - beganMs < boundMs) {
    const outcome = await isSo().catch((error: unknown) => {
      cause = error;
      return false;
    });
    if (outcome) return;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Error(`What was waited for has not come within ${boundMs} ms`, { cause });
}
