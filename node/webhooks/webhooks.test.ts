import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../shared/clock.ts';
import { type Directory, DirectoryError, type Triple } from '../../shared/directory/directory.ts';
import { MemoryDirectory } from '../../shared/directory/memory-directory.ts';
import { SeededRandom } from '../../shared/random.ts';
import type { CallDirectory } from '../ports.ts';
import type { ProjectedRoom } from '../projection.ts';
import type { RoomSession } from '../roster.ts';
import { Courier } from './courier.ts';
import { WEBHOOK_EVENTS, type WebhookEvent } from './event.ts';
import { Webhooks } from './webhooks.ts';

/** A room as its owner has it: only who is there counts here. */
class FakeRoom implements ProjectedRoom {
  readonly room = 'lobby';
  readonly triple: Triple;
  readonly #sessions = new Map<string, RoomSession>();

  constructor(epoch: number, present: readonly string[] = []) {
    this.triple = { incarnation: 'a'.repeat(32), epoch, nonce: 'b'.repeat(16) };
    for (const session of present) this.set(session, true);
  }

  set(session: string, present: boolean): RoomSession {
    const one = { session, user: `u-${session}`, present } as RoomSession;
    this.#sessions.set(session, one);
    return one;
  }

  sessions(): Iterable<RoomSession> {
    return this.#sessions.values();
  }
}

let clock: ManualClock;
let memory: MemoryDirectory;
/** What a receiver that answers got, in order. */
let arrived: WebhookEvent[];
/** Of how many more it was told that they will not come. */
let dropped: number;
let receiver: 'well' | 'down';

beforeEach(() => {
  clock = new ManualClock();
  memory = new MemoryDirectory({ runId: 'c'.repeat(40) });
  arrived = [];
  dropped = 0;
  receiver = 'well';
});

/** One life of a node, as far as webhooks go. */
class Life {
  readonly webhooks: Webhooks;
  readonly #directory: Directory;
  /** Redis is away; or what it does is done and its answer lost. */
  redis: 'well' | 'away' | 'mute' = 'well';
  isDead = false;

  readonly outboxEventsMax: number;

  constructor(endpoints = 1, outboxEventsMax = 1_000) {
    this.outboxEventsMax = outboxEventsMax;
    this.#directory = memory.connect(clock);
    const couriers = Array.from(
      { length: endpoints },
      () =>
        new Courier({
          url: 'http://backend.example/hooks',
          secrets: ['a secret of sixteen or more'],
          clock,
          random: new SeededRandom(1),
          post: async (_url, _headers, body) => {
            if (receiver === 'down' || this.isDead) throw new Error('down');
            const batch = JSON.parse(body) as { events: WebhookEvent[]; dropped?: number };
            arrived.push(...batch.events);
            dropped += batch.dropped ?? 0;
            return 200;
          },
          queueBytesMax: 1_000_000,
          ageMsMax: 3_600_000,
          log: () => undefined,
        }),
    );
    const call: CallDirectory = (operation, args, done) => {
      if (this.redis === 'away') {
        queueMicrotask(() => done(new DirectoryError('unavailable', 'away')));
        return;
      }
      const isMute = this.redis === 'mute';
      void this.#directory.call(operation, args).then((reply) => {
        if (!this.isDead) done(isMute ? new DirectoryError('timeout', 'no answer') : reply);
      });
    };
    this.webhooks = new Webhooks({
      couriers,
      types: new Set(WEBHOOK_EVENTS),
      concerns: (room) => room !== 'quiet',
      call,
      now: () => clock.now(),
      outboxEventsMax: this.outboxEventsMax,
      log: () => undefined,
    });
  }

  async pass(ms: number): Promise<void> {
    for (let at = 0; at < ms; at += 20) {
      clock.advance(20);
      this.webhooks.tick(clock.now());
      for (let i = 0; i < 8; i++) await Promise.resolve();
    }
  }

  /** Lets much time pass, in which little happens. */
  async wait(ms: number, stepMs: number): Promise<void> {
    for (let at = 0; at < ms; at += stepMs) {
      clock.advance(stepMs - 200);
      await this.pass(200);
    }
  }

  come(room: FakeRoom, session: string): void {
    this.webhooks.changed(room, room.set(session, true));
  }

  go(room: FakeRoom, session: string): void {
    this.webhooks.changed(room, room.set(session, false));
  }
}

