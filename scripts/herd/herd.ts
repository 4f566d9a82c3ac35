/** Many clients that lose their router at once. Owns: that experiment, from the first join until everybody is back, and what the
 *  routers that are left say of it. Does not know: how it is shown, or what is good enough.
 *  What is read of routers' event loops is read from their own metrics, over just the time of the return. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, RunningRouter } from '../scenarios/cluster.ts';
import { until } from '../scenarios/wait.ts';
import { HerdClient, type HerdCounts } from './herd-client.ts';

export interface HerdOptions {
  readonly clients: number;
  /** Clients of one room. */
  readonly members: number;
  /** How many of the clients join each second. */
  readonly joinRate: number;
  /** How the router goes: without a word, or with one. */
  readonly signal: 'SIGKILL' | 'SIGTERM';
  /** New clients that come while the herd comes back. */
  readonly strangers: number;
  readonly boundMs: number;
  readonly say: (line: string) => void;
}

export interface RouterAfter {
  readonly router: string;
  readonly eventLoopP99Ms: number;
  /** CPU time of the router since the loss, all it did, for each handshake that it admitted, µs. */
  readonly cpuUsPerHandshake: number;
  /** Handshakes since the loss. */
  readonly handshakes: Readonly<Record<`${'new' | 'resume'}_${'admitted' | 'told' | 'refused'}`, number>>;
  readonly sessions: number;
  /** Questions to its API and health while the herd came back, how many were not answered well, and the longest answer. */
  readonly asked: number;
  readonly failed: number;
  readonly slowestMs: number;
}

export interface HerdResult {
  readonly clients: number;
  readonly backMs: number;
  /** Share of clients that were back, and after how long, ms. */
  readonly back: readonly (readonly [share: number, ms: number])[];
  /** Sessions that are the same as before. */
  readonly kept: number;
  readonly lost: HerdCounts;
  /** Windows that the last welcomes before the loss named, ms. */
  readonly windows: { readonly min: number; readonly median: number; readonly max: number };
  readonly routers: readonly RouterAfter[];
  readonly strangers: { readonly came: number; readonly seated: number };
}

const newCounts = (): HerdCounts => ({ seats: 0, resumed: 0, told: 0, refused: 0, unreached: 0, windowsMs: [] });
const PROBE_EVERY_MS = 250;
const SHARES = [0.5, 0.9, 0.99, 1] as const;
const CLIENTS_PER_ADDRESS = 20_000;

/** Seats everybody at `r1`, ends that router, and waits until everybody is back. */
export async function loseRouter(cluster: Cluster, options: HerdOptions): Promise<HerdResult> {
  const lost = cluster.router('r1');
  const left = [...cluster.routers].filter(([, router]) => router !== lost);
  if (left.length === 0) throw new Error('a herd needs two routers at least');
  const ports = [lost, ...left.map(([, router]) => router)].map(({ url }) => Number(new URL(url).port));
  const counts = newCounts();
  let isLost = false;
  const clients = Array.from({ length: options.clients }, (_, i) => {
    const room = `herd-${Math.floor(i / options.members)}`;
    const source = `127.0.2.${1 + Math.floor(i / CLIENTS_PER_ADDRESS)}`;
    return new HerdClient(
      { room, user: `u${i}`, ports, first: 0, source, mayMove: () => isLost, subprotocol: true },
      counts,
    );
  });
  const strangers: HerdClient[] = [];
  try {
    await joinAll(clients, options);
    const windows = spreadOf(counts.windowsMs);
    const sessions = clients.map(({ session }) => session);
    const before = await Promise.all(left.map(([, router]) => handshakesOf(router)));
    Object.assign(counts, newCounts());

    isLost = true;
    const lostMs = performance.now();
    lost.process.signal(options.signal);
    await until('the clients noticed', () => clients.some(({ isSeated }) => !isSeated), options.boundMs);
    const strangerCounts = newCounts();
    for (let i = 0; i < options.strangers; i++) {
      const first = 1 + (i % left.length);
      const at = {
        room: 'strangers',
        user: `s${i}`,
        ports,
        first,
        source: '127.0.2.250',
        mayMove: () => true,
        subprotocol: false,
      };
      strangers.push(new HerdClient(at, strangerCounts));
    }
    for (const stranger of strangers) stranger.connect();
    const probes = left.map(([, router]) => probe(router));
    const back: [number, number][] = [];
    await until(
      'everybody is back',
      () => {
        const seated = clients.filter(({ isSeated, router }) => isSeated && router !== 0).length;
        for (const share of SHARES.slice(back.length)) {
          if (seated >= share * clients.length) back.push([share, performance.now() - lostMs]);
        }
        return seated === clients.length;
      },
      options.boundMs,
    );
    const backMs = performance.now() - lostMs;
    const asked = await Promise.all(probes.map((stop) => stop()));
    const routers = await Promise.all(
      left.map(async ([id, router], i): Promise<RouterAfter> => {
        const after = await handshakesOf(router);
        const since = Object.entries(after.handshakes).map(([key, value]) => [
          key,
          value - (before[i]?.handshakes[key] ?? 0),
        ]);
        const admitted = since.reduce(
          (sum, [key, value]) => sum + (String(key).endsWith('_admitted') ? Number(value) : 0),
          0,
        );
        return {
          router: id,
          eventLoopP99Ms: p99Of(after.loopDelays, before[i]?.loopDelays),
          cpuUsPerHandshake: ((after.cpuSeconds - (before[i]?.cpuSeconds ?? 0)) * 1e6) / Math.max(1, admitted),
          handshakes: Object.fromEntries(since) as RouterAfter['handshakes'],
          sessions: after.sessions,
          ...(asked[i] ?? { asked: 0, failed: 0, slowestMs: 0 }),
        };
      }),
    );
    const kept = clients.filter(({ session }, i) => session === sessions[i]).length;
    const seated = strangers.filter(({ isSeated }) => isSeated).length;
    return {
      ...{ clients: clients.length, backMs, back, kept, lost: counts, windows, routers },
      strangers: { came: strangers.length, seated },
    };
  } finally {
    for (const client of [...clients, ...strangers]) client.end();
  }
}

