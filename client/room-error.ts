/** How the client says no. Owns: its own codes beside those of the server. Does not know: who hears them.
 *  Invariant: what is `retryable` did not take effect. */
import type { ErrorCode } from '../shared/errors.ts';

/** `queue_full`: more waits than the bounds allow, so this was not taken. `closed`: the room is closed, and this was never sent.
 *  `token_failed`: `token()` threw, and is asked again. `no_websocket`: this runtime has none and none was given. */
export type RoomErrorCode = ErrorCode | 'queue_full' | 'closed' | 'token_failed' | 'no_websocket';

export class RoomError extends Error {
  readonly code: RoomErrorCode;
  /** Whether the same may be tried again without a risk of taking effect twice. */
  readonly retryable: boolean;

  constructor(code: RoomErrorCode, message: string, retryable = false, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RoomError';
    this.code = code;
    this.retryable = retryable;
  }
}
