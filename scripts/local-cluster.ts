/** The processes of `npm start`. Owns: Redis (where none was given), nodes n1…, routers r1…, each under a supervisor.
 *  They end in this order: routers first, so that clients are told to come back; then nodes; Redis last.
 *  @see DESIGN §4 History changes (bootstrap) */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  childEnvironment,
  DEVELOPMENT_SECRET,
  type Environment,
  isForDevelopment,
  isLoopback,
  type StartConfig,
} from '../shared/config.ts';
import { handOn } from '../shared/config-parse.ts';
import { reasonOf } from '../shared/directory/directory.ts';
import { RedisDirectory, type RedisDirectoryOptions } from '../shared/directory/redis-directory.ts';
import { redactRedisUrl } from '../shared/directory/redis-url.ts';
import { systemRandom } from '../shared/random.ts';
import { type Certifier, createCertifier } from './certifier.ts';
import { ControlSocket, type Order, type Reply } from './control-socket.ts';
import { NodeSupervisor } from './node-supervisor.ts';
import { PrivateRedis } from './private-redis.ts';
import { announceRunning, withdrawRunning } from './running.ts';
import { Supervisor, type SupervisorEvent } from './supervisor.ts';
import { killWorkers, startWorker, type Worker } from './worker.ts';

/** What the surroundings provide. */
export interface Tools {
  /** Path of a Redis server program; installs one if need be. Throws what tells the operator in one sentence. */
  readonly findRedisServer: () => string;
  /** Paths of the workers' scripts; default those of this build. */
  readonly scripts?: { readonly node: string; readonly router: string } | undefined;
}

/** The cluster did not come up, for a reason that one sentence tells. */
export class StartFailure extends Error {
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

const REDIS_ANSWER_MS = 5_000;
/** All together below 10 s: an operator waits no longer. */
const ROUTERS_END_MS = 3_500;
const NODES_END_MS = 3_500;
const CERTIFICATES_MS = 1_000;
/** A process that dies this often before it ever served will not serve. */
const DEATHS_BEFORE_READY_MAX = 3;
const READY_MS = 60_000;
/** Beyond a drain's own deadline, before a node that is to be renewed is killed. */
const RENEW_SLACK_MS = 10_000;

type Member = Pick<Supervisor, 'start' | 'stop' | 'reload'>;

export class LocalCluster {
  readonly #config: StartConfig;
  readonly #tools: Tools;
  readonly #say: (line: string) => void;
  readonly #nodes: NodeSupervisor[] = [];
  readonly #byId = new Map<string, NodeSupervisor>();
  readonly #routers: Supervisor[] = [];
  readonly #scripts: { readonly node: string; readonly router: string };
  #redis: PrivateRedis | undefined;
  #certifier: Certifier | undefined;
  #control: ControlSocket | undefined;
  #stopped: Promise<void> | undefined;

  /** Does no I/O: `start` does. */
  constructor(config: StartConfig, tools: Tools, say: (line: string) => void) {
    this.#config = config;
    this.#tools = tools;
    this.#say = say;
    const router = compiled(config.workers > 1 ? './router-command.js' : '../router/main.js');
    this.#scripts = tools.scripts ?? { node: compiled('../node/main.js'), router };
  }

  get #isForDevelopment(): boolean {
    return isForDevelopment(this.#config, this.#config.secrets);
  }

  get isStopping(): boolean {
    return this.#stopped !== undefined;
  }

