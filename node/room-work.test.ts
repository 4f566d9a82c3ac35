/** What a message costs its owner, counted: it must not depend on how many members hear it. */
import { describe, expect, it } from 'vitest';
import { RoomBench } from './room-fixture.ts';

const LINKS = 2;

function roomOf(members: number): RoomBench {
  const bench = new RoomBench({ limits: { sessionsMax: members, namedMembersMax: 100, presenceMembersMax: 10 } });
  for (let link = 1; link <= LINKS; link++) {
    const sessions = Array.from({ length: members / LINKS }, (_, n) => ({ session: `s${link}-${n}` }));
    bench.open(link, sessions);
  }
  // The count that a large room tells after joins is no message's work.
  bench.tick(1_000);
  return bench;
}

const WALKS = ['values', 'keys', 'entries', 'forEach', Symbol.iterator] as const;

/** Counts the entries of maps and sets that are walked over while `run` runs: each walk as the whole of its collection. */
function walked(run: () => void): number {
  let count = 0;
  const plain: (() => void)[] = [];
  for (const proto of [Map.prototype, Set.prototype]) {
    for (const name of WALKS) {
      const original = Object.getOwnPropertyDescriptor(proto, name);
      const call: unknown = original?.value;
      if (original === undefined || typeof call !== 'function') throw new Error(`there is no ${String(name)}`);
      plain.push(() => Object.defineProperty(proto, name, original));
      Object.defineProperty(proto, name, {
        ...original,
        value(this: Map<unknown, unknown> | Set<unknown>, ...args: unknown[]): unknown {
          count += this.size;
          return Reflect.apply(call, this, args);
        },
      });
    }
  }
  try {
    run();
  } finally {
    for (const restore of plain) restore();
  }
  return count;
}

describe("an owner's work for one message", () => {
  const work = (members: number) => {
    const bench = roomOf(members);
    let sent = 0;
    const entries = walked(() => {
      for (let n = 1; n <= 20; n++) sent += bench.publish(1, 1, n, n, 'hello').length;
      sent += bench.frame(1, 1, 21, { type: 'signal', data: 1 }).length;
      // Repeated: looked for among the messages remembered.
      sent += bench.publish(1, 1, 22, 20, 'hello').length;
      sent += bench.tick(20).length;
    });
    return { entries, sent };
  };

  it('is the same for 10 members and for 10,000: one message a router, and no member is looked at', () => {
    const few = work(10);
    expect(work(10_000)).toEqual(few);
    // 20 messages and a signal to each router, and one ack.
    expect(few.sent).toBe(21 * LINKS + 1);
  });

  it('is counted by a count that sees a walk over members', () => {
    const bench = roomOf(100);
    expect(walked(() => bench.room.members)).toBeGreaterThanOrEqual(100);
  });
});
