import { describe, expect, it } from 'vitest';
import { bodies, RoomBench, types } from './room-fixture.ts';

const session = (n: number): string => `s${n}`;

describe('45 one user with 10,000 session ids', () => {
  it('fills no more seats than the room has, and is forgotten once it cannot come back', () => {
    const bench = new RoomBench({ limits: { sessionsMax: 500 } });
    let refused = 0;
    for (let n = 0; n < 10_000; n++) {
      const handle = n + 1;
      const answer = bench.open(1, [{ session: session(n), user: 'ann', handle }]);
      if (types(answer).includes('refused')) {
        refused += 1;
        continue;
      }
      bench.publish(1, handle, 1, 1, n);
      bench.close(1, handle, 'broken');
    }
    expect(refused).toBe(9_500);
    expect(bench.seats.size).toBe(0);
    // Beyond the time in which a session can be resumed.
    bench.tick(200_000);
    expect(bench.room.memberCount).toBe(0);
    const welcome = bodies(bench.open(1, [{ session: 'late', user: 'ben', handle: 20_000 }]), 'welcome');
    expect(welcome).toMatchObject([{ members: 1, resumed: false }]);
  });

  it('that leave are remembered by nobody', () => {
    const bench = new RoomBench({ limits: { sessionsMax: 500 } });
    for (let n = 0; n < 10_000; n++) {
      const handle = n + 1;
      expect(types(bench.open(1, [{ session: session(n), user: 'ann', handle }]))).not.toContain('refused');
      bench.publish(1, handle, 1, 1, n);
      bench.close(1, handle, 'left');
    }
    expect(bench.room.memberCount).toBe(0);
    expect(bench.seats.size).toBe(0);
  });
});

describe('who asks for the last messages', () => {
  const data = 'x'.repeat(60_000);

  function filled(): RoomBench {
    const bench = new RoomBench();
    bench.open(1, [{ session: 'a' }]);
    for (let id = 1; id <= 8; id++) bench.publish(1, 1, id, id, data);
    return bench;
  }

  it('39 gets no more of them than 128 KiB, of large ones the last', () => {
    const sent = filled().open(1, [{ session: 'b', handle: 2, history: 100 }]);
    expect(bodies(sent, 'message').map(({ seq }) => seq)).toEqual([7, 8]);
    expect(bodies(sent, 'welcome')).toMatchObject([{ seq: 6 }]);
  });

  it('and shows a cursor gets all that it missed', () => {
    const bench = filled();
    const tag = bodies(bench.open(1, [{ session: 'b', handle: 2 }]), 'welcome')[0]?.['tag'];
    const resume = { session: 'c', handle: 3, kind: 'resume', cursor: { seq: 1, tag: String(tag) } } as const;
    expect(bodies(bench.open(1, [resume]), 'message').map(({ seq }) => seq)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  });

  it('46 of a room that has ended gets nothing, and it counts among what rooms remember no more', () => {
    const bench = filled();
    expect(bench.recent.bytes).toBeGreaterThan(8 * 60_000);
    bench.room.closeAll(1000, 'done');
    expect(bench.recent.bytes).toBe(0);
  });
});
