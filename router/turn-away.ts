/** How a client is sent off that could not be given its place. Owns: the words, and a time to come back that spreads the herd. */
import type { RouterCoreOptions } from './options.ts';
import type { ClientClose } from './ports.ts';

/** Window over which a few clients that are turned away are told to come back; more are spread further. */
const WINDOW = { minMs: 1_000, maxMs: 5_000 } as const;

const MESSAGES = {
  unavailable: 'no node could take the room in time',
  redis_unavailable: 'the directory cannot be read now',
  room_full: 'the room is full',
} as const;

export type TurnAwayCode = keyof typeof MESSAGES;

export function turnedAway(
  code: TurnAwayCode,
  { comeBackMs, random }: Pick<RouterCoreOptions, 'comeBackMs' | 'random'>,
): ClientClose {
  const drawnMs = WINDOW.minMs + (WINDOW.maxMs - WINDOW.minMs) * random.unit();
  return {
    code: 1013,
    reason: code,
    error: { code, message: MESSAGES[code], retryable: true },
    retryAfterMs: comeBackMs === undefined ? Math.round(drawnMs) : comeBackMs(WINDOW),
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
