/** Who a client is and which rooms it may enter. Owns: the reading of access tokens. Does not know: sessions, sockets.
 *  Without authentication the client names itself. With it a JWT says who it is (`sub`) and where it may go (`rooms`, a list of
 *  room patterns); a token without `rooms` opens no room, so that one made for another purpose opens none by accident.
 *  Invariant: only the algorithms named here are taken, whatever a token's header says.
 *  @see RFC 7519, RFC 8725 */
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Clock } from '../shared/clock.ts';
import type { ErrorCode } from '../shared/errors.ts';
import { isRoomPattern, isUserId, matchesPattern } from '../shared/ids.ts';

export interface AuthenticatorOptions {
  readonly clock: Clock;
  /** Undefined: no authentication, `?user=` names the user. */
  readonly jwt?: JwtOptions | undefined;
}

export interface JwtOptions {
  /** HS256 with a shared secret of 32 bytes or more, or the public keys of an issuer. */
  readonly keys: { readonly secret: string } | { readonly jwksUrl: string };
  readonly audience?: string | undefined;
  readonly issuer?: string | undefined;
}

/** What a client shows of itself. */
export interface Credentials {
  readonly room: string;
  readonly user: string | undefined;
  readonly bearer: string | undefined;
  /** Who it is if it does not say: a name that the same session leads to again. */
  readonly guest: string;
}

export type Identity =
  | { readonly ok: true; readonly user: string }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

const SECRET_BYTES_MIN = 32;
const PUBLIC_KEY_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const CLOCK_TOLERANCE_SECONDS = 5;
const ROOM_PATTERNS_MAX = 1_000;
const JWKS_TIMEOUT_MS = 5_000;

type Verify = (token: string, options: JWTVerifyOptions) => Promise<{ payload: JWTPayload }>;

export class Authenticator {
  readonly #clock: Clock;
  readonly #verify: Verify | undefined;
  readonly #options: JWTVerifyOptions;

  /** @throws RangeError where the secret is shorter than 32 bytes, TypeError where the URL is not one */
  constructor(options: AuthenticatorOptions) {
    this.#clock = options.clock;
    const jwt = options.jwt;
    if (jwt === undefined) {
      this.#verify = undefined;
      this.#options = {};
      return;
    }
    const expected = {
      ...(jwt.audience === undefined ? {} : { audience: jwt.audience }),
      ...(jwt.issuer === undefined ? {} : { issuer: jwt.issuer }),
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
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
      const keys = createRemoteJWKSet(new URL(jwt.keys.jwksUrl), { timeoutDuration: JWKS_TIMEOUT_MS });
      this.#verify = (token, checks) => jwtVerify(token, keys, checks);
      this.#options = { ...expected, algorithms: PUBLIC_KEY_ALGORITHMS };
    }
  }

  /** Says who shows these credentials, if they may enter the room: at once where no token has to be checked.
   *  @returns the user | `not_authenticated` | `not_allowed` (here) | `bad_user` | `unavailable` (the keys cannot be read now) */
  identify(credentials: Credentials): Identity | Promise<Identity> {
    if (this.#verify === undefined) return named(credentials.user ?? credentials.guest);
    const { bearer, room } = credentials;
    if (bearer === undefined) return refuse('not_authenticated', 'an access token is needed');
    return this.#read(this.#verify, bearer, room);
  }

  async #read(verify: Verify, bearer: string, room: string): Promise<Identity> {
    let payload: JWTPayload;
    try {
      const currentDate = new Date(this.#clock.now().wallMs);
      ({ payload } = await verify(bearer, { ...this.#options, currentDate }));
    } catch (error) {
      return refusalFor(error);
    }
    const identity = named(payload.sub ?? '');
    if (!identity.ok) return identity;
    if (!mayEnter(payload['rooms'], room)) return refuse('not_allowed', 'the token gives no right to this room');
    return identity;
  }
}

function named(user: string): Identity {
  return isUserId(user) ? { ok: true, user } : refuse('bad_user', 'the user id is not one');
}

function mayEnter(rooms: unknown, room: string): boolean {
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
