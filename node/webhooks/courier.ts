/** Brings events to one endpoint. Owns: what waits for it, the batch that is under way, when it is tried again, what is given up.
 *  Does not know: rooms, Redis, HTTP (`post` does).
 *  One batch is under way at a time and is tried until it arrives, so that a room's events come in order.
 *  Invariants: each event is settled once; what waits is within its bounds of bytes and age; what was given up is counted, and told to
 *  the receiver with the next batch. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../shared/clock.ts';
import type { RandomSource } from '../../shared/random.ts';
import type { OutgoingEvent } from './event.ts';
import { signedHeaders } from './sign.ts';

export interface CourierOptions {
  readonly url: string;
  readonly secrets: readonly string[];
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Sends one request. @returns the status; @throws Error with a sentence where there was no answer */
  readonly post: (url: string, headers: Readonly<Record<string, string>>, body: string) => Promise<number>;
  readonly queueBytesMax: number;
  readonly ageMsMax: number;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** What an operator is shown of an endpoint. */
export interface EndpointState {
  /** Without what may be secret: user, password, query. */
  readonly url: string;
  /** `off`: the receiver answered 410, and is told nothing more until this node is started again. */
  readonly state: 'ok' | 'failing' | 'off';
  readonly queued: number;
  readonly delivered: number;
  /** Attempts that failed. */
  readonly failed: number;
  readonly dropped: number;
  readonly lastError?: string | undefined;
  /** Unix ms of the last attempt. */
  readonly lastAt?: number | undefined;
}

const BATCH_MAX = 200;
const BATCH_BYTES_MAX = 262_144;
/** Events that come together leave together. */
const GATHER_MS = 50;
const RETRY_MS = { first: 500, max: 60_000 } as const;
const ERROR_CHARS_MAX = 200;
const GONE = 410;

interface Batch {
  readonly id: string;
  readonly body: string;
  readonly events: readonly OutgoingEvent[];
  /** What was given up before, as this batch tells it. */
  readonly dropped: number;
}

export class Courier {
  readonly #options: CourierOptions;
  #queue: OutgoingEvent[] = [];
  #bytes = 0;
  #batch: Batch | undefined;
  #isSending = false;
  #failures = 0;
  #nextMs = 0;
  #isOff = false;
  /** Given up and not told yet. */
  #untold = 0;
  #delivered = 0;
  #failed = 0;
  #dropped = 0;
  #lastError: string | undefined;
  #lastAt: number | undefined;
  #isClosed = false;

  constructor(options: CourierOptions) {
    this.#options = options;
  }

