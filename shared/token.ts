/** Resume tokens: the secret with which a client gets its seat back on another socket. Owns: their bytes and their MAC.
 *  Does not know: rights. A token restores a seat, never a right: authentication is checked again at every resume.
 *
 *  A token is base64url of 57 bytes, big-endian:
 *
 *      0        1         9        17         25                57
 *      | version | seat    | since   | expires  | HMAC-SHA-256    |
 *
 *  the three numbers as unsigned 64-bit integers, the MAC over a label, those 25 bytes, and session, user and room, each
 *  preceded by its length, so that no two sets of fields give the same bytes.
 *  Invariant: what a token says is believed only after its MAC was compared in constant time.
 *  @see DESIGN §6 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

/** How long a token holds. A router gives whoever stays connected a new one well before. */
export const RESUME_TOKEN_LIFE_MS = 24 * 3_600_000;

const VERSION = 1;
const SEAT_AT = 1;
const SINCE_AT = 9;
const EXPIRES_AT = 17;
const MAC_AT = 25;
const MAC_BYTES = 32;
const TOKEN_BYTES = MAC_AT + MAC_BYTES;
const TOKEN_CHARS = Math.ceil((TOKEN_BYTES * 4) / 3);

/** The session that a token belongs to. */
export interface ResumeScope {
  readonly session: string;
  readonly user: string;
  readonly room: string;
}

export interface ResumeSeat extends ResumeScope {
  /** The seat that the holder has; a resume raises it. */
  readonly seat: number;
  /** Unix ms of the session's first join. */
  readonly since: number;
  /** Unix ms, by the clock of whoever issues. */
  readonly expiresAtMs: number;
}

export type ResumeVerdict =
  | { readonly ok: true; readonly seat: number; readonly since: number }
  | { readonly ok: false; readonly reason: 'malformed' | 'forged' | 'expired' };

/** Makes a token under the first of the cluster's secrets.
 *  @throws RangeError where there is no secret, or a number is not an integer from 0 to 2^53 - 1 */
export function issueResume(secrets: readonly string[], seat: ResumeSeat): string {
  const secret = secrets[0];
  if (secret === undefined) throw new RangeError('no cluster secret to issue a resume token with');
  const token = Buffer.alloc(TOKEN_BYTES);
  token[0] = VERSION;
  writeInteger(token, SEAT_AT, seat.seat);
  writeInteger(token, SINCE_AT, seat.since);
  writeInteger(token, EXPIRES_AT, seat.expiresAtMs);
  macOf(secret, token.subarray(0, MAC_AT), seat).copy(token, MAC_AT);
  return token.toString('base64url');
}

/** Whether `token` was issued for this session, user and room under any of the secrets, and is not older than its expiry.
 *  `forged`: another session's, or under a secret that is no longer (or not yet) known here. */
export function verifyResume(
  secrets: readonly string[],
  token: string,
  scope: ResumeScope,
  nowMs: number,
): ResumeVerdict {
  if (token.length !== TOKEN_CHARS) return { ok: false, reason: 'malformed' };
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length !== TOKEN_BYTES || bytes[0] !== VERSION) return { ok: false, reason: 'malformed' };
  const claims = bytes.subarray(0, MAC_AT);
  const mac = bytes.subarray(MAC_AT);
  let genuine = false;
  for (const secret of secrets) {
    // Every secret is tried, so that the time taken does not tell which of them it was.
    if (timingSafeEqual(mac, macOf(secret, claims, scope))) genuine = true;
  }
  if (!genuine) return { ok: false, reason: 'forged' };
  if (nowMs >= readInteger(bytes, EXPIRES_AT)) return { ok: false, reason: 'expired' };
  return { ok: true, seat: readInteger(bytes, SEAT_AT), since: readInteger(bytes, SINCE_AT) };
}

/** Keys by secret; secrets are few and live as long as the process. Bounded all the same. */
const keys = new Map<string, KeyObject>();
const KEYS_MAX = 16;

function keyFrom(secret: string): KeyObject {
  let key = keys.get(secret);
  if (key === undefined) {
    key = createSecretKey(createHmac('sha256', secret).update('bellhop resume').digest());
    if (keys.size >= KEYS_MAX) keys.clear();
    keys.set(secret, key);
  }
  return key;
}

function macOf(secret: string, claims: Buffer, scope: ResumeScope): Buffer {
  // In few pieces: each is a call out of JavaScript.
  const fields = [scope.session, scope.user, scope.room].map((field) => `${Buffer.byteLength(field)}:${field}`);
  return createHmac('sha256', keyFrom(secret)).update('resume.v1').update(claims).update(fields.join('')).digest();
}

function writeInteger(into: Buffer, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not an integer from 0 to 2^53 - 1`);
  into.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  into.writeUInt32BE(value % 2 ** 32, at + 4);
}

function readInteger(from: Buffer, at: number): number {
  return from.readUInt32BE(at) * 2 ** 32 + from.readUInt32BE(at + 4);
}
