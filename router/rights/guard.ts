/** What a client may go on doing after it was let in. Owns: of each client that showed a token or ticket, what that gives and when it
 *  ends; the messages by which a client shows a newer one. Does not know: sockets, tokens, owners.
 *
 *    let in ──▶ may speak?, until? ──{"type":"auth"}──▶ shown to the authenticator ──▶ another until, or an error
 *                      │
 *                      ├─ shortly before the end: {"type":"expiring"}
 *                      └─ the end, or its user's revocation ──▶ closed
 *
 *  Time is looked at once a second for all clients together: a client stands in the bucket of the second in which it is next due.
 *  Invariant: no client is served for more than CLOCK_TOLERANCE_MS and a second beyond its token. */
import type { Instant } from '../../shared/clock.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import { hasRepeatedKey, scanJson } from '../../shared/json-scan.ts';
import { DEPTH_MAX, decodeClientMessage } from '../../shared/protocol-decode.ts';
import * as encode from '../../shared/protocol-encode.ts';
import { textFrame } from '../../shared/websocket-frame.ts';
import { CLOCK_TOLERANCE_MS, type Grant, type Identity, REVOKED } from '../authenticate.ts';
import type { ClientClose } from '../ports.ts';

export interface GuardOptions {
  readonly now: () => Instant;
  /** Who shows this token, and what it gives in the room. */
  readonly identify: (token: string, room: string) => Identity | Promise<Identity>;
  /** One ready-made frame to one client. */
  readonly tell: (handle: number, frame: Buffer) => void;
  /** Ends a client, and tells its owner. `left`: for good, `broken`: it may resume. */
  readonly end: (handle: number, close: ClientClose, how: 'left' | 'broken') => void;
}

interface Guarded {
  readonly room: string;
  readonly user: string;
  grant: Grant;
  /** Second of the monotonic clock in which it is looked at next; undefined: never. */
  due: number | undefined;
  /** Monotonic ms. */
  endMs: number;
  isWarned: boolean;
  /** A token is being looked at, or was so recently: until then no other is. Monotonic ms. */
  busyUntilMs: number;
}

/** Longer ones are no tokens: a request's headers have no room for more either. */
const AUTH_BYTES_MAX = 16_384;
const AUTH_MARK = Buffer.from('"auth"');
/** A client may show a token so often. */
const AUTH_EVERY_MS = 1_000;
/** It is asked for a newer token when half of the time is over, but not sooner than this before the end. */
const WARN_MS_MAX = 60_000;

