import { describe, expect, it } from 'vitest';
import { parseRedisUrl, redactRedisUrl } from './redis-url.ts';

describe('parseRedisUrl', () => {
  it('reads one server', () => {
    expect(parseRedisUrl('redis://localhost')).toEqual({
      kind: 'standalone',
      tls: false,
      credentials: {},
      address: { host: 'localhost', port: 6379 },
      db: 0,
    });
    expect(parseRedisUrl('rediss://me:p%40ss@[::1]:7000/3')).toEqual({
      kind: 'standalone',
      tls: true,
      credentials: { username: 'me', password: 'p@ss' },
      address: { host: '::1', port: 7000 },
      db: 3,
    });
    expect(parseRedisUrl('redis://:secret@h').credentials).toEqual({ password: 'secret' });
  });

  it('reads sentinels and the master they name', () => {
    expect(parseRedisUrl('redis+sentinel://:pw@s1:26380,s2/main?db=2&sentinelPassword=x')).toEqual({
      kind: 'sentinel',
      tls: false,
      credentials: { password: 'pw' },
      sentinels: [
        { host: 's1', port: 26380 },
        { host: 's2', port: 26379 },
      ],
      master: 'main',
      db: 2,
      sentinelCredentials: { password: 'x' },
    });
  });

  it('reads the seeds of a cluster', () => {
    expect(parseRedisUrl('rediss+cluster://a:1,b:2')).toEqual({
      kind: 'cluster',
      tls: true,
      credentials: {},
      seeds: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    });
  });

  it.each([
    'http://h',
    'redis://',
    'redis://a,b',
    'redis://h:99999',
    'redis://h/x',
    'redis://user@h',
    'redis+sentinel://h',
    'redis+cluster://h/1',
    'redis+ring://h',
  ])('refuses %s', (url) => {
    expect(() => parseRedisUrl(url)).toThrow(RangeError);
  });

  it('51 shows no password', () => {
    expect(redactRedisUrl('redis+sentinel://u:hidden@s1/main?sentinelPassword=hidden&db=1')).toBe(
      'redis+sentinel://***@s1/main?sentinelPassword=***&db=1',
    );
    expect(redactRedisUrl('redis://h:1')).toBe('redis://h:1');
  });
});
