/** What `pan`, the program that Spin makes of a model, says at its end. Owns: telling a search that ended from one that was cut short.
 *  Does not know: which answer was wanted.
 *  Invariant: `holds` is said only of a whole state space; whatever is not understood is `incomplete`. */

export type Verdict =
  /** Every reachable state was visited and none breaks a property. */
  | { readonly kind: 'holds' }
  /** A property was broken, at this step of the trace. */
  | { readonly kind: 'breaks'; readonly what: string; readonly depth: number }
  /** The search did not end: it shows nothing. */
  | { readonly kind: 'incomplete'; readonly why: string };

export interface PanReport {
  readonly verdict: Verdict;
  readonly states: number;
  readonly megabytes: number;
}

/** How the process itself ended. */
export interface PanExit {
  readonly code: number | null;
  readonly timedOut: boolean;
}

/** Signs of a search that was cut short, as pan 6.5 words them. */
const CUT_SHORT: readonly (readonly [RegExp, string])[] = [
  [/max search depth too small/, 'the search went deeper than its limit'],
  [/reached -DMEMLIM bound|out of memory/i, 'the memory limit was reached'],
  [/hash ?table full|table is full/i, 'the hash table was full'],
  [/VECTORSZ/, 'a state is larger than VECTORSZ'],
  [/time limit/i, 'the time limit was reached'],
];

const VIOLATION =
  /^pan:\s*\d+:\s*(assertion violated .*?|acceptance cycle|non-progress cycle|invalid end state)\s*\(at depth (\d+)\)/m;

export function readPan(output: string, exit: PanExit): PanReport {
  const states = Number(/^\s*([\d.e+]+) states, stored/m.exec(output)?.[1] ?? 0);
  const megabytes = Number(/^\s*([\d.]+)\s+total actual memory usage/m.exec(output)?.[1] ?? 0);
  return { verdict: judge(output, exit), states, megabytes };
}

function judge(output: string, exit: PanExit): Verdict {
  const found = VIOLATION.exec(output);
  const [, what, depth] = found ?? [];
  // A trace that breaks a property is one, however much of the rest was seen.
  if (what !== undefined && depth !== undefined) return { kind: 'breaks', what, depth: Number(depth) };
  if (exit.timedOut) return { kind: 'incomplete', why: 'the time limit was reached' };
  for (const [sign, why] of CUT_SHORT) if (sign.test(output)) return { kind: 'incomplete', why };
  if (/Search not completed/.test(output)) return { kind: 'incomplete', why: 'the search was not completed' };
  const errors = /^State-vector .* errors: (\d+)/m.exec(output)?.[1];
  if (errors === undefined) return { kind: 'incomplete', why: `pan ended without a report (exit code ${exit.code})` };
  if (errors !== '0')
    return { kind: 'incomplete', why: `pan counts ${errors} errors of a kind that is not known here` };
  if (exit.code !== 0) return { kind: 'incomplete', why: `pan ended with exit code ${exit.code}` };
  return { kind: 'holds' };
}