const told = () => arrived.map(({ type, session }) => `${type}${session === undefined ? '' : ` ${session}`}`);
const unique = () =>
  [...new Map(arrived.map((one) => [one.id, one])).values()].map(
    ({ type, session }) => `${type}${session === undefined ? '' : ` ${session}`}`,
  );

describe('one owner', () => {
  it('tells who comes and goes, in order', async () => {
    const life = new Life();
    const room = new FakeRoom(9);
    life.webhooks.opened(room);
    life.come(room, 'a');
    await life.pass(200);
    life.come(room, 'b');
    life.go(room, 'a');
    life.go(room, 'b');
    await life.pass(400);
    expect(told()).toEqual([
      'room.occupied',
      'member.joined a',
      'member.joined b',
      'member.left a',
      'member.left b',
      'room.vacated',
    ]);
    expect(life.webhooks.isSettled('lobby')).toBe(true);
  });

  it('tells who came and went within a moment', async () => {
    const life = new Life();
    const room = new FakeRoom(9);
    life.webhooks.opened(room);
    await life.pass(100);
    life.come(room, 'a');
    life.go(room, 'a');
    await life.pass(400);
    expect(told()).toEqual(['room.occupied', 'member.joined a', 'member.left a', 'room.vacated']);
  });

  it('says nothing of rooms that nobody asked for', async () => {
    const life = new Life();
    const room = Object.assign(new FakeRoom(9), { room: 'quiet' });
    life.webhooks.opened(room);
    life.come(room, 'a');
    await life.pass(400);
    expect(arrived).toEqual([]);
    expect(life.webhooks.isSettled('quiet')).toBe(true);
  });

  it('tells nobody what Redis does not hold yet, and all of it once it does', async () => {
    const life = new Life();
    const room = new FakeRoom(9);
    life.webhooks.opened(room);
    await life.pass(100);
    life.redis = 'away';
    life.come(room, 'a');
    await life.pass(2_000);
    expect(arrived).toEqual([]);
    expect(life.webhooks.isSettled('lobby')).toBe(false);
    life.redis = 'well';
    await life.pass(1_000);
    expect(told()).toEqual(['room.occupied', 'member.joined a']);
  });

  it('repeats a write whose answer was lost, and tells its events once', async () => {
    const life = new Life();
    const room = new FakeRoom(9);
    life.webhooks.opened(room);
    await life.pass(100);
    life.redis = 'mute';
    life.come(room, 'a');
    await life.pass(300);
    life.redis = 'well';
    await life.pass(1_000);
    expect(told()).toEqual(['room.occupied', 'member.joined a']);
  });

  it('is not settled until every receiver has it', async () => {
    const life = new Life(2);
    const room = new FakeRoom(9);
    receiver = 'down';
    life.webhooks.opened(room);
    life.come(room, 'a');
    await life.pass(500);
    expect(life.webhooks.isSettled('lobby')).toBe(false);
    receiver = 'well';
    await life.pass(3_000);
    expect(life.webhooks.isSettled('lobby')).toBe(true);
    expect(arrived).toHaveLength(4);
    expect(
      memory.execute('openOutbox', { room: 'lobby', epoch: 9, expireMs: 1_000 }, clock.now().wallMs),
    ).toMatchObject({
      told: [{ session: 'a' }],
      events: [],
    });
  });

  it('compares the room anew where too much waits for Redis', async () => {
    const life = new Life();
    const room = new FakeRoom(9);
    life.webhooks.opened(room);
    await life.pass(100);
    life.redis = 'away';
    life.come(room, 'stays');
    for (let i = 0; i < 6_000; i++) {
      life.come(room, `s${i}`);
      life.go(room, `s${i}`);
    }
    life.redis = 'well';
    await life.pass(60_000);
    const joined = new Set(told().filter((one) => one.startsWith('member.joined')));
    const left = new Set(told().filter((one) => one.startsWith('member.left')));
    expect(joined.has('member.joined stays')).toBe(true);
    expect(joined.size).toBeGreaterThan(left.size);
    expect(new Set(arrived.map(({ id }) => id)).size).toBe(arrived.length);
    expect(life.webhooks.state()[0]?.dropped).toBeGreaterThan(5_000);
  });
});

