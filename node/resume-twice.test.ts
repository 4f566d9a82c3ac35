/** Sockets that resume with one token: they ask for one seat, and the later replaces the earlier. */
import { describe, expect, it } from 'vitest';
import type { LinkMessage } from '../shared/link/messages.ts';
import { Cluster, type TestNode, type TestRouter, texts } from './core-fixture.ts';

const ROOM = 'room';

const events = (all: readonly LinkMessage[], type: string) => texts(all).filter((event) => event['type'] === type);
const refusals = (all: readonly LinkMessage[]) => all.flatMap((one) => (one.type === 'refused' ? [one] : []));

function said(cluster: Cluster): string[] {
  const args = { room: ROOM, after: 0, limit: 1_000, bytesMax: 1_000_000 };
  const reply = cluster.directory.execute('readLog', args, cluster.clock.now().wallMs);
  return reply.kind === 'log' ? reply.entries.map((entry) => `${entry.seq}:${entry.data}`) : [];
}

function certify(cluster: Cluster, node: TestNode): void {
  cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
  const { runId, gen } = node.core.lease;
  const by = { kind: 'proof', how: 'test' } as const;
  const args = { node: node.name, incarnation: node.incarnation, by, runId: runId ?? '', gen: gen ?? '' };
  expect(cluster.directory.execute('certify', args, cluster.clock.now().wallMs)).toMatchObject({ kind: 'certified' });
}

/** Resumes with a token of seat 1, as a router does: where the seat is gone it asks for the one that it is told. @returns its seat */
function resume(router: TestRouter, handle: number): number {
  let seat = 2;
  for (let asked = 0; asked < 3; asked++) {
    router.open(ROOM, [{ session: 'a', handle, kind: 'resume', seat }]);
    const sent = router.take();
    const [refused] = refusals(sent);
    if (refused === undefined) {
      expect(sent.some((one) => one.type === 'opened' && one.session === handle && one.cseq === 0)).toBe(true);
      return seat;
    }
    expect(refused).toMatchObject({ reason: 'wait', session: handle });
    seat = refused.seat ?? 0;
  }
  throw new Error('it got no seat');
}

function seated() {
  const cluster = new Cluster(true);
  const node = cluster.livingNode('n1');
  const first = node.router('r1');
  first.open(ROOM, [{ session: 'a' }]);
  first.frame(1, 1, 'one');
  first.take();
  return { cluster, node, first };
}

describe('two resumes with one token', () => {
  it.each([
    ['at two routers', 'r3'],
    ['at one router', 'r2'],
  ])('have two seats, %s: the later closes the earlier, whose frames count no more', (_where, id) => {
    const { cluster, node } = seated();
    const second = node.router('r2');
    const third = id === 'r2' ? second : node.router(id);
    expect(resume(second, 11)).toBe(2);
    second.frame(11, 1, 'two', 2);
    second.take();
    expect(resume(third, 12)).toBe(3);
    const closed = (node.sent.get(second.link) ?? []).filter((one) => one.type === 'close-client');
    expect(closed).toMatchObject([{ session: 11, code: 4409 }]);
    second.frame(11, 2, 'late', 3);
    third.take();
    third.frame(12, 1, 'three', 3);
    expect(events(third.take(), 'message')).toMatchObject([{ id: 3, data: 'three' }]);
    expect(said(cluster)).toEqual(['1:"one"', '2:"two"', '3:"three"']);
  });

  it('have two seats also where the earlier socket has gone, or its welcome never reached it', () => {
    const { cluster, node } = seated();
    const second = node.router('r2');
    expect(resume(second, 11)).toBe(2);
    second.say({ type: 'close-session', session: 11, how: 'broken' });
    expect(resume(second, 12)).toBe(3);
    second.frame(12, 1, 'two', 2);
    expect(said(cluster)).toEqual(['1:"one"', '2:"two"']);
  });

  it('are told apart by the next owner, as far as the log knows their seats', () => {
    const { cluster, node } = seated();
    expect(resume(node.router('r2'), 11)).toBe(2);
    const third = node.router('r3');
    expect(resume(third, 12)).toBe(3);
    third.frame(12, 1, 'two', 2);
    certify(cluster, node);
    const next = cluster.livingNode('n2');
    const stale = next.router('r2');
    stale.open(ROOM, [{ session: 'a', handle: 11, kind: 'rebind', seat: 2 }]);
    expect(refusals(stale.take())).toMatchObject([{ session: 11, reason: 'replaced' }]);
    const live = next.router('r3');
    live.open(ROOM, [{ session: 'a', handle: 12, kind: 'rebind', seat: 3 }]);
    live.frame(12, 2, 'three', 3);
    expect(said(cluster)).toEqual(['1:"one"', '2:"two"', '3:"three"']);
    // Their token is older than what the later one was given, and that it has published since.
    const late = next.router('r4');
    late.open(ROOM, [{ session: 'a', handle: 13, kind: 'resume', seat: 2 }]);
    expect(refusals(late.take())).toMatchObject([{ session: 13, reason: 'replaced' }]);
  });

  it('may be many: a client whose welcome was lost each time is not turned away, until a newer token was shown', () => {
    const { cluster, node } = seated();
    for (const seat of [2, 3, 4]) {
      const router = node.router(`r${seat}`);
      expect(resume(router, seat)).toBe(seat);
    }
    node.router('r5').open(ROOM, [{ session: 'a', handle: 5, kind: 'resume', seat: 5 }]);
    const late = node.router('r6');
    late.open(ROOM, [{ session: 'a', handle: 6, kind: 'resume', seat: 2 }]);
    expect(refusals(late.take())).toMatchObject([{ session: 6, reason: 'replaced' }]);
    expect(said(cluster)).toEqual(['1:"one"']);
  });

  it('an OPEN that is asked again by the same socket keeps its seat', () => {
    const { node } = seated();
    const second = node.router('r2');
    expect(resume(second, 11)).toBe(2);
    expect(resume(second, 11)).toBe(2);
  });
});
