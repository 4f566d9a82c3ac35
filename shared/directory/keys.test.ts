import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildKeys, slotOf } from './keys.ts';

const keys = buildKeys({ cluster: 'prod' });

/** The keys of what `id` may name, a room, a user, both or nothing; each with the form of its family. */
function namesOf(id: string) {
  const room = attempt(() => Object.values(keys.room(id)));
  const user = attempt(() => [keys.user(id)]);
  return [
    { id, family: /^bh:room:\{[^{}]+\}:(?:owner|log|senders|order|state|presence|[a-z]+)$/, names: room },
    { id, family: /^bh:user:\{[^{}]+\}$/u, names: user },
  ];
}

function attempt(names: () => string[]): string[] {
  try {
    return names();
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return [];
  }
}

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

  const id = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 140 }),
    fc.string({ unit: fc.constantFrom(...'{}:*ab~@-._', '\r', '\n', '\0', ' '), maxLength: 12 }),
    fc.constantFrom('a}:owner', 'a}', '{a', 'a}:log{b', 'room:{a}', '{prod}:meta', 'a:owner', 'constructor'),
    fc.string({ unit: fc.constantFrom(...'abc019:~@-._'), minLength: 1, maxLength: 128 }),
  );

  it('34 of no id leave its slot or its family, whatever it holds', () => {
    const cluster = new Set(Object.values(keys.cluster));
    fc.assert(
      fc.property(id, id, (one, other) => {
        const [mine, others] = [namesOf(one), namesOf(other)];
        for (const { id: tag, family, names } of mine) {
          for (const name of names) {
            // What Redis hashes is the id, the whole id, and nothing else.
            expect(name.slice(name.indexOf('{') + 1, name.indexOf('}'))).toBe(tag);
            expect(slotOf(name)).toBe(slotOf(tag));
            expect(name).toMatch(family);
            expect(cluster.has(name)).toBe(false);
          }
        }
        if (one === other) return;
        const all = [...mine, ...others].flatMap(({ names }) => names);
        expect(new Set(all).size).toBe(all.length);
      }),
      { numRuns: 500 },
    );
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
