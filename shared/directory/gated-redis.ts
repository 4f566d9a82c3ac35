/** Redis behind the check of its run id. Owns: that a script is sent only to the run in force. Does not know: any operation.
 *  Used by the directory, and by whatever else writes to rooms' keys, each with connections of its own and one run in force for all.
 *  Invariant: between reading a server's run id and comparing it with the one in force nothing is sent to that server. */
import { type Clock, systemClock } from '../clock.ts';
import { type RandomSource, systemRandom } from '../random.ts';
import { ClusterPrimaries } from './cluster-primaries.ts';
import { DirectoryError } from './directory.ts';
import type { Request } from './plan.ts';
import { type Primaries, SinglePrimary } from './primaries.ts';
import { type ConnectionSettings, RedisConnection } from './redis-connection.ts';
import { type Endpoint, parseRedisUrl } from './redis-url.ts';
import { parseServerInfo, type ServerInfo } from './server-info.ts';

/** The run id in force, shared by all connections of a process. Undefined: the next one found counts. */
export interface RunInForce {
  id: string | undefined;
}

export interface GatedRedisOptions {
  /** @see redis-url.ts */
  readonly url: string;
  /** Shown in CLIENT LIST: what these connections are for. */
  readonly name: string;
  readonly run: RunInForce;
  readonly commandTimeoutMs: number;
  readonly reconnectMs: number;
  /** How many replicas must have a confirmed write before it counts; default 0. */
  readonly replicas?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: RandomSource | undefined;
  /** Told of the connection's state. Never throws. */
  readonly onState?: ((state: { kind: 'up'; runId: string } | { kind: 'down'; reason: string }) => void) | undefined;
}

/** The refusals of a cluster: the script was not executed. */
const REDIRECTIONS = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN)\b/;

export class GatedRedis {
  readonly #primaries: Primaries;
  readonly #run: RunInForce;
  /** Why the last attempt to connect failed; undefined once one has not. */
  #trouble: string | undefined;

  /** Does no I/O.
   *  @throws RangeError if the URL is none of Redis */
  constructor(options: GatedRedisOptions) {
    const endpoint = parseRedisUrl(options.url);
    this.#run = options.run;
    const settings: ConnectionSettings = {
      commandTimeoutMs: options.commandTimeoutMs,
      reconnectMs: options.reconnectMs,
      replicas: options.replicas ?? 0,
      name: options.name,
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
    };
    this.#primaries = connectTo(endpoint, settings, {
      up: (runId) => {
        this.#run.id ??= runId;
        this.#trouble = undefined;
        options.onState?.({ kind: 'up', runId });
      },
      down: (reason) => {
        this.#trouble = reason;
        options.onState?.({ kind: 'down', reason });
      },
    });
  }

  /** The run id that these connections found; undefined while they are not up. */
  get runId(): string | undefined {
    return this.#primaries.runId;
  }

  /** How many primaries were found; their order stays while the map does. */
  get primaries(): number {
    return this.#primaries.connections().length;
  }

  start(): void {
    this.#primaries.start();
  }

  close(): Promise<void> {
    return this.#primaries.close();
  }

  /** Sends one script to the primary of its first key, or the one that it names, if the run in force is the one found there.
   *  @returns what Redis answered, and the run id under which: in a cluster that of the whole, which stands for each server's own
   *  @throws DirectoryError */
  async send(
    request: Request,
  ): Promise<{ readonly raw: unknown; readonly runId: string; readonly serverRunId: string }> {
    const runId = this.#primaries.runId;
    const connection =
      request.primary === undefined
        ? this.#primaries.connectionFor(request.keys[0] ?? '')
        : this.#primaries.connections()[request.primary];
    const serverRunId = connection?.info?.runId;
    if (runId === undefined || connection === undefined || serverRunId === undefined) {
      throw this.#noConnection();
    }
    this.#run.id ??= runId;
    if (this.#run.id !== runId) {
      throw new DirectoryError('other-run', `Redis runs as ${runId}, not as ${this.#run.id}; nothing was sent`, {
        runId,
      });
    }
    try {
      return { raw: await connection.run(forServer(request, runId, serverRunId)), runId, serverRunId };
    } catch (error) {
      if (!(error instanceof DirectoryError && REDIRECTIONS.test(error.message))) throw error;
      this.#primaries.lookAgain();
      throw new DirectoryError('unavailable', `The key is served elsewhere; nothing was done: ${error.message}`, {
        cause: error,
      });
    }
  }

  /** What each primary says of itself now, whichever run is in force.
   *  @throws DirectoryError 'unavailable' if one cannot be asked */
  async inspect(): Promise<readonly ServerInfo[]> {
    const connections = this.#primaries.connections();
    if (connections.length === 0) throw this.#noConnection();
    const ask = (connection: RedisConnection) =>
      connection.ask('info').catch((error: unknown) => {
        const isDown = error instanceof DirectoryError && error.code === 'unavailable';
        throw isDown ? this.#noConnection() : error;
      });
    const texts = await Promise.all(connections.map(ask));
    return texts.map((text) => parseServerInfo(String(text)));
  }

  /** The reason names addresses, so it is the cause and not the message: whoever shows it decides that. */
  #noConnection(): DirectoryError {
    const message = 'There is no connection to Redis';
    return new DirectoryError('unavailable', message, this.#trouble === undefined ? {} : { cause: this.#trouble });
  }
}

/** Puts the server's own run id where the script compares it. Another run id than the one found is left as it is, to be refused. */
function forServer(request: Request, runId: string, serverRunId: string): Request {
  const at = request.runIdAt;
  if (at === undefined || runId === serverRunId || request.argv[at] !== runId) return request;
  return { ...request, argv: request.argv.with(at, serverRunId) };
}

function connectTo(
  endpoint: Endpoint,
  settings: ConnectionSettings,
  listener: { up(runId: string): void; down(reason: string): void },
): Primaries {
  if (endpoint.kind !== 'cluster') {
    const { down } = listener;
    return new SinglePrimary(new RedisConnection(endpoint, settings, { up: (info) => listener.up(info.runId), down }));
  }
  const { tls, credentials, seeds } = endpoint;
  return new ClusterPrimaries(
    seeds,
    settings,
    (address, each) => new RedisConnection({ kind: 'standalone', tls, credentials, address, db: 0 }, settings, each),
    listener,
  );
}
