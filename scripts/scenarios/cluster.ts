/** A cluster of real processes on a Redis of its own. Owns: which nodes and routers run, under which flags, and their end. Does not
 *  know: clients.
 *  Invariant: after `stop` none of its processes is left. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { buildKeys, type Keys } from '../../shared/directory/keys.ts';
import { plainRedis } from '../../shared/testing/redis-client.ts';
import { type RedisServer, startRedis } from '../../shared/testing/redis-server.ts';
import { Api } from './api.ts';
import { withPlantedPassword } from './planted.ts';
import { type ClusterProcess, launch, ROOT } from './processes.ts';
import { RedisGate } from './redis-gate.ts';
import { until } from './wait.ts';

export interface ClusterOptions {
  readonly nodes?: number;
  readonly routers?: number;
  readonly nodeArgs?: readonly string[];
  readonly routerArgs?: readonly string[];
  readonly redisArgs?: readonly string[];
  /** Each of its first processes reaches Redis through a gate of its own. */
  readonly gated?: boolean;
  /** A Redis that runs already and becomes the cluster's own; `redisArgs` is void then. */
  readonly redis?: RedisServer;
  /** First part of its keys; `bh` by default. */
  readonly prefix?: string;
  /** Further flags of one process, e.g. the way to Redis through a proxy. They come last and win. */
  readonly argsOf?: (id: string) => readonly string[];
}

export interface RunningRouter {
  readonly process: ClusterProcess;
  /** `http://host:port` */
  readonly url: string;
  readonly api: Api;
}

export const CLUSTER_NAME = 'scenario';
const EXAMPLES = join(ROOT, 'examples');

export class Cluster {
  /** Whom the processes' Redis is now, for looks behind their back. */
  redis: RedisServer;
  readonly nodes = new Map<string, ClusterProcess>();
  readonly routers = new Map<string, RunningRouter>();
  readonly #options: ClusterOptions;
  readonly #keys: Keys;
  readonly #gates = new Map<string, RedisGate>();
  readonly #gen = randomBytes(16).toString('hex');
  /** All that ever ran, for the end and for what they said. */
  readonly #processes: ClusterProcess[] = [];

  private constructor(redis: RedisServer, options: ClusterOptions) {
    this.redis = redis;
    this.#options = options;
    this.#keys = buildKeys({ cluster: CLUSTER_NAME, prefix: options.prefix });
  }

  /** Starts Redis, `n1` … and `r1` …, and waits until routers see every node. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const redis = options.redis ?? (await startRedis({ args: options.redisArgs ?? [] }));
    const cluster = new Cluster(redis, options);
    try {
      await cluster.#nameHistory();
      const nodeIds = Array.from({ length: options.nodes ?? 2 }, (_, i) => `n${i + 1}`);
      const routerIds = Array.from({ length: options.routers ?? 1 }, (_, i) => `r${i + 1}`);
      if (options.gated === true) await cluster.#openGates([...nodeIds, ...routerIds]);
      const nodes = nodeIds.map((id) => cluster.startNode(id));
      const routers = routerIds.map((id) => cluster.startRouter(id));
      await Promise.all([...nodes, ...routers]);
      await Promise.all([...cluster.routers.values()].map(({ api }) => cluster.#isSeenBy(api)));
      return cluster;
    } catch (error) {
      const said = cluster.said();
      await cluster.stop();
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${said}`, { cause: error });
    }
  }

  /** Starts a node; resolves once it is ready. The process is listed at once. */
  async startNode(id: string, args: readonly string[] = []): Promise<ClusterProcess> {
    const started = this.launchNode(id, args);
    this.nodes.set(id, started);
    await started.ready;
    return started;
  }

