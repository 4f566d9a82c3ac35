/** Who a client is and which rooms it may enter. Owns: the reading of access tokens. Does not know: sessions, sockets.
 *  Without authentication the client names itself. With it a JWT says who it is (`sub`), where it may go (`rooms`, a list of
 *  room patterns) and where it may speak (`publish`, another; default `rooms`); a token without `rooms` opens no room, so that one made
 *  for another purpose opens none by accident. A single-use ticket says the same, as a backend had it written down.
 *  Invariant: only the algorithms named here are taken, whatever a token's header says; nothing that was issued before its user was
 *  revoked is.
 *  @see RFC 7519, RFC 8725 */
import { createRemoteJWKSet, customFetch, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Clock } from '../shared/clock.ts';
import { DirectoryError } from '../shared/directory/directory.ts';
import type { TicketGrant } from '../shared/directory/rights-operations.ts';
import type { ErrorCode } from '../shared/errors.ts';
import { isRoomPattern, isUserId, matchesPattern } from '../shared/ids.ts';
import { ASK_EVERY_MS, fetchKeys } from './rights/issuer-keys.ts';

export interface AuthenticatorOptions {
  readonly clock: Clock;
  /** Undefined: no authentication, `?user=` names the user. */
  readonly jwt?: JwtOptions | undefined;
  /** Takes tickets. Undefined: none are known here. */
  readonly tickets?: TicketTaker | undefined;
  /** Whether what was issued to the user at that time, Unix ms, gives no right any more. */
  readonly isRevoked?: ((user: string, issuedAtMs: number) => boolean) | undefined;
  /** A token is no longer believed when it is older than this, whatever it says. */
  readonly lifeMsMax?: number | undefined;
}

/** Takes a ticket away, so that it is nobody else's.
 *  @throws what the directory throws where it does not answer */
export type TicketTaker = (ticket: string) => Promise<{ readonly grant: TicketGrant; readonly at: number } | undefined>;

export interface JwtOptions {
  /** HS256 with a shared secret of 32 bytes or more, or the public keys of an issuer. */
  readonly keys: { readonly secret: string } | { readonly jwksUrl: string };
  readonly audience?: string | undefined;
  readonly issuer?: string | undefined;
  /** The keys of an issuer are not read again sooner than this, however many tokens name a key that is not among them. */
  readonly jwksCooldownMs?: number | undefined;
}

/** What a client shows of itself. */
export interface Credentials {
  readonly room: string;
  readonly user: string | undefined;
  readonly bearer: string | undefined;
  readonly ticket?: string | undefined;
  /** Of the page that it runs in. */
  readonly origin?: string | undefined;
  /** Who it is if it does not say: a name that the same session leads to again. */
  readonly guest: string;
}

/** What a token or ticket gives in one room. */
export interface Grant {
  /** Unix ms; 0 where the token does not say. */
  readonly issuedAtMs: number;
  /** Unix ms; undefined where it does not end by itself. */
  readonly expiresAtMs: number | undefined;
  readonly mayPublish: boolean;
}

export type Identity =
  /** Without authentication there is no grant: everything is allowed. */
  | { readonly ok: true; readonly user: string; readonly grant?: Grant }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

const SECRET_BYTES_MIN = 32;
const PUBLIC_KEY_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
/** By which an issuer's clock may differ from ours; a session outlives its token by as much. */
export const CLOCK_TOLERANCE_MS = 3_000;
/** 256 random bits in base64url. */
const TICKET = /^[A-Za-z0-9_-]{43}$/;
const JWKS_COOLDOWN_MS = 10_000;
const ROOM_PATTERNS_MAX = 1_000;
/** No token is from a later time than this: no revocation would ever be later than one that says so. */
const ISSUED_AHEAD_MS_MAX = 60_000;
const JWKS_TIMEOUT_MS = 5_000;

