/** What can be wrong with a message. Owns: the codes of the codec's refusals, in both directions.
 *  Does not know: sockets. Invariant: decoding throws LinkProtocolError and nothing else; encoding throws LinkEncodeError and
 *  nothing else. */
import type { Goaway } from './messages.ts';

/** Why received bytes are not a message of the protocol.
 *  `unknown-type`, `too-long`, `bad-length`, `bad-id`: the header. `bad-flags`, `bad-field`: a value out of its range.
 *  `bad-utf8`, `bad-json`, `bad-shape`: a JSON payload. `bad-magic`: a HELLO that is not ours. `call-too-long`,
 *  `too-many-calls`: the bounds on calls that arrive in parts. `message-too-long`, `too-many-fragments`: those on messages in
 *  fragments. `credit-exceeded`: more data than was granted. `out-of-order`: a message that may not come now. */
export type ProtocolFault =
  | 'unknown-type'
  | 'too-long'
  | 'bad-length'
  | 'bad-id'
  | 'bad-flags'
  | 'bad-field'
  | 'bad-utf8'
  | 'bad-json'
  | 'bad-shape'
  | 'bad-magic'
  | 'call-too-long'
  | 'too-many-calls'
  | 'message-too-long'
  | 'too-many-fragments'
  | 'credit-exceeded'
  | 'out-of-order';

/** Longest text of a GOAWAY, characters. */
export const GOAWAY_TEXT_MAX = 512;

/** The other side broke the protocol. Not retryable: the link is closed, and `goaway` are the last words on it. */
export class LinkProtocolError extends Error {
  readonly code: ProtocolFault;
  readonly retryable = false;

  constructor(code: ProtocolFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'LinkProtocolError';
    this.code = code;
  }

  /** What to send before the link is closed. */
  get goaway(): Goaway {
    return { type: 'goaway', reason: 'protocol', text: `${this.code}: ${this.message}`.slice(0, GOAWAY_TEXT_MAX) };
  }
}

/** `too-large`: does not fit its frame, or its bound. `out-of-range`: a value that its field cannot hold.
 *  `bad-json`: not representable as JSON (a cycle, a BigInt, too deep). */
export type EncodeFault = 'too-large' | 'out-of-range' | 'bad-json';

/** This process tried to send what the protocol cannot carry. Not retryable; the link is not affected. */
export class LinkEncodeError extends Error {
  readonly code: EncodeFault;
  readonly retryable = false;

  constructor(code: EncodeFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'LinkEncodeError';
    this.code = code;
  }
}
