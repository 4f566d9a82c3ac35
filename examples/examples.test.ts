import { describe, expect, it } from 'vitest';
import { loadPrograms } from '../node/load-program.ts';
import type { ProgramFactory } from '../node/program.ts';
import { bodies, RoomBench } from '../node/room-fixture.ts';

async function example(name: string): Promise<ProgramFactory> {
  const [offer] = await loadPrograms([{ path: `examples/${name}.js`, pattern: '*' }]);
  if (offer === undefined) throw new Error('not loaded');
  return offer.make;
}

describe('echo', () => {
  it('says to each alone what it said, and numbers nothing', async () => {
    const bench = new RoomBench({ make: await example('echo') });
    bench.open(1, [{ session: 'a' }, { session: 'b', handle: 2 }]);
    const sent = bench.publish(1, 1, 1, 1, { n: [1] });
    expect(sent.filter((one) => one.type === 'cast')).toEqual([]);
    expect(bodies(sent, 'direct')).toEqual([{ type: 'direct', from: null, data: { n: [1] } }]);
    expect(bench.room.head).toBe(0);
  });
});

describe('counter', () => {
  it('adds for all, tells who comes, and refuses what is no number', async () => {
    const bench = new RoomBench({ make: await example('counter') });
    bench.open(1, [{ session: 'a' }]);
    const sent = bench.publish(1, 1, 1, 1, { add: 2 });
    expect(bodies(sent, 'message')[0]).toMatchObject({ from: null, data: { count: 2, by: 'u-a', epoch: 5 } });
    expect(bodies(bench.publish(1, 1, 2, 2, { add: 'x' }), 'direct')[0]).toMatchObject({
      data: { error: expect.any(String) },
    });
    expect(bodies(bench.publish(1, 1, 3, 3, null), 'direct')[0]).toMatchObject({ data: { error: expect.any(String) } });
    expect(bodies(bench.open(1, [{ session: 'b', handle: 2 }]), 'direct')[0]).toMatchObject({ data: { count: 2 } });
    expect(bench.failures).toEqual([]);
  });

  it('goes on counting at the next owner', async () => {
    const make = await example('counter');
    const from = new RoomBench({ make });
    from.open(1, [{ session: 'a' }]);
    from.publish(1, 1, 1, 1, { add: 5 });
    const to = new RoomBench({ make, state: JSON.parse(JSON.stringify(from.room.carry())), epoch: 6 });
    to.open(1, [{ session: 'a', kind: 'rebind' }], { cursor: { seq: 1, tag: `5.${'5'.repeat(16)}` } });
    expect(bodies(to.publish(1, 1, 2, 2, { add: 1 }), 'message')[0]).toMatchObject({ data: { count: 6 } });
  });
});
