/** A plain client for tests that look behind the directory's back. Owns: nothing but a connection to a private Redis. */
import { Redis } from 'ioredis';

/** Connects to a server started by `startRedis`. The caller disconnects it. */
export async function plainRedis(port: number): Promise<Redis> {
  const redis = new Redis({ host: '127.0.0.1', port, lazyConnect: true, protocol: 2, retryStrategy: () => null });
  redis.on('error', () => undefined);
  await redis.connect();
  return redis;
}

const PASS_TIME = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 and left <= tonumber(ARGV[1]) then
    redis.call('DEL', key)
  elseif left >= 0 then
    redis.call('PEXPIRE', key, left - tonumber(ARGV[1]))
  end
end`;

/** Lets `ms` pass for every key that expires, at once. */
export async function passTime(redis: Redis, ms: number): Promise<void> {
  await redis.eval(PASS_TIME, 0, String(ms));
}

/** Unix ms by the server's own clock. */
export async function redisTime(redis: Redis): Promise<number> {
  const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
  return seconds * 1_000 + Math.floor(micros / 1_000);
}
