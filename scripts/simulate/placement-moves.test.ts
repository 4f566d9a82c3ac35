/** Invariant 8 of DESIGN §4: adding or removing 1 of N equal nodes changes the place of at most 1.15/N of the rooms; and what owners do
 *  about it, step by step, on the production cores. */
import { describe, expect, it } from 'vitest';
import { Placement } from '../../shared/placement.ts';
import { Stage } from './stage.ts';

const ROOMS = Array.from({ length: 20_000 }, (_, at) => `room-${at}`);

describe.each([2, 3, 5, 10])('placement over %i nodes', (count) => {
  const placement = new Placement(Buffer.alloc(16, 3));
  const all = Array.from({ length: count }, (_, at) => ({ node: `n${at}`, weight: 1 }));

  it('moves only what the node that came takes, or the one that went gives', () => {
    const fewer = all.slice(0, -1);
    const last = all.at(-1)?.node;
    let moved = 0;
    for (const room of ROOMS) {
      const [with_, without] = [placement.first(room, all), placement.first(room, fewer)];
      if (with_ === without) continue;
      moved++;
      expect(with_).toBe(last);
    }
    expect(moved / ROOMS.length).toBeLessThanOrEqual(1.15 / count);
    expect(moved).toBeGreaterThan(0);
  });
});

describe('owners', () => {
  const ownerOf = (stage: Stage, room: string) => {
    const { redis } = stage.world;
    const read = redis.directory.execute('readRoom', { room }, redis.wallMs);
    return read.kind === 'record' ? { node: read.record.owner?.node, changes: read.record.tags.length - 1 } : undefined;
  };

  it('hand a node that joins what belongs to it, each room once, and nobody is closed or told of a reset', () => {
    const stage = new Stage(21, false);
    const { world } = stage;
    for (const [at, client] of world.clients.entries())
      client.enter(world.rooms[at % world.rooms.length] ?? '', stage.router(0));
    stage.until('all are seated', () => world.clients.every(({ open }) => open !== undefined));
    stage.speak(...world.clients);
    const before = new Map(world.rooms.map((room) => [room, ownerOf(stage, room)]));
    // Of several names, one that is given some of these few rooms.
    const names = Array.from({ length: 20 }, (_, i) => `late-${i}`);
    const all = (name: string) =>
      [...world.livingNodes().map(({ id }) => id), name].map((node) => ({ node, weight: 1 }));
    const wants = (name: string) => world.rooms.filter((room) => world.placement.first(room, all(name)) === name);
    const name = names.find((one) => wants(one).length >= 2) ?? '';
    const wanted = wants(name).filter((room) => before.get(room) !== undefined);
    const candidates = all(name);
    world.join(name);
    stage.run(12_000);
    for (const room of wanted) expect([room, ownerOf(stage, room)?.node]).toEqual([room, name]);
    for (const [room, was] of before) {
      if (was === undefined) continue;
      const now = ownerOf(stage, room);
      expect([room, now?.node]).toEqual([room, world.placement.first(room, candidates)]);
      expect((now?.changes ?? 0) - was.changes).toBe(now?.node === was.node ? 0 : 1);
    }
    expect(stage.verdict(...world.clients)).toBeUndefined();
    expect([world.closes, world.resets]).toEqual([0, 0]);
  });

  it('follow a pin, keep the room there while it holds, and let it go home after', () => {
    const stage = new Stage(22, false);
    const { clients, owner } = stage.seated();
    const { redis } = stage.world;
    const other = stage.world.livingNodes().find((one) => one !== owner);
    redis.execute('operator', 'setPin', { pin: { room: stage.room, node: other?.id ?? '', by: 'ann', at: 0 } });
    expect(stage.takenFrom(owner)).toBe(other);
    stage.speak(...clients).run(5_000);
    expect(stage.owner).toBe(other);
    redis.execute('operator', 'removePin', { pinned: stage.room });
    stage.takenFrom(other as typeof owner);
    const nodes = stage.world.livingNodes().map(({ id }) => ({ node: id, weight: 1 }));
    expect(stage.owner?.id).toBe(stage.world.placement.first(stage.room, nodes));
    expect(stage.verdict(...clients)).toBeUndefined();
    expect([stage.world.closes, stage.world.resets]).toEqual([0, 0]);
  });

  it('drain by order and take the room back once that is undone', () => {
    const stage = new Stage(23, false);
    const { clients, owner } = stage.seated();
    owner.drain(50);
    stage.takenFrom(owner);
    stage.until('the drain is done', () => owner.core.mover.drain?.state === 'done');
    stage.speak(...clients);
    expect(owner.isAlive).toBe(true);
    owner.undrain();
    const nodes = stage.world.livingNodes().map(({ id }) => ({ node: id, weight: 1 }));
    const home = stage.world.placement.first(stage.room, nodes);
    stage.until('the room is where placement wants it', () => stage.owner?.id === home);
    expect(stage.verdict(...clients)).toBeUndefined();
    expect([stage.world.closes, stage.world.resets]).toEqual([0, 0]);
  });
});