  get state(): EndpointState {
    return {
      url: withoutSecrets(this.#options.url),
      state: this.#isOff ? 'off' : this.#failures > 0 ? 'failing' : 'ok',
      queued: this.#queue.length + (this.#batch?.events.length ?? 0),
      delivered: this.#delivered,
      failed: this.#failed,
      dropped: this.#dropped,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      ...(this.#lastAt === undefined ? {} : { lastAt: this.#lastAt }),
    };
  }

  take(event: OutgoingEvent): void {
    if (this.#isOff) return this.#giveUp(event);
    if (this.#queue.length === 0 && this.#batch === undefined && this.#failures === 0) {
      this.#nextMs = this.#options.clock.now().monoMs + GATHER_MS;
    }
    this.#queue.push(event);
    this.#bytes += event.bytes;
    while (this.#bytes > this.#options.queueBytesMax) this.#giveUpOldest();
  }

  tick(): void {
    if (this.#isSending || this.#isClosed) return;
    const nowMs = this.#options.clock.now().monoMs;
    this.#giveUpOld(nowMs);
    if (nowMs < this.#nextMs) return;
    this.#batch ??= this.#nextBatch();
    if (this.#batch !== undefined) void this.#send(this.#batch);
  }

  /** So many events are given up that this was not given: the receiver is told with the next batch. */
  miss(events: number): void {
    this.#dropped += events;
    this.#untold += events;
  }

  /** Sends nothing more. What is under way is left to itself. */
  close(): void {
    this.#isClosed = true;
  }

  async #send(batch: Batch): Promise<void> {
    const { url, secrets, clock, post } = this.#options;
    this.#isSending = true;
    const { wallMs } = clock.now();
    this.#lastAt = wallMs;
    const headers = signedHeaders(secrets, batch.id, wallMs / 1_000, batch.body);
    let error: string | undefined;
    let status = 0;
    try {
      status = await post(url, { 'content-type': 'application/json', ...headers }, batch.body);
      if (status < 200 || status > 299) error = `the receiver answered ${status}`;
    } catch (fault) {
      error = fault instanceof Error ? fault.message : String(fault);
    }
    this.#isSending = false;
    if (error === undefined) return this.#arrived(batch);
    this.#missed(error);
    if (status === GONE) this.#turnOff();
  }

  #arrived(batch: Batch): void {
    if (this.#failures > 0) this.#options.log('webhooks arrive again', { url: withoutSecrets(this.#options.url) });
    this.#failures = 0;
    this.#nextMs = 0;
    this.#batch = undefined;
    this.#delivered += batch.events.length;
    this.#untold -= batch.dropped;
    for (const event of batch.events) event.settled();
    // What gathered meanwhile need not wait for the next tick.
    this.tick();
  }

  #missed(error: string): void {
    const { clock, random, log, url } = this.#options;
    this.#failed += 1;
    this.#lastError = error.slice(0, ERROR_CHARS_MAX);
    if (this.#failures === 0) log('webhooks do not arrive', { url: withoutSecrets(url), error: this.#lastError });
    const windowMs = Math.min(RETRY_MS.max, RETRY_MS.first * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    this.#nextMs = clock.now().monoMs + windowMs * (0.5 + 0.5 * random.unit());
  }

  #turnOff(): void {
    this.#options.log('a receiver of webhooks wants no more of them', { url: withoutSecrets(this.#options.url) });
    this.#isOff = true;
    const all = [...(this.#batch?.events ?? []), ...this.#queue];
    this.#batch = undefined;
    this.#queue = [];
    this.#bytes = 0;
    for (const event of all) this.#giveUp(event);
  }

  /** Nothing of a batch that was sent is void: its receiver may have it, and once more does no harm. */
  #nextBatch(): Batch | undefined {
    const events: OutgoingEvent[] = [];
    let bytes = 0;
    let taken = 0;
    for (const event of this.#queue) {
      if (events.length >= BATCH_MAX || (events.length > 0 && bytes + event.bytes > BATCH_BYTES_MAX)) break;
      taken += 1;
      this.#bytes -= event.bytes;
      if (event.isVoid()) continue;
      events.push(event);
      bytes += event.bytes;
    }
    this.#queue.splice(0, taken);
    if (events.length === 0) return undefined;
    const dropped = this.#untold;
    const body = `{"events":[${events.map(({ json }) => json).join()}]${dropped === 0 ? '' : `,"dropped":${dropped}`}}`;
    return { id: `batch_${createHash('sha256').update(body).digest('hex').slice(0, 32)}`, body, events, dropped };
  }

  #giveUpOld(nowMs: number): void {
    const { ageMsMax } = this.#options;
    const oldestMs = nowMs - ageMsMax;
    if (this.#batch !== undefined && (this.#batch.events[0]?.sinceMs ?? nowMs) < oldestMs) {
      for (const event of this.#batch.events) this.#giveUp(event);
      this.#batch = undefined;
    }
    while (this.#batch === undefined && (this.#queue[0]?.sinceMs ?? nowMs) < oldestMs) this.#giveUpOldest();
  }

  #giveUpOldest(): void {
    const event = this.#queue.shift();
    if (event === undefined) return;
    this.#bytes -= event.bytes;
    if (!event.isVoid()) this.#giveUp(event);
  }

  #giveUp(event: OutgoingEvent): void {
    if (this.#dropped === 0) this.#options.log('webhooks are given up', { url: withoutSecrets(this.#options.url) });
    this.#dropped += 1;
    this.#untold += 1;
    event.settled();
  }
}

export function withoutSecrets(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
