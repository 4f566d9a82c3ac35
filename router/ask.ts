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

/** Asks about every item, a bounded number at once, and answers for all of them within `ms`: what was not asked by then
 *  counts as timed out.
 *  @returns one answer for each item, in order */
export async function askEach<I, T>(
  items: readonly I[],
  ask: (item: I) => Promise<T>,
  ms = QUESTION_MS,
): Promise<Answer<I, T>[]> {
  const answers: Answer<I, T>[] = [];
  const tooLate = new BellhopError('timeout', 'no answer in time');
  let taken = 0;
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  // One moment for all, so that none is asked once the first has run out of time.
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      over = true;
      reject(tooLate);
    }, ms);
  });
  const worker = async (): Promise<void> => {
    for (;;) {
      const index = taken;
      taken += 1;
      const item = items[index];
      if (index >= items.length || item === undefined) return;
      try {
        if (over) throw tooLate;
        answers[index] = { ok: true, item, value: await Promise.race([ask(item), late]) };
      } catch (error) {
        answers[index] = { ok: false, item, error: asBellhopError(error) };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE_MAX, items.length) }, worker));
  clearTimeout(timer);
  return answers;
}

/** Any fault as one with a code; what is not ours becomes `internal`, and its text stays inside. */
export function asBellhopError(error: unknown): BellhopError {
  if (error instanceof BellhopError) return error;
  return new BellhopError('internal', undefined, { cause: error });
}