describe('another owner', () => {
  it('delivers what the dead one did not, under the same ids', async () => {
    const dead = new Life();
    const before = new FakeRoom(9);
    receiver = 'down';
    dead.webhooks.opened(before);
    dead.come(before, 'a');
    dead.come(before, 'b');
    dead.go(before, 'b');
    await dead.pass(500);
    dead.isDead = true;
    receiver = 'well';

    const life = new Life();
    const room = new FakeRoom(10, ['a']);
    life.webhooks.opened(room);
    await life.pass(1_000);
    expect(arrived.map(({ id }) => id)).toEqual(['lobby/9/1', 'lobby/9/2', 'lobby/9/3', 'lobby/9/4']);
    life.go(room, 'a');
    await life.pass(500);
    expect(told().slice(-2)).toEqual(['member.left a', 'room.vacated']);
  });

  it('tells the difference to who is there, and the room is not occupied twice', async () => {
    const dead = new Life();
    const before = new FakeRoom(9);
    dead.webhooks.opened(before);
    for (const session of ['a', 'b']) dead.come(before, session);
    await dead.pass(500);
    // Not written any more: it dies first.
    dead.go(before, 'b');
    dead.come(before, 'c');
    dead.isDead = true;

    const life = new Life();
    life.webhooks.opened(new FakeRoom(10, ['a', 'c']));
    await life.pass(1_000);
    expect(told()).toEqual(['room.occupied', 'member.joined a', 'member.joined b', 'member.left b', 'member.joined c']);
  });

  it('tells of transitions while it still asks what there is to tell', async () => {
    const dead = new Life();
    const before = new FakeRoom(9);
    dead.webhooks.opened(before);
    dead.come(before, 'a');
    await dead.pass(500);
    dead.isDead = true;

    const life = new Life();
    life.redis = 'away';
    const room = new FakeRoom(10, ['a']);
    life.webhooks.opened(room);
    life.go(room, 'a');
    life.come(room, 'b');
    await life.pass(500);
    life.redis = 'well';
    await life.pass(1_000);
    expect(told().slice(2)).toEqual(['member.left a', 'room.vacated', 'room.occupied', 'member.joined b']);
  });

  it('fences the one before, who delivers at most what he had written', async () => {
    const old = new Life();
    const before = new FakeRoom(9);
    old.webhooks.opened(before);
    old.come(before, 'a');
    await old.pass(500);

    const life = new Life();
    const room = new FakeRoom(10, ['a']);
    life.webhooks.opened(room);
    await life.pass(200);
    old.go(before, 'a');
    await old.pass(500);
    await life.pass(500);
    expect(unique()).toEqual(['room.occupied', 'member.joined a']);
    life.go(room, 'a');
    await life.pass(500);
    expect(unique()).toEqual(['room.occupied', 'member.joined a', 'member.left a', 'room.vacated']);
  });

  it('is left to it by whoever hands the room over', async () => {
    const old = new Life();
    const room = new FakeRoom(9);
    receiver = 'down';
    old.webhooks.opened(room);
    old.come(room, 'a');
    await old.pass(300);
    old.webhooks.forget('lobby');
    receiver = 'well';
    const life = new Life();
    life.webhooks.opened(new FakeRoom(10, ['a']));
    await life.pass(500);
    await old.pass(3_000);
    expect(unique()).toEqual(['room.occupied', 'member.joined a']);
  });
});

