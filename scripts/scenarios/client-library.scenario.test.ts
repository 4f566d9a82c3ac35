/** The client library in Node keeps its conversations: through the death of an owner, the death of a router, and a drain. */
import { afterAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../../client/index.ts';
import { useCluster } from './suite.ts';
import { talkFaults } from './talk-faults.ts';
import { Talker, type TalkRecord } from './talker.ts';
import { until } from './wait.ts';

const ROOMS = ['talk-a', 'talk-b', 'talk-c'];
const NAMES = ['ada', 'bob', 'cleo'];
/** Nine messages a second and room: what is missed within the window of a retry is still remembered. */
const EVERY_MS = 330;

const cluster = useCluster({ nodes: 3, routers: 2, routerArgs: ['--stop-spread-ms', '300'] });
const talks = new Map<string, Talker[]>();
afterAll(() => {
  for (const talker of [...talks.values()].flat()) talker.close();
});

const records = (): TalkRecord[] => [...talks.values()].flat().map((talker) => talker.record());

/** Talks on for a while, then falls silent, and looks at what everybody heard from the beginning. */
async function expectSoundTalk(): Promise<void> {
  const before = records();
  await until('everyone says more', () =>
    records().every(({ acked }, i) => acked.length > (before[i]?.acked.length ?? 0) + 3),
  );
  for (const talker of [...talks.values()].flat()) talker.stop();
  await until('everything has an outcome', () => records().every(({ pending }) => pending === 0));
  for (const room of ROOMS) {
    await until(`everyone heard all of ${room}`, () => {
      const faults = talkFaults((talks.get(room) ?? []).map((talker) => talker.record()));
      if (faults.length > 0) throw new Error(faults.slice(0, 5).join('; '));
      return true;
    });
  }
  for (const talker of [...talks.values()].flat()) talker.start(EVERY_MS);
}

test('rooms are joined through two routers, and everybody hears everybody', async () => {
  const urls = ['r1', 'r2'].map((id) => cluster().router(id).url.replace('http', 'ws'));
  for (const room of ROOMS) {
    const talkers = NAMES.map((user, i) => {
      // Two of three come through the first router.
      const [first = '', second = ''] = i === 2 ? urls.toReversed() : urls;
      return new Talker(connect([`${first}/rooms/${room}`, `${second}/rooms/${room}`], { user, WebSocket }), user);
    });
    talks.set(room, talkers);
  }
  await until('everyone sees everyone', () => records().every(({ members }) => members === NAMES.length));
  for (const talker of [...talks.values()].flat()) talker.start(EVERY_MS);
  await expectSoundTalk();
  expect(records().flatMap(({ refused }) => refused)).toEqual([]);
});

test('kill -9 of an owner closes no socket, and the conversation goes on', async () => {
  const owner = (await cluster().recordOf('talk-a'))?.node ?? '';
  const epoch = (await cluster().recordOf('talk-a'))?.epoch ?? 0;
  cluster().node(owner).signal('SIGKILL');
  await until('the room has another owner', async () => ((await cluster().recordOf('talk-a'))?.epoch ?? 0) > epoch);
  await expectSoundTalk();
  for (const { states, refused, left } of records()) {
    expect(states).toEqual(['connecting', 'open']);
    expect(refused.filter((code) => code !== 'owner_lost')).toEqual([]);
    expect(left).toEqual([]);
  }
  await cluster().startNode(owner);
});

test('after the loss of their router clients go on at the other one, as if nothing had been', async () => {
  const before = records();
  cluster().router('r1').process.signal('SIGKILL');
  await until('everyone is open again', () =>
    records().every(({ states }, i) => states.at(-1) === 'open' && (i % 3 === 2 || states.length > 2)),
  );
  await expectSoundTalk();
  records().forEach(({ states, heard, refused, sessions, left }, i) => {
    // The one of the other router has not even noticed.
    const back = i % 3 === 2 ? [] : ['waiting 1006', 'connecting', 'open'];
    expect(states).toEqual(['connecting', 'open', ...back]);
    const resets = (all: TalkRecord['heard'] = []) => all.filter(({ kind }) => kind === 'reset').length;
    expect(resets(heard)).toBe(resets(before[i]?.heard));
    expect(refused).toEqual(before[i]?.refused);
    expect(sessions).toHaveLength(1);
    expect(left).toEqual([]);
  });
});

test('a drain of the owner is not noticed at all', async () => {
  const before = records();
  const owner = (await cluster().recordOf('talk-b'))?.node ?? '';
  const node = cluster().node(owner);
  node.signal('SIGTERM');
  expect(await node.exited).toEqual({ code: 0, signal: null });
  await expectSoundTalk();
  records().forEach(({ states, refused, heard }, i) => {
    expect(states).toEqual(before[i]?.states);
    expect(refused).toEqual(before[i]?.refused);
    const resets = (all: TalkRecord['heard'] = []) => all.filter(({ kind }) => kind === 'reset').length;
    expect(resets(heard)).toBe(resets(before[i]?.heard));
  });
  expect(cluster().crashes()).toEqual([]);
});

describe('a router that stands still', () => {
  // The owner's interval is what welcomes name; the router's own bounds stay far above.
  const stopped = useCluster({ nodes: 1, routers: 2, nodeArgs: ['--ping-interval-ms', '500'] });

  test('is noticed by its silence, and its client goes on at the other one', async () => {
    const [r1 = '', r2 = ''] = ['r1', 'r2'].map(
      (id) => `${stopped().router(id).url.replace('http', 'ws')}/rooms/still`,
    );
    const ada = new Talker(connect([r1, r2], { user: 'ada', WebSocket }), 'ada');
    const bob = new Talker(connect([r2], { user: 'bob', WebSocket }), 'bob');
    const both = () => [ada.record(), bob.record()];
    await until('they see each other', () => both().every(({ members }) => members === 2));
    const router = stopped().router('r1').process;
    router.signal('SIGSTOP');
    try {
      // Into a socket that is open, as far as anybody can tell.
      const said = ada.say();
      await until('ada is back', () => ada.record().states.at(-1) === 'open' && ada.record().states.length > 2);
      await said;
      await until('both heard all', () => talkFaults(both()).length === 0);
      expect(ada.record()).toMatchObject({ refused: [], left: [] });
      expect(ada.record().states).toEqual(['connecting', 'open', 'waiting 1006', 'connecting', 'open']);
      expect(ada.record().heard).toHaveLength(1);
    } finally {
      router.signal('SIGCONT');
    }
    // What it had in its sockets when it wakes is void: its seat is taken.
    await bob.say();
    await until('both heard all', () => talkFaults(both()).length === 0);
    expect(both().map(({ heard, left }) => [heard.length, left])).toEqual([
      [2, []],
      [2, []],
    ]);
    for (const talker of [ada, bob]) talker.close();
  });
});
