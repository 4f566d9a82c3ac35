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
