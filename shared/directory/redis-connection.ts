/** One connection to one Redis primary, kept up. Owns: the options of ioredis, when to dial again, the check of every new
 *  connection, and what a lost or late reply means. Does not know: which run id is in force (its user compares), or any operation.
 *
 *  Each dial makes a new ioredis client that never reconnects by itself. A command is handed, synchronously, to the very client
 *  whose INFO was read, so there is no moment in which one could reach a connection that was not checked. Replies cannot be matched
 *  to the wrong command either: a late reply goes to the command that waited for it, or ends with its client.
 *
 *      idle ── start ──▶ dialing ── INFO read ──▶ up ── closed, or silent for 2 timeouts ──▶ dialing … ── close ──▶ closed
 *
 *  Invariant: attempts begin at most `reconnectMs` apart, and none outlasts the next one's beginning. */
import { Redis } from 'ioredis';
import type { Clock } from '../clock.ts';
import type { RandomSource } from '../random.ts';
import { DirectoryError } from './directory.ts';
import type { Request } from './plan.ts';
import { clientOptions } from './redis-options.ts';
import type { Endpoint } from './redis-url.ts';
import { evenIfFull } from './scripts.ts';
import { knowsScriptFlags, parseServerInfo, type ServerInfo, unfitness } from './server-info.ts';

export interface ConnectionSettings {
  readonly commandTimeoutMs: number;
  readonly reconnectMs: number;
  /** A request marked `confirmed` counts only once this many replicas have it; 0 asks none. */
  readonly replicas: number;
  /** Shown in CLIENT LIST. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: RandomSource;
}

export interface ConnectionListener {
  /** The server's INFO was read on a new connection. */
  up(info: ServerInfo): void;
  /** The connection is lost, or an attempt failed; another is under way. */
  down(reason: string): void;
}

/** Commands without a reply, on one connection. Above this, Redis is not keeping up and nothing more is sent. */
const OUTSTANDING_MAX = 10_000;
/** Part of `reconnectMs` after which an attempt is given up. */
const ATTEMPT_SHARE = 0.8;

interface Live {
  readonly redis: Redis;
  readonly info: ServerInfo;
  outstanding: number;
  /** Since when replies are due and none has come. */
  silentSinceMs: number;
}

export class RedisConnection {
  readonly #endpoint: Endpoint;
  readonly #settings: ConnectionSettings;
  readonly #listener: ConnectionListener;
  #live: Live | undefined;
  #dialing: Redis | undefined;
  #timer: NodeJS.Timeout | undefined;
  #state: 'idle' | 'started' | 'closed' = 'idle';
  /** Clients that were let go and have not ended yet. */
  readonly #ending = new Set<Promise<void>>();
  #closed: Promise<void> | undefined;
  /** What is written to this socket leaves at the end of this turn of the loop. */
  #corked: Redis['stream'] | undefined;

  constructor(
    endpoint: Exclude<Endpoint, { kind: 'cluster' }>,
    settings: ConnectionSettings,
    listener: ConnectionListener,
  ) {
    this.#endpoint = endpoint;
    this.#settings = settings;
    this.#listener = listener;
  }

  /** What the present connection's server said of itself; undefined while there is none. */
  get info(): ServerInfo | undefined {
    return this.#live?.info;
  }

  start(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'started';
    this.#dial();
  }

