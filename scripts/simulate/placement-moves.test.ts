/** Invariant 8 of DESIGN §4: adding or removing 1 of N equal nodes changes the place of at most 1.15/N of the rooms. */
import { describe, expect, it } from 'vitest';
import { Placement } from '../../shared/placement.ts';

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
