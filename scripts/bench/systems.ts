/** The systems that are compared. Owns: how each is started, at its best settings, and what belongs to it. Does not know: the load. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisServer, startRedis } from '../../shared/testing/redis-server.ts';
import { V8_FLAGS } from '../node-flags.ts';
import type { Envelope } from './load-plan.ts';
import { freePort, type Started, start, startProgram, stop } from './processes.ts';
import { findProxy, type Missing, SOURCES, type Tool } from './tools.ts';

export interface RunningSystem {
  /** Every server process, also Redis and proxies; their descendants count as well. */
  readonly pids: readonly number[];
  readonly ports: readonly number[];
  readonly path: string;
  readonly envelope: Envelope;
  stop(): Promise<void>;
}

export interface System {
  readonly id: SystemId;
  readonly name: string;
  /** Why it cannot run here; undefined when it can. */
  unavailable(): string | undefined;
  start(): Promise<RunningSystem>;
}

const SYSTEM_IDS = [
  'bellhop',
  'ws',
  'ws-flags',
  'floor',
  'http-proxy',
  'nginx',
  'haproxy',
  'pubsub',
  'socketio',
] as const;
export type SystemId = (typeof SYSTEM_IDS)[number];

const RAW_PATH = '/rooms/b{room}';
const SERVERS = 2;

/** What a system has started so far; ended in reverse order, also when its start fails half way. */
class Parts {
  readonly #started: Started[] = [];
  #redis: RedisServer | undefined;
  #folder: string | undefined;

  async add(starting: Promise<Started>): Promise<Started> {
    const started = await starting;
    this.#started.push(started);
    return started;
  }

  async redis(): Promise<RedisServer> {
    this.#redis = await startRedis();
    return this.#redis;
  }

