/** A Redis, as far as Bellhop cares. Owns: the questions and their bounds. It only reads. Does not know: what is well (findings.ts).
 *  A server that does not tell its settings (CONFIG is often forbidden where Redis is rented) is asked no further. */
import { Redis } from 'ioredis';
import { clientOptions } from '../../../shared/directory/redis-options.ts';
import { type Endpoint, parseRedisUrl } from '../../../shared/directory/redis-url.ts';
import { whyOf } from '../api-client.ts';
import type { RedisFacts } from './findings.ts';

type Single = Exclude<Endpoint, { kind: 'cluster' }>;

const CONNECT_MS = 3_000;
const ANSWER_MS = 5_000;
const PINGS = 50;
const CLOCK_READINGS = 8;
const SETTINGS = ['appendonly', 'appendfsync', 'save', 'maxmemory-policy', 'maxmemory'];

/** Asks the server, or each named server of a Redis Cluster. */
export async function readRedis(url: string): Promise<readonly RedisFacts[]> {
  const endpoint = parseRedisUrl(url);
  if (endpoint.kind !== 'cluster') return [await readServer(endpoint)];
  const { tls, credentials, seeds } = endpoint;
  const servers = seeds.map((address): Single => ({ kind: 'standalone', tls, credentials, address, db: 0 }));
  return await Promise.all(servers.map(readServer));
}

async function readServer(endpoint: Single): Promise<RedisFacts> {
  const address =
    endpoint.kind === 'standalone'
      ? `${endpoint.address.host}:${endpoint.address.port}`
      : `${endpoint.master} (by sentinel)`;
  const settings = { commandTimeoutMs: ANSWER_MS, reconnectMs: CONNECT_MS, name: 'doctor' };
  const redis = new Redis({ ...clientOptions(endpoint, settings), commandTimeout: ANSWER_MS });
  let lost: unknown;
  redis.on('error', (error: unknown) => {
    lost = error;
  });
  try {
    await redis.connect();
    const info = readInfo(await redis.info());
    const config = readSettings(await redis.config('GET', ...(SETTINGS as [string, ...string[]])).catch(() => []));
    return { address, ...described(info, config), latency: await pings(redis), clock: await clockOf(redis) };
  } catch (error) {
    return { address, unreachable: whyOf(lost ?? error) };
  } finally {
    redis.disconnect();
  }
}

export function readInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

/** `CONFIG GET` answers names and values in turn. */
export function readSettings(answer: unknown): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  if (!Array.isArray(answer)) return settings;
  for (let i = 0; i + 1 < answer.length; i += 2) settings.set(String(answer[i]), String(answer[i + 1]));
  return settings;
}

export function described(
  info: ReadonlyMap<string, string>,
  config: ReadonlyMap<string, string>,
): Omit<RedisFacts, 'address'> {
  const number = (text: string | undefined) => (text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined);
  const aof = config.get('appendonly') ?? { '1': 'yes', '0': 'no' }[info.get('aof_enabled') ?? ''];
  const failed = ['rdb_last_bgsave_status', 'aof_last_write_status', 'aof_last_bgrewrite_status'];
  return {
    version: info.get('redis_version'),
    role: info.get('role'),
    maxmemoryPolicy: config.get('maxmemory-policy') ?? info.get('maxmemory_policy'),
    maxmemoryBytes: number(config.get('maxmemory') ?? info.get('maxmemory')),
    usedBytes: number(info.get('used_memory')),
    appendonly: aof === undefined ? undefined : aof === 'yes',
    appendfsync: config.get('appendfsync'),
    save: config.get('save'),
    lastSaveFailed: failed.some((name) => info.get(name) === 'err'),
    replicas: number(info.get('connected_slaves')),
  };
}

async function pings(redis: Redis): Promise<{ readonly p50Ms: number; readonly maxMs: number }> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const began = performance.now();
    await redis.ping();
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return { p50Ms: times[Math.floor(times.length / 2)] ?? 0, maxMs: times.at(-1) ?? 0 };
}

/** The reading whose answer came soonest is the least wrong. */
async function clockOf(redis: Redis): Promise<{ readonly offsetMs: number; readonly withinMs: number }> {
  let best = { offsetMs: 0, withinMs: Number.POSITIVE_INFINITY };
  for (let i = 0; i < CLOCK_READINGS; i++) {
    const before = Date.now();
    const began = performance.now();
    const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
    const tripMs = performance.now() - began;
    const offsetMs = seconds * 1_000 + micros / 1_000 - (before + tripMs / 2);
    if (tripMs / 2 < best.withinMs) best = { offsetMs, withinMs: tripMs / 2 };
  }
  return best;
}