/** Three parts of base64url and nothing else: a decoder would pass over blanks, so that one token had many spellings.
 *  @see RFC 7515 §7.1 */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

type Verify = (token: string, options: JWTVerifyOptions) => Promise<{ payload: JWTPayload }>;

export class Authenticator {
  readonly #clock: Clock;
  readonly #verify: Verify | undefined;
  readonly #options: JWTVerifyOptions;
  readonly #tickets: TicketTaker | undefined;
  readonly #isRevoked: (user: string, issuedAtMs: number) => boolean;
  readonly #lifeMsMax: number;

  /** @throws RangeError where the secret is shorter than 32 bytes, TypeError where the URL is not one */
  constructor(options: AuthenticatorOptions) {
    this.#clock = options.clock;
    this.#tickets = options.tickets;
    this.#isRevoked = options.isRevoked ?? (() => false);
    this.#lifeMsMax = options.lifeMsMax ?? Number.POSITIVE_INFINITY;
    const jwt = options.jwt;
    if (jwt === undefined) {
      this.#verify = undefined;
      this.#options = {};
      return;
    }
    const expected = {
      ...(jwt.audience === undefined ? {} : { audience: jwt.audience }),
      ...(jwt.issuer === undefined ? {} : { issuer: jwt.issuer }),
      clockTolerance: CLOCK_TOLERANCE_MS / 1_000,
      requiredClaims: ['sub'],
    };
    if ('secret' in jwt.keys) {
      const secret = new TextEncoder().encode(jwt.keys.secret);
      // RFC 7518 §3.2: a key of at least the size of the hash.
      if (secret.length < SECRET_BYTES_MIN) {
        throw new RangeError(`a JWT secret must have at least ${SECRET_BYTES_MIN} bytes`);
      }
      this.#verify = (token, checks) => jwtVerify(token, secret, checks);
      this.#options = { ...expected, algorithms: ['HS256'] };
    } else {
      const cooldownMs = jwt.jwksCooldownMs ?? JWKS_COOLDOWN_MS;
      const keys = createRemoteJWKSet(new URL(jwt.keys.jwksUrl), {
        timeoutDuration: JWKS_TIMEOUT_MS,
        cooldownDuration: cooldownMs,
        // That cooldown begins with keys: while there are none, every token would ask.
        [customFetch]: fetchKeys(options.clock, Math.min(ASK_EVERY_MS, cooldownMs)),
      });
      this.#verify = (token, checks) => jwtVerify(token, keys, checks);
      this.#options = { ...expected, algorithms: PUBLIC_KEY_ALGORITHMS };
    }
  }