  /** Starts a node's process and leaves it to itself. */
  launchNode(id: string, args: readonly string[] = []): ClusterProcess {
    const flags = ['--bootstrap', this.#gen, '--program', join(EXAMPLES, 'counter.js'), '--rooms', 'counter-*'];
    const started = launch(id, 'node/main.js', [
      ...this.#common(id),
      ...flags,
      ...(this.#options.nodeArgs ?? []),
      ...args,
      ...(this.#options.argsOf?.(id) ?? []),
    ]);
    this.#processes.push(started);
    return started;
  }

  async startRouter(id: string, args: readonly string[] = []): Promise<RunningRouter> {
    const more = [...(this.#options.routerArgs ?? []), ...args];
    const script = more.includes('--workers') ? 'scripts/router-command.js' : 'router/main.js';
    const process = launch(id, script, [
      ...this.#common(id),
      '--port',
      '0',
      ...more,
      ...(this.#options.argsOf?.(id) ?? []),
    ]);
    this.#processes.push(process);
    const { url } = await process.ready;
    if (typeof url !== 'string') throw new Error(`${id} did not say its url`);
    const router = { process, url, api: new Api(url) };
    this.routers.set(id, router);
    return router;
  }

  node(id: string): ClusterProcess {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  /** Between that process and Redis, where the cluster is gated. */
  gate(id: string): RedisGate {
    const gate = this.#gates.get(id);
    if (gate === undefined) throw new Error(`there is no gate for ${id}`);
    return gate;
  }

  router(id: string): RunningRouter {
    const router = this.routers.get(id);
    if (router === undefined) throw new Error(`there is no router ${id}`);
    return router;
  }

  /** The node that the room's record names; undefined for a room that nobody owns. */
  async recordOf(
    room: string,
  ): Promise<{ readonly node: string; readonly incarnation: string; readonly epoch: number } | undefined> {
    const redis = await plainRedis(this.redis.port);
    try {
      const { node, incarnation, epoch } = await redis.hgetall(this.#keys.room(room).owner);
      return node === undefined || node === ''
        ? undefined
        : { node, incarnation: incarnation ?? '', epoch: Number(epoch) };
    } finally {
      redis.disconnect();
    }
  }

  /** Which node the record of each room names. */
  async ownersOf(rooms: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const redis = await plainRedis(this.redis.port);
    try {
      const owners = await Promise.all(rooms.map((room) => redis.hget(this.#keys.room(room).owner, 'node')));
      return new Map(rooms.map((room, i) => [room, owners[i] ?? '']));
    } finally {
      redis.disconnect();
    }
  }

  /** Resolves once every node goes by a list of routers that names all of them: they say so with their heartbeats. Before that a node
   *  whose Redis goes away has nobody to ask, and is silent. */
  async untilRoutersAreKnown(): Promise<void> {
    const redis = await plainRedis(this.redis.port);
    try {
      const ver = Number(await redis.hget(this.#keys.cluster.meta, 'ver'));
      await until('every node has read which routers there are', async () => {
        const beats = await redis.hgetall(this.#keys.cluster.beats);
        return [...this.nodes.keys()].every((id) => listedVersion(beats[id]) >= ver);
      });
    } finally {
      redis.disconnect();
    }
  }

  /** How often each of the rooms was owned anew since it was first opened. */
  async changesOf(rooms: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const redis = await plainRedis(this.redis.port);
    try {
      const tags = await Promise.all(rooms.map((room) => redis.hget(this.#keys.room(room).owner, 'tags')));
      return new Map(rooms.map((room, i) => [room, (tags[i] ?? '').trim().split(/\s+/).length - 1]));
    } finally {
      redis.disconnect();
    }
  }

  /** Where routers and other nodes dial a node, and which life of it answers there. */
  async linkOf(id: string): Promise<{ readonly host: string; readonly port: number; readonly incarnation: string }> {
    const { link, incarnation } = await this.node(id).ready;
    const [host = '', port = ''] = String(link).split(':');
    return { host, port: Number(port), incarnation: String(incarnation) };
  }

  async flushRedis(): Promise<void> {
    const redis = await plainRedis(this.redis.port);
    await redis.flushall();
    redis.disconnect();
  }

  /** Processes that ended without having been told to: a fault in any scenario. */
  crashes(): string[] {
    return this.#processes.filter(({ exit }) => exit?.code === 1).map(({ name }) => name);
  }

  /** The last words of every process, for a failure. */
  said(): string {
    return this.#processes
      .map(({ name, pid, said, exit }) => `--- ${name} (${pid}) ${JSON.stringify(exit ?? 'runs')}\n${said}`)
      .join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.kill()));
    await Promise.all([...this.#gates.values()].map((gate) => gate.close()));
    await this.redis.stop();
  }

  /** A router that does not know a node yet sends it no rooms. */
  async #isSeenBy(api: Api): Promise<void> {
    await until('the router sees every node', async () => {
      const nodes = await api.nodes();
      return nodes.length === this.nodes.size && (await api.status('/readyz')) === 200;
    });
  }

  async #nameHistory(): Promise<void> {
    const redis = await plainRedis(this.redis.port);
    await redis.hset(this.#keys.cluster.meta, 'gen', this.#gen, 'schema', '1');
    redis.disconnect();
  }

  async #openGates(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#gates.set(id, await RedisGate.open(this.redis.port));
  }

  #common(id: string): string[] {
    const { prefix } = this.#options;
    const url = withPlantedPassword(this.#gates.get(id)?.url ?? this.redis.url);
    const where = ['--redis-url', url, '--cluster', CLUSTER_NAME];
    return ['--id', id, ...where, ...(prefix === undefined ? [] : ['--prefix', prefix])];
  }
}

/** The version of the list that a beat names at its end: `incarnation:counter:rooms,sessions,version`; 0 where it names none. */
function listedVersion(beat: string | undefined): number {
  return Number(beat?.split(',')[2] ?? 0);
}