  folder(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'bellhop-bench-'));
    return this.#folder;
  }

  get pids(): number[] {
    return [...this.#started.map(({ pid }) => pid), ...(this.#redis === undefined ? [] : [this.#redis.pid])];
  }

  readonly stop = async (): Promise<void> => {
    await stop([...this.#started].reverse());
    await this.#redis?.stop();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  };
}

function system(
  id: SystemId,
  name: string,
  begin: (parts: Parts) => Promise<Omit<RunningSystem, 'pids' | 'stop'>>,
  unavailable: () => string | undefined = () => undefined,
): System {
  return {
    id,
    name,
    unavailable,
    async start() {
      const parts = new Parts();
      try {
        const reached = await begin(parts);
        return { ...reached, pids: parts.pids, stop: parts.stop };
      } catch (error) {
        await parts.stop();
        throw error;
      }
    },
  };
}

const raw = (...ports: number[]) => ({ ports, path: RAW_PATH, envelope: 'raw' as const });
const portOf = (started: Started): number => Number(started.ready['port']);
const script = (name: string): string => `scripts/bench/peers/${name}.js`;
const peer = (name: string, ...args: string[]): Promise<Started> => start(script(name), args);

/** Several servers with one Redis between them. */
async function besideRedis(parts: Parts, name: string): Promise<number[]> {
  const { url } = await parts.redis();
  const ports: number[] = [];
  for (let i = 0; i < SERVERS; i++) ports.push(portOf(await parts.add(peer(name, url))));
  return ports;
}

/** As Bellhop's image and `npm start` run it. */
let bellhopFlags: readonly string[] = V8_FLAGS;

/** What Bellhop's processes run under now. */
export function bellhopFlagsOf(_role: 'node' | 'router'): readonly string[] {
  return bellhopFlags;
}

/** Bellhop's settings in a bench; all else is as by default. A client of the load may speak as fast as it likes, and they all may come at
 *  once, as they do to the others. */
export const BELLHOP_ENV = {
  BELLHOP_ACCEPT_RATE: '0',
  BELLHOP_LOG_LEVEL: 'error',
  BELLHOP_MESSAGE_RATE: '0',
  BELLHOP_DURABILITY: 'relay',
} as const;

/** Has Bellhop's processes run under other flags of Node's than its image. */
export function useNodeFlags(flags: readonly string[]): void {
  bellhopFlags = flags;
}

/** Has Bellhop's processes write a CPU profile (for Chrome's developer tools) into a folder when they end. Profiling costs some
 *  percent, so what is measured then is not for a page. */
export function profileInto(folder: string): void {
  bellhopFlags = [...bellhopFlags, '--cpu-prof', `--cpu-prof-dir=${folder}`];
}

const tools = new Map<string, Tool | Missing>();

/** Looked for once, and only if it is wanted. */
export function proxyTool(name: 'nginx' | 'haproxy'): Tool | Missing {
  const tool = tools.get(name) ?? findProxy(name);
  tools.set(name, tool);
  return tool;
}

function proxied(
  name: 'nginx' | 'haproxy',
  label: string,
  template: string,
  args: (config: string) => string[],
): System {
  const missing = (): string | undefined => {
    const tool = proxyTool(name);
    return 'missing' in tool ? tool.missing : undefined;
  };
  const begin = async (parts: Parts) => {
    const tool = proxyTool(name);
    if ('missing' in tool) throw new Error(tool.missing);
    const upstream = portOf(await parts.add(peer('ws-server', 'send')));
    const port = await freePort();
    const folder = parts.folder();
    const config = join(folder, template);
    const text = readFileSync(join(SOURCES, 'peers', template), 'utf8')
      .replaceAll('{folder}', folder)
      .replaceAll('{port}', String(port))
      .replaceAll('{upstream}', String(upstream));
    writeFileSync(config, text);
    await parts.add(startProgram(tool.path, args(config), port, tool.env));
    return raw(port);
  };
  return system(name, label, begin, missing);
}

export const SYSTEMS: readonly System[] = [
  system('bellhop', 'Bellhop (router + node + Redis, relay rooms)', async (parts) => {
    const { url } = await parts.redis();
    const env = { ...BELLHOP_ENV, BELLHOP_REDIS_URL: url };
    await parts.add(start('node/main.js', ['--id', 'n1'], env, bellhopFlags));
    const router = await parts.add(start('router/main.js', ['--id', 'r1', '--port', '0'], env, bellhopFlags));
    const { port } = new URL(String(router.ready['url']));
    return { ports: [Number(port)], path: '/rooms/b{room}?user=u{i}', envelope: 'bellhop' };
  }),
  system('ws', 'bare ws', async (parts) => raw(portOf(await parts.add(peer('ws-server', 'send'))))),
  system('ws-flags', 'bare ws, under Bellhop’s flags of Node', async (parts) =>
    raw(portOf(await parts.add(start(script('ws-server'), ['send'], {}, bellhopFlagsOf('router'))))),
  ),
  system('floor', 'bare ws, one prepared frame to all (the floor)', async (parts) =>
    raw(portOf(await parts.add(peer('ws-server', 'prepared')))),
  ),
  system('http-proxy', 'http-proxy → ws', async (parts) => {
    const upstream = portOf(await parts.add(peer('ws-server', 'send')));
    return raw(portOf(await parts.add(peer('http-proxy', String(upstream)))));
  }),
  proxied('nginx', 'nginx → ws', 'nginx.conf', (config) => ['-c', config]),
  proxied('haproxy', 'HAProxy → ws', 'haproxy.cfg', (config) => ['-db', '-f', config]),
  system('pubsub', 'ws + Redis Pub/Sub, 2 servers', async (parts) =>
    raw(...(await besideRedis(parts, 'pubsub-server'))),
  ),
  system('socketio', 'Socket.IO + Redis adapter, 2 servers', async (parts) => ({
    ports: await besideRedis(parts, 'socketio-server'),
    path: '/socket.io/?EIO=4&transport=websocket&room=b{room}',
    envelope: 'socketio',
  })),
];
