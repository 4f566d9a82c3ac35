/** Something to be done once for all that comes together. Owns: when that is. Does not know: what is done.
 *  Answers of Redis that came in one piece are heard one after another, as promises; a tick of Node's comes behind them all, and before the
 *  immediates in which links and connections write. */

/** @returns what asks for `run`, which follows once, behind whatever is settled by then */
export function onceATurn(run: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    process.nextTick(() => {
      isDue = false;
      run();
    });
  };
}
