/** Many questions, each with a bound. Owns: time-outs and how many are asked at once. Does not know: what is asked. */
import { BellhopError } from '../shared/errors.ts';

/** Longest wait for one answer. */
export const QUESTION_MS = 2_000;
const AT_ONCE_MAX = 32;

/** Waits for an answer no longer than `ms`. The question is not taken back: whether it took effect is unknown then.
 *  @throws BellhopError `timeout`, or what the answer throws */
export async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new BellhopError('timeout', 'no answer in time')), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

export type Answer<I, T> =
  | { readonly ok: true; readonly item: I; readonly value: T }
  | { readonly ok: false; readonly item: I; readonly error: BellhopError };

/** Asks about every item, a bounded number at once, and answers for all of them within about `ms`: what was not asked by then
 *  counts as timed out.
 *  @returns one answer for each item, in order */
export async function askEach<I, T>(
  items: readonly I[],
  ask: (item: I) => Promise<T>,
  ms = QUESTION_MS,
): Promise<Answer<I, T>[]> {
  const untilMs = performance.now() + ms;
  const answers: Answer<I, T>[] = [];
  let taken = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const index = taken;
      taken += 1;
      const item = items[index];
      if (index >= items.length || item === undefined) return;
      try {
        const leftMs = untilMs - performance.now();
        if (leftMs <= 0) throw new BellhopError('timeout', 'no answer in time');
        answers[index] = { ok: true, item, value: await within(leftMs, ask(item)) };
      } catch (error) {
        answers[index] = { ok: false, item, error: asBellhopError(error) };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE_MAX, items.length) }, worker));
  return answers;
}

/** Any fault as one with a code; what is not ours becomes `internal`, and its text stays inside. */
export function asBellhopError(error: unknown): BellhopError {
  if (error instanceof BellhopError) return error;
  return new BellhopError('internal', undefined, { cause: error });
}