export class Guard {
  readonly #options: GuardOptions;
  readonly #clients = new Map<number, Guarded>();
  readonly #buckets = new Map<number, Set<number>>();
  /** The last second whose bucket was emptied. */
  #second: number | undefined;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#clients.size;
  }

  add(handle: number, room: string, user: string, grant: Grant): void {
    const entry: Guarded = {
      ...{ room, user, grant, due: undefined, endMs: Number.POSITIVE_INFINITY, isWarned: false },
      busyUntilMs: Number.NEGATIVE_INFINITY,
    };
    this.#clients.set(handle, entry);
    this.#grant(handle, entry, grant);
  }

  /** The client is gone. */
  remove(handle: number): void {
    const entry = this.#clients.get(handle);
    if (entry === undefined) return;
    this.#clients.delete(handle);
    this.#leaveBucket(handle, entry);
  }

  /** Whether what a client says may go on to its room. What may not is answered here. */
  passes(handle: number, payload: Buffer): boolean {
    const entry = this.#clients.get(handle);
    if (entry === undefined) return true;
    if (payload.length <= AUTH_BYTES_MAX && payload.includes(AUTH_MARK)) {
      const shown = readAuth(payload);
      if (shown !== undefined) {
        this.#auth(handle, entry, shown);
        return false;
      }
    }
    if (entry.grant.mayPublish) return true;
    // As the owner would read it: what is no message is its to answer.
    const decoded = decodeClientMessage(payload.toString());
    if (!decoded.ok || decoded.message.type === 'ping') return true;
    const id = 'id' in decoded.message ? decoded.message.id : undefined;
    const { tell } = this.#options;
    tell(handle, textFrame(encode.error({ code: 'not_allowed', message: 'this may not be said here', id })));
    return false;
  }

  /** Ends every client of these users that was let in by what is older. All clients are looked at once, however many users there are.
   *  @param marks  user → Unix ms */
  revoke(marks: ReadonlyMap<string, number>): void {
    for (const [handle, { user, grant }] of this.#clients) {
      const atMs = marks.get(user);
      if (atMs !== undefined && grant.issuedAtMs <= atMs) this.#end(handle, REVOKED, 'left');
    }
  }

  /** Asks for newer tokens and ends those whose time is over. */
  tick(now: Instant): void {
    const second = Math.floor(now.monoMs / 1_000);
    this.#second ??= second - 1;
    // A bucket is looked at when its second is over.
    while (this.#second < second - 1) {
      this.#second += 1;
      const due = this.#buckets.get(this.#second);
      this.#buckets.delete(this.#second);
      for (const handle of due ?? []) this.#look(handle, now);
    }
  }

  #look(handle: number, now: Instant): void {
    const entry = this.#clients.get(handle);
    if (entry === undefined) return;
    entry.due = undefined;
    if (now.monoMs >= entry.endMs) return this.#end(handle, 'the access token has expired', 'broken');
    if (!entry.isWarned) {
      entry.isWarned = true;
      const inMs = Math.max(0, Math.floor(entry.endMs - CLOCK_TOLERANCE_MS - now.monoMs));
      this.#options.tell(handle, textFrame(encode.expiring({ inMs })));
    }
    this.#enterBucket(handle, entry, entry.endMs);
  }

  #end(handle: number, message: string, how: 'left' | 'broken'): void {
    this.remove(handle);
    const error = { code: 'not_authenticated', message, retryable: false } as const;
    this.#options.end(handle, { code: 4401, reason: message, error }, how);
  }

  #grant(handle: number, entry: Guarded, grant: Grant): void {
    const { monoMs, wallMs } = this.#options.now();
    entry.grant = grant;
    entry.isWarned = false;
    entry.endMs = Number.POSITIVE_INFINITY;
    this.#leaveBucket(handle, entry);
    if (grant.expiresAtMs === undefined) return;
    const leftMs = Math.max(0, grant.expiresAtMs - wallMs);
    // What is left is counted on the clock that nobody sets.
    entry.endMs = monoMs + leftMs + CLOCK_TOLERANCE_MS;
    this.#enterBucket(handle, entry, monoMs + Math.max(leftMs / 2, leftMs - WARN_MS_MAX));
  }

  #enterBucket(handle: number, entry: Guarded, atMs: number): void {
    const due = Math.max(Math.floor(atMs / 1_000), (this.#second ?? 0) + 1);
    entry.due = due;
    const bucket = this.#buckets.get(due);
    if (bucket === undefined) this.#buckets.set(due, new Set([handle]));
    else bucket.add(handle);
  }

  #leaveBucket(handle: number, entry: Guarded): void {
    if (entry.due === undefined) return;
    const bucket = this.#buckets.get(entry.due);
    bucket?.delete(handle);
    if (bucket?.size === 0) this.#buckets.delete(entry.due);
    entry.due = undefined;
  }

  #auth(handle: number, entry: Guarded, token: string | null): void {
    const { now, identify } = this.#options;
    if (token === null) return this.#refuse(handle, 'bad_message', 'auth needs a token');
    const nowMs = now().monoMs;
    if (nowMs < entry.busyUntilMs) return this.#refuse(handle, 'rate_limited', 'a token was shown just now');
    entry.busyUntilMs = Number.POSITIVE_INFINITY;
    void Promise.resolve(identify(token, entry.room))
      .catch((): Identity => ({ ok: false, code: 'internal', message: 'the token could not be checked' }))
      .then((identity) => {
        if (this.#clients.get(handle) !== entry) return;
        entry.busyUntilMs = now().monoMs + AUTH_EVERY_MS;
        this.#shown(handle, entry, identity);
      });
  }

  /** A token that is refused changes nothing: the one before counts until it ends. */
  #shown(handle: number, entry: Guarded, identity: Identity): void {
    if (!identity.ok) return this.#refuse(handle, identity.code, identity.message);
    if (identity.user !== entry.user || identity.grant === undefined) {
      return this.#refuse(handle, 'not_allowed', 'the token is another user’s');
    }
    const { grant } = identity;
    this.#grant(handle, entry, grant);
    const expiresInMs =
      grant.expiresAtMs === undefined ? null : Math.max(0, Math.floor(grant.expiresAtMs - this.#options.now().wallMs));
    this.#options.tell(handle, textFrame(encode.authenticated({ expiresInMs })));
  }

  #refuse(handle: number, code: ErrorCode, message: string): void {
    this.#options.tell(handle, textFrame(encode.error({ code, message })));
  }
}

/** @returns the token | null: an auth message without one | undefined: another message, or none, or one with a field twice, which the
 *           owner answers */
function readAuth(payload: Buffer): string | null | undefined {
  const text = payload.toString();
  const scan = scanJson(text, DEPTH_MAX);
  if (scan.fault !== undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'type')) return undefined;
  if (hasRepeatedKey(scan, value)) return undefined;
  const { type, token } = value as { readonly type: unknown; readonly token?: unknown };
  if (type !== 'auth') return undefined;
  return Object.hasOwn(value, 'token') && typeof token === 'string' ? token : null;
}