  /** Ends the connection; what is in flight is rejected as `timeout`. Resolves when no timer or socket is left. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Runs a script, once, if the connection is up now.
   *  @throws DirectoryError 'unavailable' (not sent), 'timeout' (sent, outcome unknown), 'bad-reply' (Redis answered an error) */
  run(request: Request): Promise<unknown> {
    const { keys, argv } = request;
    const { info } = this;
    const isTolerant = request.evenIfFull === true && info !== undefined && knowsScriptFlags(info);
    const script = isTolerant ? evenIfFull(request.script) : request.script;
    const tail = [String(keys.length), ...keys, ...argv];
    return this.#exchange(async (redis, isAwaited) => {
      const confirmations = this.#settings.replicas > 0 && request.confirmed ? this.#settings.replicas : 0;
      // WAIT is written behind the script in the same turn, so that it asks about exactly this write.
      const send = async (command: string, name: string) => {
        const reply = redis.call(command, [name, ...tail]);
        const wait = confirmations === 0 ? undefined : redis.wait(confirmations, this.#settings.commandTimeoutMs);
        wait?.catch(() => undefined);
        return { value: await reply, wait };
      };
      let sent: Awaited<ReturnType<typeof send>>;
      try {
        sent = await send('evalsha', script.sha);
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
        // Not executed. A server that has not seen the script learns it from its text, unless the caller has given up by now.
        if (!isAwaited())
          throw new DirectoryError('unavailable', 'The connection to Redis was lost before the script was sent');
        sent = await send('eval', script.source);
      }
      const confirmed = sent.wait === undefined ? 0 : await sent.wait;
      if (confirmed < confirmations) {
        throw new DirectoryError(
          'timeout',
          `Only ${confirmed} of ${confirmations} replicas confirmed ${script.name} in time`,
        );
      }
      return sent.value;
    });
  }

  /** Sends one plain command that reads, outside of every key.
   *  @throws DirectoryError as `run` */
  ask(command: string, ...args: string[]): Promise<unknown> {
    return this.#exchange((redis) => redis.call(command, args));
  }

  /** Lets the present connection go and dials again: its server is no longer the one to talk to. */
  drop(reason: string): void {
    const live = this.#live;
    if (live === undefined) return;
    this.#live = undefined;
    this.#letGo(live.redis);
    if (this.#state !== 'started') return;
    this.#listener.down(reason);
    // Soon, but not all clients of a lost server in the same millisecond.
    this.#dialIn(this.#settings.random.unit() * 0.1 * this.#settings.reconnectMs);
  }

  async #exchange(send: (redis: Redis, isAwaited: () => boolean) => Promise<unknown>): Promise<unknown> {
    const live = this.#live;
    if (live === undefined || live.redis.status !== 'ready') {
      throw new DirectoryError('unavailable', 'There is no connection to Redis');
    }
    if (live.outstanding >= OUTSTANDING_MAX) {
      throw new DirectoryError('unavailable', `${OUTSTANDING_MAX} commands are waiting for Redis already`);
    }
    const { clock, commandTimeoutMs } = this.#settings;
    if (live.outstanding === 0) live.silentSinceMs = clock.now().monoMs;
    live.outstanding++;
    let isAwaited = true;
    this.#cork(live.redis);
    const reply = send(live.redis, () => isAwaited && this.#live === live);
    const settled = () => {
      live.outstanding--;
      live.silentSinceMs = clock.now().monoMs;
    };
    reply.then(settled, settled);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        // A reply that came while this process stood still lies in the socket: timers run before it is read, immediates after.
        setImmediate(() => {
          reject(
            new DirectoryError('timeout', `Redis did not answer within ${commandTimeoutMs} ms; the outcome is unknown`),
          );
          const silentMs = clock.now().monoMs - live.silentSinceMs;
          const isSilent = live.outstanding > 0 && silentMs >= 2 * commandTimeoutMs;
          if (isSilent && this.#live === live) this.drop(`Redis has been silent for ${Math.round(silentMs)} ms`);
        });
      }, commandTimeoutMs);
    });
    try {
      return await Promise.race([reply, late]);
    } catch (error) {
      throw this.#asFault(error, live);
    } finally {
      isAwaited = false;
      clearTimeout(timer);
    }
  }

  /** Has all commands of this turn of the loop leave in one write. Each stays a command of its own, handed to this very client; only
   *  their bytes share a system call. */
  #cork({ stream }: Redis): void {
    if (this.#corked === stream) return;
    this.#corked = stream;
    stream.cork();
    setImmediate(() => {
      if (this.#corked === stream) this.#corked = undefined;
      stream.uncork();
    });
  }

  #asFault(error: unknown, live: Live): DirectoryError {
    if (error instanceof DirectoryError) return error;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Error && error.name === 'ReplyError') {
      // A primary that became a replica keeps its clients: find the new one.
      if (message.startsWith('READONLY') && this.#live === live) this.drop('the server has become a replica');
      return new DirectoryError('bad-reply', message, { cause: error });
    }
    // The socket had ended and ioredis had not heard of it yet: nothing was written.
    if (message.startsWith("Stream isn't writeable"))
      return new DirectoryError('unavailable', message, { cause: error });
    return new DirectoryError(
      'timeout',
      `The connection was lost with a command in flight; the outcome is unknown: ${message}`,
      {
        cause: error,
      },
    );
  }

  #dialIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#dial(), ms);
  }

  #dial(): void {
    const { reconnectMs, clock, random } = this.#settings;
    const beganMs = clock.now().monoMs;
    const redis = new Redis(clientOptions(this.#endpoint, this.#settings));
    this.#dialing = redis;
    // The last error says more than the "Connection is closed." that follows it.
    let lastError: string | undefined;
    const fail = (reason: string) => {
      if (this.#dialing !== redis) return;
      this.#dialing = undefined;
      this.#letGo(redis);
      this.#listener.down(lastError ?? reason);
      const nextMs = beganMs + reconnectMs * (0.5 + 0.5 * random.unit()) - clock.now().monoMs;
      this.#dialIn(Math.max(0, nextMs));
    };
    redis.on('error', (error: Error) => {
      lastError = error.message;
    });
    redis.once('close', () => {
      fail('the connection was closed');
      if (this.#live?.redis === redis) this.drop(lastError ?? 'the connection was closed');
    });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => fail(`no answer within ${reconnectMs * ATTEMPT_SHARE} ms`),
      reconnectMs * ATTEMPT_SHARE,
    );
    redis
      .connect()
      .then(() => this.#choose(redis))
      .then(() => redis.info())
      .then(parseServerInfo)
      .then(
        (info) => {
          if (this.#dialing !== redis) return;
          const unfit = unfitness(info);
          if (unfit !== undefined) return fail(unfit);
          clearTimeout(this.#timer);
          this.#dialing = undefined;
          this.#live = { redis, info, outstanding: 0, silentSinceMs: clock.now().monoMs };
          this.#listener.up(info);
        },
        (error: Error) => fail(error.message),
      );
  }

  /** ioredis goes on in database 0 where the one that it was given is refused: asked again, so that the refusal counts. */
  async #choose(redis: Redis): Promise<void> {
    const db = this.#endpoint.kind === 'cluster' ? 0 : this.#endpoint.db;
    if (db !== 0) await redis.select(db);
  }

  #letGo(redis: Redis): void {
    if (redis.status === 'end') return;
    const ended = new Promise<void>((resolve) => redis.once('end', () => resolve()));
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
    redis.disconnect();
  }

  async #close(): Promise<void> {
    this.#state = 'closed';
    clearTimeout(this.#timer);
    const clients = [this.#live?.redis, this.#dialing];
    this.#live = undefined;
    this.#dialing = undefined;
    for (const redis of clients) if (redis !== undefined) this.#letGo(redis);
    await Promise.all(this.#ending);
  }
}
