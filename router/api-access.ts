/** Who may ask the HTTP API what. Owns: tokens and their scopes, the origin of a request, how often questions may be asked. Does not
 *  know: routes, answers.
 *  A request is known by its Authorization header alone: no cookie is ever read, so that a page of another site can make a browser
 *  send a request but none that is allowed anything. Where no token is set there is nothing to know it by; then only this machine
 *  is answered, under its own names, through no proxy, and no page of another origin.
 *  Invariant: how long a refusal takes tells nothing about any token. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type ApiToken, SCOPES, type Scope } from '../shared/api-token.ts';
import type { Clock } from '../shared/clock.ts';
import { BellhopError } from '../shared/errors.ts';
import { isForwarded, isLoopbackAddress, isLoopbackHost, isSecure } from './access.ts';
import { RateMeter } from './rate-meter.ts';
import { isOriginAllowed } from './upgrade.ts';

export interface ApiAccessOptions {
  /** Empty: open to this machine alone. */
  readonly tokens: readonly ApiToken[];
  /** Without a token: open to whoever reaches the port. */
  readonly open: boolean;
  /** Questions (GET) that one token may ask each second, with bursts of as many; 0 for no limit. */
  readonly readRate: number;
  readonly clock: Clock;
}

interface Known {
  readonly hash: Buffer;
  readonly caller: Caller;
}

/** Who asks: one of these for each token, and one for all who need none. */
export interface Caller {
  readonly scopes: readonly Scope[];
  meter: RateMeter | undefined;
}

const RETRY_AFTER_MS = 1_000;

export class ApiAccess {
  readonly #options: ApiAccessOptions;
  readonly #known: readonly Known[];
  readonly #anyone: Caller = { scopes: SCOPES, meter: undefined };

  constructor(options: ApiAccessOptions) {
    this.#options = options;
    this.#known = options.tokens.map(({ token, scopes }) => ({
      hash: hashOf(token),
      caller: { scopes, meter: undefined },
    }));
  }

  /** Says who asks.
   *  @throws BellhopError not_authenticated, not_allowed */
  callerOf(request: IncomingMessage): Caller {
    const { origin, host = '' } = request.headers;
    if (origin !== undefined && !isOriginAllowed(origin, host, undefined, isSecure(request.socket))) {
      throw new BellhopError('not_allowed', 'pages of other origins may not ask');
    }
    if (this.#known.length > 0) {
      // Shown twice it is shown to nobody: a proxy may have looked at the other one.
      const [shown = '', ...more] = request.headersDistinct['authorization'] ?? [];
      return this.#holderOf(more.length > 0 ? undefined : /^bearer +(\S+)$/i.exec(shown)?.[1]);
    }
    if (this.#options.open) return this.#anyone;
    if (isForwarded(request) || !isLoopbackAddress(request.socket.localAddress ?? '') || !isLoopbackHost(host)) {
      throw new BellhopError('not_allowed', 'without an API token the API answers this machine only');
    }
    return this.#anyone;
  }

  /** Lets a caller do what needs these scopes, all of them.
   *  @throws BellhopError not_allowed, rate_limited */
  permit(caller: Caller, needed: readonly Scope[]): void {
    const missing = needed.filter((scope) => !caller.scopes.includes(scope));
    if (missing.length > 0) {
      throw new BellhopError('not_allowed', `the API token lacks the scope ${missing.join(' and ')}`);
    }
    const { readRate, clock } = this.#options;
    if (readRate === 0 || needed.length !== 1 || needed[0] !== 'read') return;
    const nowMs = clock.now().monoMs;
    caller.meter ??= new RateMeter(readRate, nowMs);
    if (caller.meter.take(readRate, nowMs) === 'allowed') return;
    throw new BellhopError('rate_limited', 'too many questions a second', { retryAfterMs: RETRY_AFTER_MS });
  }

  #holderOf(given: string | undefined): Caller {
    // Hashes have one length, and all are compared, so that the time taken tells nothing about any token, its length included.
    const hash = hashOf(given ?? '');
    let caller: Caller | undefined;
    for (const known of this.#known) if (timingSafeEqual(hash, known.hash)) caller = known.caller;
    if (given === undefined || caller === undefined) {
      throw new BellhopError('not_authenticated', 'the API token is missing or wrong');
    }
    return caller;
  }
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
