import { describe, expect, it } from 'vitest';
import type { OpenSession } from '../shared/link/messages.ts';
import { judgeSeat, Roster } from './roster.ts';

const TIMES = { leaveBrokenMs: 5_000, leaveRouterLostMs: 10_000, resumeMs: 120_000 };
const PLACE = { link: 1, router: 'r1', handle: 11 };
const opening = (session: string, seat = 1): OpenSession => ({
  handle: 11,
  session,
  user: `u-${session}`,
  seat,
  kind: 'join',
  since: 1,
});

function seated(roster: Roster, id = 's', seat = 1) {
  const session = roster.add(opening(id, seat), 'r1');
  roster.seat(session, seat, PLACE);
  roster.markPresent(session, true);
  return session;
}

describe('a seat', () => {
  it('is raised by a resume, whose frames are numbered anew', () => {
    const session = seated(new Roster(TIMES));
    const roster = new Roster(TIMES);
    session.cseq = 8;
    session.lastId = 4;
    roster.seat(session, 2, { ...PLACE, handle: 12 });
    expect(session).toMatchObject({ seat: 2, cseq: 0, lastId: 4, place: { handle: 12 } });
  });

  it('is kept by a rebind, with its numbering', () => {
    const roster = new Roster(TIMES);
    const session = seated(roster);
    session.cseq = 8;
    roster.seat(session, 1, { ...PLACE, router: 'r2', link: 2 });
    expect(session).toMatchObject({ seat: 1, cseq: 8, router: 'r2' });
  });
});

describe('members', () => {
  it('are counted once each', () => {
    const roster = new Roster(TIMES);
    const session = seated(roster);
    roster.markPresent(session, true);
    expect([roster.members, roster.size, roster.seated]).toEqual([1, 1, 1]);
    roster.remove(session);
    roster.remove(session);
    expect([roster.members, roster.size, roster.seated]).toEqual([0, 0, 0]);
  });

  it.each([
    ['broken', 5_000],
    ['router-lost', 10_000],
  ] as const)('leave %s after %i ms, once, and stay resumable', (why, ms) => {
    const roster = new Roster(TIMES);
    const session = seated(roster);
    roster.unseat(session, why, 1_000);
    expect(roster.due(1_000 + ms - 1)).toEqual([]);
    expect(roster.due(1_000 + ms)).toEqual([session]);
    roster.markPresent(session, false);
    expect(roster.due(100_000)).toEqual([]);
    expect(roster.get('s')).toBe(session);
    roster.due(121_000);
    expect(roster.get('s')).toBeUndefined();
  });

  it('who are back in time do not leave', () => {
    const roster = new Roster(TIMES);
    const session = seated(roster);
    roster.unseat(session, 'broken', 0);
    roster.seat(session, 2, PLACE);
    expect(roster.due(1_000_000)).toEqual([]);
  });
});

it('carries sessions as they are, to be seated again by their routers', () => {
  const from = new Roster(TIMES);
  const session = seated(from, 's', 3);
  Object.assign(session, { cseq: 7, ackedCseq: 7, lastId: 2, meta: { a: 1 }, ownerLost: true });
  const gone = seated(from, 'gone');
  from.unseat(gone, 'broken', 0);
  from.markPresent(gone, false);

  const to = new Roster(TIMES);
  to.restore(JSON.parse(JSON.stringify(from.carry(0))), 0);
  expect(to.get('s')).toMatchObject({ seat: 3, cseq: 7, lastId: 2, meta: { a: 1 }, present: true, ownerLost: true });
  expect([to.members, to.seated, to.size]).toEqual([1, 0, 2]);
  expect(to.due(10_000).map((one) => one.session)).toEqual(['s']);
});

it('lets whoever has no socket leave as soon as the last owner would have, however often the room moves', () => {
  const from = new Roster(TIMES);
  from.unseat(seated(from), 'router-lost', 0);
  const between = new Roster(TIMES);
  between.restore(from.carry(4_000), 50_000);
  const to = new Roster(TIMES);
  to.restore(between.carry(53_000), 1_000);
  expect(to.due(3_999)).toEqual([]);
  expect(to.due(4_000).map((one) => one.session)).toEqual(['s']);
});

it('carries which seat was offered, so that every socket with one token is told of a next one also at another owner', () => {
  const from = new Roster(TIMES);
  seated(from, 's', 3).seatOffered = 4;
  const to = new Roster(TIMES);
  to.restore(JSON.parse(JSON.stringify(from.carry(0))), 0);
  const session = to.get('s');
  if (session === undefined) throw new Error('it was carried');
  const asked = { handle: 1, session: 's', user: 'u', since: 0, kind: 'resume' } as const;
  expect(judgeSeat({ ...asked, seat: 4 }, session, undefined, false)).toBe('granted');
  to.seat(session, 4, PLACE);
  expect(judgeSeat({ ...asked, seat: 3 }, session, undefined, false)).toEqual({ next: 5 });
});
