/** Every way in which Bellhop says no: error codes and WebSocket close codes, one table each, from which the docs are made.
 *  Owns: code → HTTP status, close code, whether trying again can help. Does not know: who sends them.
 *  Invariant: a code whose close has the verdict `resume` or `retry` is retryable, one with `stop` or `refresh` is not.
 *  No imports: the browser client reads these tables too.
 *  @see DESIGN §7, §8 */

/** What a client does after a close. `resume`: connect again with session, token and cursor. `retry`: connect again later, with
 *  them where it has them. `refresh`: get another access token first. `stop`: connecting again cannot help. */
export type CloseVerdict = 'resume' | 'retry' | 'refresh' | 'stop';

export interface CloseRow {
  readonly name: string;
  readonly verdict: CloseVerdict;
  readonly doc: string;
}

/** Close codes that are ever sent. 1005, 1006 and 1015 stand for the absence of one and never travel (RFC 6455 §7.4.1). */
export const CLOSE_CODES = {
  1000: { name: 'normal', verdict: 'stop', doc: 'The session ended as intended, or the room was closed for good.' },
  1001: { name: 'going_away', verdict: 'resume', doc: 'The router shuts down; another one takes the session.' },
  1002: { name: 'protocol_error', verdict: 'stop', doc: 'A frame broke RFC 6455.' },
  1003: { name: 'unsupported_data', verdict: 'stop', doc: 'A binary message; bellhop.v1 speaks text only.' },
  1007: { name: 'invalid_payload', verdict: 'stop', doc: 'A text message was not UTF-8.' },
  1008: { name: 'policy', verdict: 'stop', doc: 'The client went on sending what was refused before.' },
  1009: { name: 'too_big', verdict: 'stop', doc: 'A message exceeded limits.payloadBytesMax.' },
  1011: { name: 'internal', verdict: 'retry', doc: 'A fault on our side: the room’s program failed, or Bellhop did.' },
  1012: { name: 'restart', verdict: 'resume', doc: 'The router or the room restarts.' },
  1013: { name: 'try_later', verdict: 'retry', doc: 'No room for this client now, or no owner within the bound.' },
  4100: { name: 'slow_consumer', verdict: 'resume', doc: 'The client read too slowly; what it missed is replayed.' },
  4401: { name: 'not_authenticated', verdict: 'refresh', doc: 'The access token is missing, malformed or expired.' },
  4403: { name: 'not_allowed', verdict: 'stop', doc: 'This user may not enter this room, or no such room may exist.' },
  4409: { name: 'replaced', verdict: 'stop', doc: 'Another socket resumed this session.' },
} as const satisfies Record<number, CloseRow>;

export type CloseCode = keyof typeof CLOSE_CODES;
export type CloseName = (typeof CLOSE_CODES)[CloseCode]['name'];

/** The row of a close code that Bellhop sends, or undefined. */
export function closeRow(code: number): (CloseRow & { readonly name: CloseName }) | undefined {
  return Object.hasOwn(CLOSE_CODES, code) ? CLOSE_CODES[code as CloseCode] : undefined;
}

/** What to do after any close a client may see, also those that never travel (1005, 1006, 1015: the socket broke) and those of
 *  proxies and later versions: they are resumed, except 4400–4499, which tell the client that it is wrong. */
export function verdictOf(code: number): CloseVerdict {
  return closeRow(code)?.verdict ?? (code >= 4400 && code < 4500 ? 'stop' : 'resume');
}

export interface ErrorRow {
  /** HTTP status of a response with this error. */
  readonly status: number;
  /** Close code where this error ends a client's connection; undefined where it never does. */
  readonly close: CloseCode | undefined;
  /** Whether the same request may succeed later, without a risk of taking effect twice. */
  readonly retryable: boolean;
  readonly doc: string;
}

