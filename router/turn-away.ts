/** How a client is sent off that could not be given its place. Owns: the words, and a time to come back that spreads the herd. */
import type { RandomSource } from '../shared/random.ts';
import type { ClientClose } from './ports.ts';

/** Window over which clients that are turned away are told to come back, milliseconds. */
const RETRY_WINDOW_MS = 5_000;

const MESSAGES = {
  unavailable: 'no node could take the room in time',
  redis_unavailable: 'the directory cannot be read now',
  room_full: 'the room is full',
} as const;

export type TurnAwayCode = keyof typeof MESSAGES;

export function turnedAway(code: TurnAwayCode, random: RandomSource): ClientClose {
  return {
    code: 1013,
    reason: code,
    error: { code, message: MESSAGES[code], retryable: true },
    retryAfterMs: Math.round(RETRY_WINDOW_MS * (0.2 + 0.8 * random.unit())),
  };
}

/** What a client hears whom the owner will not seat, however often it asks here. */
export const REFUSED_FOR_GOOD = {
  replaced: { code: 4409, reason: 'replaced' },
  failed: { code: 1011, reason: 'the room failed' },
  unauthorised: { code: 4403, reason: 'not allowed' },
} as const satisfies Readonly<Record<string, ClientClose>>;

/** What a client is told whose room is served elsewhere now, where its socket cannot follow. */
export const MOVED_AWAY = { code: 1012, reason: 'the room moved', retryAfterMs: 0 } as const satisfies ClientClose;

/** Its node is of an earlier version, and cannot be sent so large a message. */
export const TOO_LARGE = {
  code: 1009,
  reason: 'the message is too large for the room’s node',
} as const satisfies ClientClose;
