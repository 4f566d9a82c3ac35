/** What a room says of itself: welcome and presence, as texts no larger than a frame. Owns: what goes into them. Does not know: to
 *  whom they are sent. */
import { type Triple, tagOf } from '../shared/directory/directory.ts';
import * as encode from '../shared/protocol-encode.ts';
import type { RoomLimits } from './room-output.ts';
import { FRAME_BYTES_MAX } from './room-state.ts';
import type { RoomSession } from './roster.ts';

export function presenceText(present: readonly RoomSession[], version: number, membersMax: number): string {
  const members = firstMembers(present, membersMax);
  return encode.presence({ version, members, count: present.length, complete: members.length === present.length });
}

export function welcomeText(
  { room, triple, memberCount }: { readonly room: string; readonly triple: Triple; readonly memberCount: number },
  { user, session, seat }: RoomSession,
  limits: RoomLimits,
  how: { readonly seq: number; readonly resumed: boolean; readonly resume: string },
): string {
  const { payloadBytesMax, messageRate, pingIntervalMs, retryWindowMs } = limits;
  return encode.welcome({
    ...{ room, user, session, seat, ...how },
    epoch: triple.epoch,
    tag: tagOf(triple),
    members: memberCount,
    pingIntervalMs,
    retryWindowMs,
    limits: { payloadBytesMax, messageRate },
  });
}

/** As many members as one event may name and one frame can hold. */
function firstMembers(present: readonly RoomSession[], max: number): readonly RoomSession[] {
  let chars = 512;
  const members: RoomSession[] = [];
  for (const one of present) {
    const meta = one.meta === undefined ? 0 : JSON.stringify(one.meta).length * 3;
    chars += 100 + one.user.length + meta;
    if (members.length >= max || chars > FRAME_BYTES_MAX) break;
    members.push(one);
  }
  return members;
}