async function joinAll(clients: readonly HerdClient[], { joinRate, boundMs, say }: HerdOptions): Promise<void> {
  const began = performance.now();
  for (let next = 0; next < clients.length; ) {
    const due = ((performance.now() - began) / 1_000) * joinRate;
    for (; next < Math.min(due, clients.length); next++) clients[next]?.connect();
    await sleep(10);
  }
  await until('everybody has joined', () => clients.every(({ isSeated }) => isSeated), boundMs);
  say(`${clients.length} clients joined in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
}

interface Said {
  readonly cpuSeconds: number;
  /** How often the event loop was at most so late, by upper bounds in seconds. */
  readonly loopDelays: ReadonlyMap<number, number>;
  readonly sessions: number;
  readonly handshakes: Readonly<Record<string, number>>;
}

/** The bound of the bucket in which the 99th percentile of what was counted between two reads lies, ms: never below it. */
function p99Of(after: Said['loopDelays'], before: Said['loopDelays'] | undefined): number {
  const since = [...after].map(([bound, count]) => [bound, count - (before?.get(bound) ?? 0)] as const);
  const all = since.find(([bound]) => bound === Number.POSITIVE_INFINITY)?.[1] ?? 0;
  return (since.find(([, count]) => count >= all * 0.99)?.[0] ?? Number.NaN) * 1_000;
}

/** Reads a router's metrics. */
async function handshakesOf({ url }: RunningRouter): Promise<Said> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const handshakes: Record<string, number> = {};
  const loopDelays = new Map<number, number>();
  let sessions = 0;
  let cpuSeconds = 0;
  for (const line of text.split('\n')) {
    const [series = '', value = ''] = line.split(' ');
    const labels = /^bellhop_router_handshakes_total\{kind="(\w+)",verdict="(\w+)"\}$/.exec(series);
    if (labels !== null) handshakes[`${labels[1]}_${labels[2]}`] = Number(value);
    const bound = /^bellhop_event_loop_delay_seconds_bucket\{le="([^"]+)"\}$/.exec(series);
    if (bound !== null)
      loopDelays.set(bound[1] === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound[1]), Number(value));
    if (series === 'bellhop_process_cpu_seconds_total') cpuSeconds = Number(value);
    if (series === 'bellhop_router_sessions') sessions = Number(value);
  }
  return { loopDelays, sessions, handshakes, cpuSeconds };
}

/** Asks a router's health and API now and then. @returns ends it, and tells how it went */
function probe({ url }: RunningRouter): () => Promise<Pick<RouterAfter, 'asked' | 'failed' | 'slowestMs'>> {
  let isOver = false;
  const seen = { asked: 0, failed: 0, slowestMs: 0 };
  const run = (async () => {
    while (!isOver) {
      for (const path of ['/livez', '/api/v1/nodes']) {
        const beganMs = performance.now();
        const isWell = await fetch(`${url}${path}`).then(
          async (answer) => (await answer.text()) !== '' && answer.status === 200,
          () => false,
        );
        seen.asked += 1;
        if (!isWell) seen.failed += 1;
        seen.slowestMs = Math.max(seen.slowestMs, performance.now() - beganMs);
      }
      await sleep(PROBE_EVERY_MS);
    }
  })();
  return async () => {
    isOver = true;
    await run;
    return seen;
  };
}

function spreadOf(values: readonly number[]): HerdResult['windows'] {
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0] ?? 0, median: sorted[sorted.length >> 1] ?? 0, max: sorted.at(-1) ?? 0 };
}