export const ERRORS = {
  // What the client sent.
  bad_request: {
    status: 400,
    close: 1008,
    retryable: false,
    doc: 'The request or one of its parameters is malformed.',
  },
  bad_room: { status: 400, close: 4403, retryable: false, doc: 'The room id is not one.' },
  bad_user: { status: 400, close: 4403, retryable: false, doc: 'The user id is not one.' },
  bad_json: { status: 400, close: 1008, retryable: false, doc: 'The text is not JSON.' },
  bad_message: {
    status: 400,
    close: 1008,
    retryable: false,
    doc: 'The JSON is not a message: a field is missing, wrong or there twice, a number overflows, a string holds half a character, or it is nested deeper than 64.',
  },
  unknown_type: { status: 400, close: 1008, retryable: false, doc: 'No message has this type.' },
  unsupported_data: {
    status: 415,
    close: 1003,
    retryable: false,
    doc: 'Binary messages and other content types are not taken.',
  },
  too_large: { status: 413, close: 1009, retryable: false, doc: 'The message exceeds limits.payloadBytesMax.' },
  payload_too_large: { status: 413, close: undefined, retryable: false, doc: 'The HTTP body exceeds its limit.' },
  upgrade_required: {
    status: 426,
    close: undefined,
    retryable: false,
    doc: 'This path takes WebSocket upgrades only.',
  },
  method_not_allowed: {
    status: 405,
    close: undefined,
    retryable: false,
    doc: 'The path exists, not with this method.',
  },
  not_found: { status: 404, close: undefined, retryable: false, doc: 'There is no such path, room, user or node.' },
  duplicate: {
    status: 409,
    close: undefined,
    retryable: false,
    doc: 'The id is not above the last of this session, and what it named is no longer known.',
  },
  conflict: { status: 409, close: undefined, retryable: false, doc: 'The request contradicts the present state.' },

  // Who the client is.
  not_authenticated: {
    status: 401,
    close: 4401,
    retryable: false,
    doc: 'The access token is missing, malformed or expired.',
  },
  not_allowed: { status: 403, close: 4403, retryable: false, doc: 'The token, or the origin, gives no right to this.' },
  replaced: { status: 409, close: 4409, retryable: false, doc: 'Another socket holds a higher seat of this session.' },

  // Bounds.
  rate_limited: { status: 429, close: 1013, retryable: true, doc: 'More messages or requests a second than allowed.' },
  too_many: { status: 429, close: 1013, retryable: true, doc: 'Too many sockets or open requests at once.' },
  room_full: { status: 503, close: 1013, retryable: true, doc: 'The room takes no more members or senders now.' },
  slow_consumer: { status: 503, close: 4100, retryable: true, doc: 'The client reads slower than the room speaks.' },

  // The room and its owner.
  room_closed: { status: 410, close: 1000, retryable: false, doc: 'An operator closed the room.' },
  program_failed: { status: 500, close: 1011, retryable: true, doc: 'The room’s program threw; the room opens anew.' },
  owner_lost: {
    status: 503,
    close: undefined,
    retryable: false,
    doc: 'The owner of a relay room died before it acked: the publish may have been seen or not.',
  },
  outcome_unknown: {
    status: 503,
    close: undefined,
    retryable: false,
    doc: 'Whether this took effect cannot be found out: sending it again may repeat it.',
  },
  not_owner: { status: 503, close: 1013, retryable: true, doc: 'The node asked does not own the room.' },
  settling: { status: 503, close: 1013, retryable: true, doc: 'The room has no living owner at this moment.' },

  // The cluster.
  unavailable: { status: 503, close: 1013, retryable: true, doc: 'No owner was found within the bound.' },
  redis_unavailable: {
    status: 503,
    close: 1013,
    retryable: true,
    doc: 'Redis is away and this needs it; nothing was written.',
  },
  draining: { status: 503, close: 1012, retryable: true, doc: 'The process takes nothing new: it is about to leave.' },
  going_away: { status: 503, close: 1001, retryable: true, doc: 'The process is shutting down.' },
  timeout: { status: 504, close: 1013, retryable: true, doc: 'No answer within the bound.' },
  target_failed: {
    status: 502,
    close: undefined,
    retryable: true,
    doc: 'The server behind an attended room refused the connection, or answered what is no WebSocket.',
  },
  target_timeout: {
    status: 504,
    close: undefined,
    retryable: true,
    doc: 'The server behind an attended room did not answer within the bound.',
  },
  unsupported: {
    status: 501,
    close: undefined,
    retryable: false,
    doc: 'An attended room speaks its own protocol: Bellhop can neither say nor read anything in it.',
  },
  internal: { status: 500, close: 1011, retryable: true, doc: 'A fault on our side.' },

  // Links between our own processes.
  link_lost: { status: 503, close: 1012, retryable: true, doc: 'The link broke before the answer came.' },
  link_refused: {
    status: 503,
    close: undefined,
    retryable: false,
    doc: 'The handshake failed: cluster, version or secret differ.',
  },
  link_protocol: {
    status: 500,
    close: undefined,
    retryable: false,
    doc: 'A frame broke the link’s rules; the link is cut.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}

/** The row of a code, with the types of the table's columns rather than of its literals. */
export function errorRow(code: ErrorCode): ErrorRow {
  return ERRORS[code];
}

/** A fault with a code of the table. `message` may be shown to whoever asked: it holds no secrets. */
export class BellhopError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string = ERRORS[code].doc,
    options: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BellhopError';
    this.code = code;
    this.retryable = ERRORS[code].retryable;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Body of an HTTP response with an error; its status is `errorRow(code).status`. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly retryable: boolean;
    readonly retryAfterMs?: number;
  };
}

export function errorBody(code: ErrorCode, message: string = ERRORS[code].doc, retryAfterMs?: number): ErrorBody {
  const error = { code, message, retryable: ERRORS[code].retryable };
  return { error: retryAfterMs === undefined ? error : { ...error, retryAfterMs: Math.ceil(retryAfterMs) } };
}