  /** Says who shows these credentials, if they may enter the room: at once where no token has to be checked. A ticket is spent by
   *  being shown, also in vain.
   *  @returns the user | `not_authenticated` | `not_allowed` (here) | `bad_user` | `unavailable`, `redis_unavailable` (it cannot be
   *           checked now) */
  identify(credentials: Credentials): Identity | Promise<Identity> {
    if (this.#verify === undefined && this.#tickets === undefined) return named(credentials.user ?? credentials.guest);
    const { bearer, ticket } = credentials;
    if (bearer !== undefined && this.#verify !== undefined) {
      if (!COMPACT.test(bearer)) return refuse('not_authenticated', 'the access token is not valid');
      return this.#read(this.#verify, bearer, credentials);
    }
    if (ticket !== undefined && this.#tickets !== undefined) return this.#spend(this.#tickets, ticket, credentials);
    return refuse('not_authenticated', 'an access token is needed');
  }

  async #read(verify: Verify, bearer: string, credentials: Credentials): Promise<Identity> {
    let payload: JWTPayload;
    const { wallMs } = this.#clock.now();
    try {
      ({ payload } = await verify(bearer, { ...this.#options, currentDate: new Date(wallMs) }));
    } catch (error) {
      return refusalFor(error);
    }
    const { sub = '', exp, iat } = payload;
    const issuedAtMs = iat === undefined ? 0 : iat * 1_000;
    if (issuedAtMs > wallMs + ISSUED_AHEAD_MS_MAX) return refuse('not_authenticated', 'the access token is not valid');
    const lastMs = (iat === undefined ? wallMs : issuedAtMs) + this.#lifeMsMax;
    if (lastMs <= wallMs) return refuse('not_authenticated', 'the access token has expired');
    const endMs = Math.min(lastMs, exp === undefined ? Number.POSITIVE_INFINITY : exp * 1_000);
    const expiresAtMs = Number.isFinite(endMs) ? endMs : undefined;
    const rights = { user: sub, rooms: payload['rooms'], publish: payload['publish'], origin: undefined };
    return this.#grant(rights, { issuedAtMs, expiresAtMs }, credentials);
  }

  async #spend(take: TicketTaker, ticket: string, credentials: Credentials): Promise<Identity> {
    let taken: Awaited<ReturnType<TicketTaker>>;
    try {
      taken = TICKET.test(ticket) ? await take(ticket) : undefined;
    } catch (error) {
      if (!(error instanceof DirectoryError)) throw error;
      return refuse('redis_unavailable', 'the ticket cannot be checked now');
    }
    if (taken === undefined) return refuse('not_authenticated', 'the ticket is not valid, or not any more');
    const { grant, at } = taken;
    return this.#grant(grant, { issuedAtMs: at, expiresAtMs: undefined }, credentials);
  }

  /** What is given, held against the room, the page and the revocations. */
  #grant(
    given: {
      readonly user: unknown;
      readonly rooms?: unknown;
      readonly publish?: unknown;
      readonly origin?: string | undefined;
    },
    times: Pick<Grant, 'issuedAtMs' | 'expiresAtMs'>,
    { room, origin }: Credentials,
  ): Identity {
    const identity = named(given.user);
    if (!identity.ok) return identity;
    if (this.#isRevoked(identity.user, times.issuedAtMs)) return refuse('not_authenticated', REVOKED);
    if (given.origin !== undefined && given.origin !== origin) return refuse('not_allowed', NOT_HERE);
    if (!names(given.rooms, room)) return refuse('not_allowed', NOT_HERE);
    const mayPublish = given.publish === undefined || names(given.publish, room);
    return { ...identity, grant: { ...times, mayPublish } };
  }
}

/** One sentence, whatever the reason, and whether there is such a room or not. */
const NOT_HERE = 'this gives no right to this room';
export const REVOKED = 'what was shown has been revoked';

/** A token's `sub` may be anything that JSON has: a number or a list would pass for the user that it is written as. */
function named(user: unknown): Identity {
  return typeof user === 'string' && isUserId(user) ? { ok: true, user } : refuse('bad_user', 'the user id is not one');
}

/** Whether the list of patterns, if it is one, describes the room. */
function names(rooms: unknown, room: string): boolean {
  if (!Array.isArray(rooms) || rooms.length > ROOM_PATTERNS_MAX) return false;
  return rooms.some(
    (pattern: unknown) => typeof pattern === 'string' && isRoomPattern(pattern) && matchesPattern(pattern, room),
  );
}

/** A token's own fault, against keys that could not be fetched: only then can trying again help. The texts are ours, since those
 *  of the library may quote the token. */
function refusalFor(error: unknown): Identity {
  if (error instanceof errors.JWTExpired) return refuse('not_authenticated', 'the access token has expired');
  const isOwnFault =
    error instanceof errors.JOSEError && error.code !== 'ERR_JWKS_TIMEOUT' && error.code !== 'ERR_JOSE_GENERIC';
  if (isOwnFault && error.code !== 'ERR_JWKS_INVALID') {
    return refuse('not_authenticated', 'the access token is not valid');
  }
  return refuse('unavailable', 'the access token cannot be checked now');
}

function refuse(code: ErrorCode, message: string): Identity {
  return { ok: false, code, message };
}
