/** From a request to a client's place. Owns: new sessions, and the restoring of a seat. Does not know: sockets, owners.
 *  A resume token restores a seat, never a right: who the client is and where it may go was found out anew.
 *  Invariant: a seat is only ever raised. */
import type { Clock } from '../shared/clock.ts';
import type { ErrorCode } from '../shared/errors.ts';
import { newSessionId } from '../shared/ids.ts';
import type { RandomSource } from '../shared/random.ts';
import { verifyResume } from '../shared/token.ts';
import type { Authenticator, Grant, Identity } from './authenticate.ts';
import type { AcceptedClient } from './ports.ts';
import type { UpgradeRequest } from './upgrade.ts';

export interface AdmitOptions {
  readonly authenticator: Pick<Authenticator, 'identify'>;
  /** Of the cluster, under which resume tokens were issued. */
  readonly secrets: readonly string[];
  readonly clock: Clock;
  readonly random: RandomSource;
}

export type Admission =
  | { readonly ok: true; readonly client: AcceptedClient; readonly grant?: Grant | undefined }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** Gives a client its place.
 *  A token that is genuine but too old leads to a new session: its owner has long forgotten the old one, and to refuse would
 *  leave a client that slept without a way back. `welcome` says that nothing was resumed.
 *  @returns the place | the authenticator's refusal | `not_allowed` where the session is not this client's */
export function admit(request: UpgradeRequest, options: AdmitOptions): Admission | Promise<Admission> {
  const session = request.resume?.session ?? newSessionId(options.random);
  const { room, user, bearer, ticket, origin } = request;
  const shown = { room, user, bearer, ticket, origin, guest: guestName(session) };
  const identity = options.authenticator.identify(shown);
  if (!(identity instanceof Promise)) return placeOf(request, session, identity, options);
  return identity.then((known) => placeOf(request, session, known, options));
}

function placeOf(request: UpgradeRequest, session: string, identity: Identity, options: AdmitOptions): Admission {
  if (!identity.ok) return identity;
  const { room, resume } = request;
  const { user, grant } = identity;
  const nowMs = Math.floor(options.clock.now().wallMs);
  if (resume === undefined) return { ok: true, client: joining(room, user, session, nowMs, request.history), grant };

  const verdict = verifyResume(options.secrets, resume.token, { session, user, room }, nowMs);
  if (verdict.ok && verdict.seat < Number.MAX_SAFE_INTEGER) {
    const { seat, since } = verdict;
    const { cursor, sent } = resume;
    const client = { room, user, session, seat: seat + 1, since, kind: 'resume', cursor, sent, history: 0 } as const;
    return { ok: true, client, grant };
  }
  if (!verdict.ok && verdict.reason === 'expired') {
    return { ok: true, client: joining(room, user, newSessionId(options.random), nowMs, request.history), grant };
  }
  return { ok: false, code: 'not_allowed', message: 'this session cannot be resumed by this user in this room' };
}

/** One literal for all: V8 gives an object that was spread from another a hidden class of its own, some 400 bytes a client. */
function joining(room: string, user: string, session: string, since: number, history: number): AcceptedClient {
  return { room, user, session, seat: 1, since, kind: 'join', cursor: undefined, sent: undefined, history };
}

/** Follows from the session, so that a guest who resumes without `?user=` is the same one again, and nothing is kept for it. */
export function guestName(session: string): string {
  return `guest-${session.slice(0, 8)}`;
}
