import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PresenceList } from './room-presence.ts';
import { Roster } from './roster.ts';

const TIMES = { leaveBrokenMs: 5_000, leaveRouterLostMs: 10_000, resumeMs: 120_000 };

/** A roster with its list, and how often all of its sessions were looked through. */
class Listed {
  readonly roster = new Roster(TIMES);
  walks = 0;
  readonly list: PresenceList;

  constructor(membersMax: number) {
    this.list = new PresenceList(membersMax, () => {
      this.walks++;
      return this.roster.sessions();
    });
  }

  join(id: string, meta?: unknown): void {
    const opening = { handle: 1, session: id, user: `u"${id}`, seat: 1, kind: 'join' as const, since: 7, meta };
    const session = this.roster.get(id) ?? this.roster.add(opening, 'r');
    if (session.present) return;
    this.roster.markPresent(session, true);
    this.list.arrived(session);
  }

  leave(id: string): void {
    const session = this.roster.get(id);
    if (session?.present !== true) return;
    this.roster.markPresent(session, false);
    this.list.departed(session, this.roster.members);
  }

  read() {
    const text = this.list.text(3, this.roster.members);
    const event = JSON.parse(text) as {
      members: { session: string; meta?: unknown }[];
      count: number;
      complete: boolean;
    };
    return { ...event, bytes: Buffer.byteLength(text), ids: event.members.map(({ session }) => session) };
  }
}

describe('the list of members', () => {
  it('is what protocol.ts says, meta included only where there is one', () => {
    const room = new Listed(10);
    room.join('a');
    room.join('b', { x: 1 });
    expect(room.read()).toMatchObject({ type: 'presence', version: 3, count: 2, complete: true });
    expect(room.read().members).toEqual([
      { user: 'u"a', session: 'a', since: 7 },
      { user: 'u"b', session: 'b', since: 7, meta: { x: 1 } },
    ]);
  });

  it('is gone through once for a whole storm of joins', () => {
    const room = new Listed(500);
    for (let n = 0; n < 300; n++) {
      room.join(`s${n}`);
      expect(room.read().ids).toHaveLength(n + 1);
    }
    for (let n = 0; n < 100; n++) {
      room.leave(`s${n}`);
      expect(room.read().count).toBe(299 - n);
    }
    expect(room.walks).toBe(1);
  });

  it('looks at no more members than it may name', () => {
    const room = new Listed(5);
    for (let n = 0; n < 50; n++) room.join(`s${n}`);
    expect(room.read()).toMatchObject({ ids: ['s0', 's1', 's2', 's3', 's4'], count: 50, complete: false });
  });

  it('fits a frame whatever members show of themselves', () => {
    const room = new Listed(500);
    for (let n = 0; n < 100; n++) room.join(`s${n}`, '€'.repeat(1_000));
    const { bytes, complete, ids } = room.read();
    expect(bytes).toBeLessThan(64_512);
    expect(complete).toBe(false);
    expect(ids.length).toBeGreaterThan(15);
  });

  it('names the members, and all of them where they may be named, whatever comes and goes', () => {
    const step = fc.tuple(fc.constantFrom('join', 'leave', 'read', 'forget'), fc.nat(11));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const room = new Listed(6);
        const present = new Set<string>();
        for (const [what, n] of steps) {
          const id = `s${n}`;
          if (what === 'join') room.join(id);
          if (what === 'leave') room.leave(id);
          if (what === 'forget') room.list.forget();
          if (what === 'join') present.add(id);
          if (what === 'leave') present.delete(id);
          const { ids, count, complete } = room.read();
          expect(count).toBe(present.size);
          expect(new Set(ids).size).toBe(ids.length);
          expect(ids.filter((one) => !present.has(one))).toEqual([]);
          if (present.size <= 6) expect(ids).toHaveLength(present.size);
          expect(complete).toBe(ids.length === present.size);
        }
      }),
    );
  });
});