  /** Starts everything. Resolves when all of it serves, after the line `ready http://…`.
   *  @throws StartFailure */
  async start(): Promise<void> {
    const directory = await this.#findRedis();
    const bootstrap = this.#redis === undefined ? undefined : randomBytes(16).toString('hex');
    await prepareHistory(directory, bootstrap);
    this.#throwIfStopping();
    this.#certifier = createCertifier(directory, this.#say);
    announceRunning(directory.url);
    const env = this.#environment(directory.url);
    const count = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
    const nodes = count(this.#config.nodes).map((i) => this.#startNode(`n${i}`, env, bootstrap));
    await Promise.race([Promise.all(nodes), tooLate()]);
    this.#throwIfStopping();
    // A router is ready once it has a link to every node it finds: now it finds all of them.
    const routers = count(this.#config.routers).map((i) => this.#startRouter(i, env));
    const served = await Promise.race([Promise.all(routers), tooLate()]);
    const [first] = served;
    this.#throwIfStopping();
    await this.#takeOrders(directory.url, served);
    const url = this.#publicUrl(first);
    if (this.#isForDevelopment) this.#say(`chat ${url}/ (open it twice, then kill the node that holds the room)`);
    this.#say(`dashboard ${url}/dashboard`);
    this.#say(`ready ${url}`);
  }

  /** Has every process read its certificates again. */
  reload(): void {
    for (const member of [...this.#routers, ...this.#nodes]) member.reload();
  }

  /** Ends everything, within 10 s. Safe to repeat. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Ends everything now; for a process' last moments. */
  killNow(): void {
    killWorkers();
    this.#redis?.killNow();
  }

  async #stop(): Promise<void> {
    withdrawRunning();
    await this.#control?.close();
    await Promise.all(this.#routers.map((router) => router.stop('drain', ROUTERS_END_MS)));
    await Promise.all(this.#nodes.map((node) => node.stop('at once', NODES_END_MS)));
    // A Redis that lives on should know at once that these nodes do not; a private one dies with them.
    if (this.#redis === undefined) {
      const settled = Promise.all(this.#nodes.map((node) => node.settled()));
      await Promise.race([settled, sleep(CERTIFICATES_MS, undefined, { ref: false })]);
    }
    this.#certifier?.close();
    await Promise.all(this.#nodes.map((node) => node.settled()));
    await this.#redis?.stop();
  }

  /** Says where the routers are, and where the command line can ask for a node's next life. */
  async #takeOrders(redisUrl: string, routers: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    const urls = routers.map(({ url }) => url).filter((url) => typeof url === 'string');
    const open = ControlSocket.open((order) => this.#carryOut(order));
    this.#control = await open.catch((error: unknown) => {
      this.#say(`takes no orders (restart --rolling): ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    });
    if (this.isStopping) await this.#control?.close();
    this.#throwIfStopping();
    const isRedisPrivate = this.#redis !== undefined;
    announceRunning(redisUrl, undefined, { urls, isRedisPrivate, control: this.#control?.path });
  }

  async #carryOut(order: Order): Promise<Reply> {
    if (order.order === 'nodes') return { ok: true, nodes: [...this.#byId.keys()] };
    const node = this.#byId.get(order.node);
    if (node === undefined) return { ok: false, why: 'this supervisor has no such node' };
    this.#say(`${order.node} is to be started again`);
    const follows = await node.renew(this.#config.drainDeadlineMs + RENEW_SLACK_MS);
    return follows ? { ok: true } : { ok: false, why: 'the cluster is being stopped' };
  }

  async #findRedis(): Promise<RedisDirectoryOptions> {
    const { redisUrl, redisServer, cluster, prefix, timings, replicas } = this.#config;
    if (redisUrl !== undefined) {
      this.#say(`using Redis at ${redactRedisUrl(redisUrl)}`);
      return { url: redisUrl, cluster, prefix, timings, replicas };
    }
    const server = redisServer ?? this.#tools.findRedisServer();
    this.#redis = await PrivateRedis.start({ server, say: this.#say }).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new StartFailure(`the private Redis (${server}) did not start: ${why}.`, 2);
    });
    this.#say(`started a private Redis at ${this.#redis.url}`);
    return { url: this.#redis.url, cluster, prefix, timings };
  }

  #environment(redisUrl: string): Environment {
    const { secrets, host } = this.#config;
    // Where nothing listens beyond this machine, a node started by hand is to join without being told a secret.
    const made = isLoopback(host) ? DEVELOPMENT_SECRET : randomBytes(24).toString('base64url');
    const secret = secrets.length > 0 ? secrets.join(',') : made;
    return { BELLHOP_REDIS_URL: redisUrl, BELLHOP_SECRET: secret };
  }

  #startNode(id: string, env: Environment, bootstrap: string | undefined): Promise<Readonly<Record<string, unknown>>> {
    const { restart, restartDelayMs, certifyBy, parsed } = this.#config;
    const given = handOn(parsed, 'node');
    const certifier = this.#certifier;
    return this.#supervise(
      id,
      this.#nodes,
      (on) =>
        new NodeSupervisor({
          node: id,
          restart,
          restartDelayMs,
          certify: certifyBy.includes('supervisor') ? certifier?.certify : undefined,
          on,
          launch: (incarnation, isFirst) => {
            const first = isFirst && bootstrap !== undefined ? [`--bootstrap=${bootstrap}`] : [];
            const argv = [...given.argv, `--id=${id}`, `--incarnation=${incarnation}`, '--link-port=0', ...first];
            return this.#launch(id, this.#scripts.node, argv, { ...given.env, ...env });
          },
        }),
    );
  }

  #startRouter(position: number, env: Environment): Promise<Readonly<Record<string, unknown>>> {
    const { restart, restartDelayMs, port, parsed } = this.#config;
    const given = handOn(parsed, 'router');
    const id = `r${position}`;
    const isForDevelopment = this.#isForDevelopment;
    const own = [`--id=${id}`, `--port=${port === 0 ? 0 : port + position - 1}`];
    const argv = [...given.argv, ...own, ...(isForDevelopment ? ['--development'] : [])];
    const onMessage = isForDevelopment ? (message: unknown) => this.#killAsked(message) : undefined;
    const launch = () => this.#launch(id, this.#scripts.router, argv, { ...given.env, ...env }, onMessage);
    return this.#supervise(id, this.#routers, (on) => new Supervisor({ launch, restart, restartDelayMs, on }));
  }

  /** A router's page was asked to kill a node. */
  #killAsked(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('type' in message) || message.type !== 'kill-node') return;
    const asked = 'node' in message ? message.node : undefined;
    this.#nodes.find(({ node }) => node === asked)?.kill();
  }

  #launch(
    id: string,
    script: string,
    argv: readonly string[],
    env: Environment,
    onMessage?: (message: unknown) => void,
  ): Worker {
    const onLine = (line: string) => void process.stdout.write(`[${id}] ${line}\n`);
    return startWorker({ script, argv, env: childEnvironment(env), onLine, onMessage });
  }

  /** Starts a member; resolves with its first ready message. */
  #supervise<M extends Member>(
    id: string,
    members: M[],
    make: (on: (event: SupervisorEvent) => void) => M,
  ): Promise<Readonly<Record<string, unknown>>> {
    return new Promise((resolve, reject) => {
      let deaths = 0;
      let hasServed = false;
      const member = make((event) => {
        if (event.kind === 'ready') {
          hasServed = true;
          this.#say(`${id} ready ${event.message['link'] ?? event.message['url'] ?? ''}`.trimEnd());
          resolve(event.message);
        }
        if (event.kind !== 'ended' || this.isStopping) return;
        const { exit, verdict, restartMs } = event;
        const how = exit.signal ?? `exit code ${exit.code}`;
        this.#say(
          restartMs === undefined
            ? `${id} ended (${how}) and is not started again`
            : `${id} ended (${how}), starting it again in ${restartMs} ms`,
        );
        deaths++;
        if (hasServed) return;
        if (verdict === 'refused') reject(new StartFailure(`${id} refused to start (see above).`, 2));
        else if (restartMs === undefined || deaths >= DEATHS_BEFORE_READY_MAX) {
          reject(new StartFailure(`${id} does not come up: ${how} (see above).`, 1));
        }
      });
      members.push(member);
      if (member instanceof NodeSupervisor) this.#byId.set(id, member);
      member.start();
    });
  }

  #publicUrl(message: Readonly<Record<string, unknown>> | undefined): string {
    const { host, port, tlsCert } = this.#config;
    if (port === 0) return String(message?.['url']);
    const name = isLoopback(host) && host !== 'localhost' ? host : '127.0.0.1';
    const reachable = host === '0.0.0.0' || host === '::' || isLoopback(host) ? name : host;
    return `${tlsCert === undefined ? 'http' : 'https'}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
  }

  #throwIfStopping(): void {
    if (this.isStopping) throw new StartFailure('stopped before it was up.', 1);
  }
}

/** Waits until Redis answers and, where `gen` is given, names its history so.
 *  @throws StartFailure after 5 s without an answer */
async function prepareHistory(options: RedisDirectoryOptions, gen: string | undefined): Promise<void> {
  const directory = RedisDirectory.connect({ ...options, random: systemRandom });
  directory.start();
  const until = performance.now() + REDIS_ANSWER_MS;
  try {
    for (;;) {
      try {
        if (gen === undefined) await directory.call('readCluster', {});
        else await directory.call('createHistory', { gen });
        return;
      } catch (error) {
        if (performance.now() > until) {
          throw new StartFailure(`${redactRedisUrl(options.url)} cannot be used: ${reasonOf(error)}.`, 2);
        }
        await sleep(50);
      }
    }
  } finally {
    await directory.close();
  }
}

async function tooLate(): Promise<never> {
  await sleep(READY_MS, undefined, { ref: false });
  throw new StartFailure(`not everything was ready after ${READY_MS / 1_000} s.`, 1);
}

function compiled(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
