/** What the core does otherwise for sessions whose sockets are tied to one owner's server. */
import { describe, expect, it } from 'vitest';
import { isAttended } from '../candidates.ts';
import { A, B, RouterBench } from '../core-fixture.ts';
import { cluster, inc, nodeRecord } from '../fixture.ts';
import { Membership } from '../membership.ts';

/** Clients 1 and 2 of an attended room, seated at A. */
function seatedAtA(): { bench: RouterBench; room: number } {
  const bench = new RouterBench();
  bench.attendants.add(A.incarnation).add(B.incarnation);
  for (const handle of [1, 2]) bench.client(handle, { attended: true });
  bench.read(A);
  const room = bench.seat(A, [1]);
  bench.opened(A, 2, room);
  bench.opens();
  return { bench, room };
}

describe('a session of an attended room', () => {
  it('may be dialled for once its owner has seated it, and once only', () => {
    const { bench } = seatedAtA();
    expect(bench.seated).toEqual(['1@5', '2@5']);
    bench.core.linkDown(A, bench.now);
    bench.core.linkUp(A, bench.now);
    bench.seat(A, [1, 2]);
    expect(bench.seated).toEqual(['1@5', '2@5']);
    expect([...bench.closed.keys()]).toEqual([]);
  });

  it('is cut when its room moves to another, and nobody else is asked for it', () => {
    const { bench, room } = seatedAtA();
    bench.from(A, { type: 'moved', room, epoch: 6, to: B });
    expect([...bench.closed].map(([handle, { code }]) => [handle, code])).toEqual([
      [1, 1012],
      [2, 1012],
    ]);
    expect(bench.opens()).toEqual([]);
    expect([bench.core.rooms, bench.core.sessions]).toEqual([0, 0]);
  });

  it('is cut when its owner does not know the room any more', () => {
    const { bench, room } = seatedAtA();
    bench.from(A, { type: 'moved', room, epoch: 6 });
    expect([...bench.closed.keys()]).toEqual([1, 2]);
  });

  it('stays when its owner binds the room anew', () => {
    const { bench, room } = seatedAtA();
    bench.from(A, { type: 'moved', room, epoch: 6, to: A });
    expect(bench.opens()).toMatchObject([{ to: 'n1', handles: [1, 2] }]);
    bench.seat(A, [1, 2], { epoch: 6 });
    expect(bench.closed.size).toBe(0);
  });

  it('is cut when another owner is found, while those who came meanwhile are seated there', () => {
    const { bench } = seatedAtA();
    bench.core.linkDown(A, bench.now);
    bench.client(3, { attended: true });
    bench.core.nodeCertified(A, bench.now);
    expect([...bench.closed.keys()]).toEqual([1, 2]);
    expect(bench.opens()).toMatchObject([{ to: 'n2', handles: [3] }]);
    bench.seat(B, [3], { epoch: 6 });
    expect(bench.seated.at(-1)).toBe('3@6');
  });
});

describe('a room whose program changed since its client came', () => {
  it.each([
    ['an attended client at a node that attends nothing', true],
    ['another client at an attendant', false],
  ])('sends %s off, and its owner hears of it', (_name, isClientAttended) => {
    const bench = new RouterBench();
    if (!isClientAttended) bench.attendants.add(A.incarnation);
    bench.client(1, isClientAttended ? { attended: true } : {});
    bench.read(A);
    bench.seat(A, [1]);
    expect(bench.closed.get(1)).toMatchObject({ code: 1012 });
    expect(bench.take('close-session')).toMatchObject([{ to: 'n1', message: { session: 1, how: 'left' } }]);
    expect([bench.seated, bench.core.sessions]).toEqual([[], 0]);
  });
});

describe('isAttended', () => {
  const view = (...nodes: ReturnType<typeof nodeRecord>[]) => {
    const membership = new Membership();
    membership.update(cluster(nodes), 0);
    return membership;
  };
  const programs = [{ pattern: 'y-*', program: 'attended:yjs' }];
  const attends = 'ws://127.0.0.1:1234/{room}';

  it('follows from what all nodes list, dead ones included', () => {
    const membership = view(
      nodeRecord('n1', inc('a')),
      nodeRecord('y1', inc('b'), { programs, attends, state: 'dead' }),
      nodeRecord('n2', inc('c'), { programs: [{ pattern: 'y-chat-*', program: 'chat' }] }),
    );
    expect(['y-1', 'y-chat-1', 'lobby'].map((room) => isAttended(membership, room))).toEqual([true, false, false]);
    expect(isAttended(view(nodeRecord('n1', inc('a'))), 'y-1')).toBe(false);
  });
});