describe('the end of a room', () => {
  it('tells that everybody left, and lets go of it once that is written', async () => {
    const life = new Life();
    const room = new FakeRoom(9);
    life.webhooks.opened(room);
    life.come(room, 'a');
    life.come(room, 'b');
    await life.pass(300);
    life.webhooks.closed('lobby');
    life.webhooks.forget('lobby');
    await life.pass(500);
    expect(told().slice(3)).toEqual(['member.left a', 'member.left b', 'room.vacated']);
    life.webhooks.opened(new FakeRoom(10));
    await life.pass(500);
    expect(arrived).toHaveLength(6);
  });

  it('tells all of it also where it was closed before its outbox was open', async () => {
    const life = new Life();
    const room = new FakeRoom(9);
    life.webhooks.opened(room);
    await life.pass(100);
    life.come(room, 'a');
    await life.pass(300);
    life.webhooks.forget('lobby');
    life.webhooks.opened(new FakeRoom(10, ['a']));
    life.webhooks.closed('lobby');
    await life.pass(500);
    expect(unique()).toEqual(['room.occupied', 'member.joined a', 'member.left a', 'room.vacated']);
  });
});

it('a room in which nobody comes or goes for weeks is remembered, and its next owner tells what changed since', async () => {
  const life = new Life();
  const room = new FakeRoom(9);
  life.webhooks.opened(room);
  life.come(room, 'a');
  life.come(room, 'b');
  await life.wait(15 * 24 * 3_600_000, 3_600_000);
  life.isDead = true;
  const next = new Life();
  next.webhooks.opened(new FakeRoom(10, ['b']));
  await next.pass(500);
  expect(told()).toEqual(['room.occupied', 'member.joined a', 'member.joined b', 'member.left a']);
});

it('what an outbox has no room for is counted, and receivers are told', async () => {
  const life = new Life(1, 3);
  const room = new FakeRoom(9);
  receiver = 'down';
  life.webhooks.opened(room);
  for (const session of ['a', 'b', 'c', 'd']) life.come(room, session);
  await life.pass(500);
  expect(life.webhooks.state()[0]).toMatchObject({ dropped: 2 });
  receiver = 'well';
  await life.pass(3_000);
  expect(dropped).toBe(2);
});

it('takes its name from an empty room also where Redis was away as it wanted to', async () => {
  const life = new Life();
  const tellers = async () => (await memory.connect(clock).call('readTellers', {})).tellers;
  const room = new FakeRoom(9);
  life.webhooks.opened(room);
  await life.pass(300);
  expect(await tellers()).toHaveLength(1);
  life.redis = 'away';
  life.webhooks.forget('lobby');
  await life.pass(3_000);
  life.redis = 'well';
  await life.pass(3_000);
  expect(await tellers()).toEqual([]);
});

it('gives Redis back what it lost, under the next epoch, and tells nobody of it again', async () => {
  const life = new Life();
  const room = new FakeRoom(9);
  life.webhooks.opened(room);
  life.come(room, 'a');
  await life.pass(500);
  memory.restart({ runId: 'c'.repeat(40), data: 'empty' });
  const again = new FakeRoom(10, ['a']);
  life.webhooks.opened(again);
  await life.pass(500);
  expect(told()).toEqual(['room.occupied', 'member.joined a']);
  // Another owner finds who is there.
  const next = new Life();
  next.webhooks.opened(new FakeRoom(11, ['a']));
  await next.pass(500);
  expect(told()).toEqual(['room.occupied', 'member.joined a']);
});
