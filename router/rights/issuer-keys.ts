/** How an issuer's keys are fetched. Owns: how much of an answer is read, and how soon it is asked for again. Does not know: keys,
 *  tokens, for how long keys are believed.
 *  Strangers decide when keys are fetched, since any token will do for that: an issuer that answers with a fault is not to be asked
 *  once for each of them.
 *  Invariant: of an answer no more than ANSWER_BYTES_MAX and one chunk are held. */
import type { FetchImplementation } from 'jose';
import type { Clock } from '../../shared/clock.ts';

/** A key takes some 500 bytes. */
const ANSWER_BYTES_MAX = 262_144;
/** Also after an answer that was of no use. */
export const ASK_EVERY_MS = 1_000;

/** How keys are fetched under one URL.
 *  @param everyMs  least time between two questions
 *  @returns rejects where it is too soon, or the answer is too long; otherwise as `fetch` */
export function fetchKeys(clock: Clock, everyMs: number): FetchImplementation {
  let nextMs = Number.NEGATIVE_INFINITY;
  return async (url, options) => {
    const { monoMs } = clock.now();
    if (monoMs < nextMs) throw new Error('the keys were asked for a moment ago');
    nextMs = monoMs + everyMs;
    const { status, body } = await fetch(url, options);
    return new Response(await bounded(body), { status: status === 200 ? 200 : 502 });
  };
}

async function bounded(body: ReadableStream<Uint8Array> | null): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    // Leaving the loop by a throw cancels the rest.
    if (bytes > ANSWER_BYTES_MAX) throw new Error('the keys are longer than any');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
