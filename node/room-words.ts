/** What a room says of itself at a welcome. Owns: what goes into it. Does not know: to whom it is sent. */
import { type Triple, tagOf } from '../shared/directory/directory.ts';
import type { OpenSession } from '../shared/link/messages.ts';
import * as encode from '../shared/protocol-encode.ts';
import type { RoomLimits } from './room-output.ts';
import type { RoomSession } from './roster.ts';

export function welcomeText(
  { room, triple, memberCount }: { readonly room: string; readonly triple: Triple; readonly memberCount: number },
  { user, session, seat, router }: RoomSession,
  limits: RoomLimits,
  how: {
    readonly seq: number;
    readonly resumed: boolean;
    readonly forgotten: true | undefined;
    readonly resume: string;
  },
): string {
  const { payloadBytesMax, messageRate, pingIntervalMs, retryWindowMs } = limits;
  return encode.welcome({
    ...{ room, user, session, seat, ...how },
    epoch: triple.epoch,
    tag: tagOf(triple),
    members: memberCount,
    pingIntervalMs,
    retryWindowMs: retryWindowMs(router),
    limits: { payloadBytesMax, messageRate },
  });
}

/** Whether a session comes back to a room that does not know it, or let it go: what it publishes under ids that it used before cannot
 *  be told from what it says for the first time. A log remembers senders for as long as they may come back. */
export function isForgotten(
  { kind }: OpenSession,
  known: RoomSession | undefined,
  session: RoomSession,
  isLogged: boolean,
): true | undefined {
  const isUnknown = isLogged ? session.unsureTo > 0 : known === undefined || known.seat === 0;
  return kind === 'resume' && isUnknown ? true : undefined;
}
