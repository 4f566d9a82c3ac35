/** A Bellhop of several routers and nodes with a Redis of its own, for the parts of the bench that look at Bellhop alone. Owns: its
 *  start and end, which process is what, and what its API says. Does not know: what is measured.
 *  Invariant: the processes run under the flags and settings of the compared Bellhop (systems.ts). */
import { startRedis } from '../../shared/testing/redis-server.ts';
import { type Started, start, stop } from './processes.ts';
import { BELLHOP_ENV, bellhopFlagsOf } from './systems.ts';

export interface BellhopCluster {
  readonly routers: readonly number[];
  readonly nodes: readonly number[];
  readonly redis: number;
  /** All of them. */
  readonly pids: readonly number[];
  /** Of the routers. */
  readonly ports: readonly number[];
  stop(): Promise<void>;
}

/** Where a client goes: its room by `{room}`, its name by `{i}`. */
export const CLIENT_PATH = '/rooms/b{room}?user=u{i}';

/** Starts the nodes, then the routers, and waits until each is ready. @throws Error when one does not start */
export async function startBellhop(
  nodes: number,
  routers: number,
  more: Readonly<Record<string, string>> = {},
): Promise<BellhopCluster> {
  const redis = await startRedis();
  const started: Started[] = [];
  const end = async (): Promise<void> => {
    await stop([...started].reverse());
    await redis.stop();
  };
  try {
    const env = { ...BELLHOP_ENV, BELLHOP_REDIS_URL: redis.url, ...more };
    const add = async (role: 'node' | 'router', args: readonly string[]): Promise<Started> => {
      const one = await start(`${role}/main.js`, args, env, bellhopFlagsOf(role));
      started.push(one);
      return one;
    };
    const nodesStarted: Started[] = [];
    for (let i = 1; i <= nodes; i++) nodesStarted.push(await add('node', ['--id', `n${i}`]));
    const routersStarted: Started[] = [];
    for (let i = 1; i <= routers; i++) routersStarted.push(await add('router', ['--id', `r${i}`, '--port', '0']));
    return {
      routers: routersStarted.map(({ pid }) => pid),
      nodes: nodesStarted.map(({ pid }) => pid),
      redis: redis.pid,
      pids: [...started.map(({ pid }) => pid), redis.pid],
      ports: routersStarted.map(({ ready }) => Number(new URL(String(ready['url'])).port)),
      stop: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

const ANSWER_MS = 10_000;

/** An answer of the HTTP API. @throws Error with the status where it is none of success */
export async function askApi(port: number, path: string): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${(await answer.text()).slice(0, 200)}`);
  return (await answer.json()) as Readonly<Record<string, unknown>>;
}

/** One number of a router's metrics, without its prefix; 0 where it is not told. */
export async function readMetrics(port: number): Promise<(name: string) => number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(ANSWER_MS) });
  const text = await answer.text();
  return (name) => {
    const line = text.split('\n').find((one) => one.startsWith(`bellhop_router_${name} `));
    return Number(line?.split(' ')[1] ?? 0);
  };
}
