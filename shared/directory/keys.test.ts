import { describe, expect, it } from 'vitest';
import { buildKeys, slotOf } from './keys.ts';

const keys = buildKeys({ cluster: 'prod' });

describe('keys', () => {
  it('names every key as the design does', () => {
    expect(keys.cluster).toEqual({
      meta: 'bh:{prod}:meta',
      nodes: 'bh:{prod}:nodes',
      beats: 'bh:{prod}:beats',
      certs: 'bh:{prod}:certs',
      routers: 'bh:{prod}:routers',
      pins: 'bh:{prod}:pins',
      audit: 'bh:{prod}:audit',
      tellers: 'bh:{prod}:tellers',
      revoked: 'bh:{prod}:revoked',
    });
    expect(keys.room('lobby')).toEqual({
      owner: 'bh:room:{lobby}:owner',
      log: 'bh:room:{lobby}:log',
      senders: 'bh:room:{lobby}:senders',
      order: 'bh:room:{lobby}:order',
      state: 'bh:room:{lobby}:state',
      presence: 'bh:room:{lobby}:presence',
      told: 'bh:room:{lobby}:told',
      outbox: 'bh:room:{lobby}:outbox',
    });
    const hash = 'ab'.repeat(32);
    expect(keys.ticket(hash)).toBe(`bh:ticket:{${hash}}`);
    for (const not of ['', 'AB'.repeat(32), `${hash}}`]) expect(() => keys.ticket(not)).toThrow(RangeError);
    expect(keys.user('zoë@example.org')).toBe('bh:user:{zoë@example.org}');
    expect(buildKeys({ cluster: 'prod', prefix: 'app:bh' }).cluster.meta).toBe('app:bh:{prod}:meta');
  });

  it('keeps all keys of a room in one slot, and all keys of the cluster in one slot', () => {
    const slots = (names: object) => new Set(Object.values(names).map((name) => slotOf(String(name))));
    expect(slots(keys.cluster).size).toBe(1);
    for (const room of ['lobby', 'a', 'game:1@eu', 'x'.repeat(128)]) expect(slots(keys.room(room)).size).toBe(1);
    expect(slots(keys.room('lobby'))).not.toEqual(slots(keys.room('hall')));
  });

  it('computes the slots of the Redis Cluster specification', () => {
    expect(slotOf('123456789')).toBe(0x31c3 % 16_384);
    expect(slotOf('{user1000}.following')).toBe(slotOf('user1000'));
    expect(slotOf('foo{}{bar}')).toBe(slotOf('foo{}{bar}'));
    expect(slotOf('foo{}{bar}')).not.toBe(slotOf('bar'));
    expect(slotOf('foo{{bar}}zap')).toBe(slotOf('{bar'));
    expect(slotOf('foo')).toBe(12_182);
  });

  it.each(['', '{', 'a{b', 'a}b', ' a', 'a b', '.hidden', 'a\n', 'é', 'x'.repeat(129)])(
    'refuses %j as a room',
    (room) => {
      expect(() => keys.room(room)).toThrow(RangeError);
      expect(() => buildKeys({ cluster: room })).toThrow(RangeError);
    },
  );

  it.each(['', 'a{b', '}', 'a\u0000', 'a\nb', 'a\u2028b', '\u202eb', 'x'.repeat(257)])(
    'refuses %j as a user',
    (user) => {
      expect(() => keys.user(user)).toThrow(RangeError);
    },
  );

  it('refuses a prefix that would bring its own hash tag', () => {
    expect(() => buildKeys({ cluster: 'c', prefix: 'a{b}' })).toThrow(RangeError);
  });
});
