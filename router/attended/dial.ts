/** One upgrade put to an attended server. Owns: the connection until its 101 is checked, and the bound on that. Does not know: the
 *  client's socket, sessions.
 *  Invariant: the outcome is told exactly once; without an open one no socket is left; the outcome never comes within `dial`.
 *  @see docs/decisions.md for why not http-proxy-3 */
import { type ClientRequest, request } from 'node:http';
import type { Socket } from 'node:net';
import type { TargetAddress } from '../../shared/attended.ts';
import { guardedLookup } from '../../shared/link/allow.ts';
import { checkAnswer } from './answer-head.ts';
import type { Offer } from './request-head.ts';

export type DialOutcome =
  /** `head` is to be written to the client; `early` are bytes that came behind it. The caller owns the socket from here on. */
  | { readonly kind: 'open'; readonly socket: Socket; readonly head: string; readonly early: Buffer }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'late' };

export interface DialOptions {
  readonly address: TargetAddress;
  readonly headers: readonly (readonly [string, string])[];
  readonly offer: Offer;
  readonly timeoutMs: number;
}

const ANSWER_BYTES_MAX = 16_384;

/** Dials. @returns what gives it up: `done` is not called any more */
export function dial(options: DialOptions, done: (outcome: DialOutcome) => void): () => void {
  const { address, headers, offer, timeoutMs } = options;
  let outgoing: ClientRequest | undefined;
  let told = false;
  const tell = (outcome: DialOutcome | undefined) => {
    if (told) return;
    told = true;
    clearTimeout(timer);
    if (outcome?.kind !== 'open') outgoing?.destroy();
    if (outcome !== undefined) done(outcome);
  };
  const refused = (why: string) => tell({ kind: 'refused', why });
  const timer = setTimeout(() => tell({ kind: 'late' }), timeoutMs);
  try {
    outgoing = request({
      ...address,
      lookup: guardedLookup,
      method: 'GET',
      headers: headers.flat(),
      setHost: false,
      agent: false,
      maxHeaderSize: ANSWER_BYTES_MAX,
      insecureHTTPParser: false,
    });
  } catch (error) {
    // What cannot be written as a request is found out here.
    setImmediate(() => refused(reasonOf(error)));
    return () => tell(undefined);
  }
  outgoing.on('error', (error) => refused(reasonOf(error)));
  outgoing.on('response', (response) => {
    response.on('error', () => undefined);
    refused(`it answered ${response.statusCode ?? 'no status'} instead of 101`);
  });
  outgoing.on('information', ({ statusCode }) => {
    // The parser found a 101 without the headers of a switch.
    if (statusCode === 101) refused('its 101 does not switch protocols');
  });
  outgoing.on('upgrade', (response, socket: Socket, early) => {
    socket.on('error', ignore);
    const verdict = checkAnswer(response.statusCode, response.rawHeaders, offer);
    if (told || !verdict.ok) {
      socket.destroy();
      if (!verdict.ok) refused(verdict.why);
      return;
    }
    tell({ kind: 'open', socket, head: verdict.head, early });
  });
  outgoing.end();
  return () => tell(undefined);
}

/** A fault of a socket ends in its `close` event. */
function ignore(): void {}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it cannot be asked';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return `it cannot be reached or does not speak HTTP (${code})`;
}
