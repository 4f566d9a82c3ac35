/** Redis is taken back to older data, at the worst moments that the model of the protocol found: nothing acked is lost in silence, and
 *  nobody speaks who may not. */
import { afterAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { isGated } from '../../shared/link/messages.ts';
import { DEFAULT_TIMINGS } from '../../shared/timing.ts';
import { expectWhole, say, talkers } from './conversation.ts';
import { LinkRouter } from './link-router.ts';
import { SavedData } from './saved-data.ts';
import { useCluster } from './suite.ts';
import { pause, until } from './wait.ts';

const { deadMs, graceMs } = DEFAULT_TIMINGS;

describe('an owner that was stopped before its room was taken over', () => {
  const cluster = useCluster({ nodes: 2, routers: 2, routerArgs: ['--certify-by', 'patience'] });
  const open: { close(): void }[] = [];
  afterAll(() => {
    for (const one of open) one.close();
  });

  test('wakes up to data in which it owns the room, and is not heard: the later owner takes it back, with its log', async () => {
    const { room, ada, bob } = await talkers(cluster(), 'n1');
    const heard = await LinkRouter.open(cluster(), 'n1', room);
    open.push(ada, bob, heard);
    await say(ada, 1, 5);
    const older = await SavedData.of(cluster().redis);
    await say(bob, 6, 10);
    cluster().node('n1').signal('SIGSTOP');
    await until('n2 has the room', async () => (await cluster().recordOf(room))?.node === 'n2');
    await say(ada, 11, 15);
    await older.putBack();
    const wokenMs = systemClock.now().monoMs;
    cluster().node('n1').signal('SIGCONT');
    await say(bob, 16, 20);
    await expectWhole(cluster(), room, [ada, bob], 20);
    expect((await cluster().recordOf(room))?.node).toBe('n2');
    const late = heard.frames.filter(
      ({ atMs, message }) => atMs >= wokenMs && message.type === 'cast' && isGated(message),
    );
    expect(late).toEqual([]);
  });
});

describe('a node that is started right after a restore', () => {
  const cluster = useCluster({ nodes: 2, routers: 2 });
  const open: { close(): void }[] = [];
  afterAll(() => {
    for (const one of open) one.close();
  });

  test('claims nothing that a living owner is about to take back', async () => {
    const { room, ada, bob } = await talkers(cluster(), 'n1');
    open.push(ada, bob);
    const older = await SavedData.of(cluster().redis);
    await say(ada, 1, 10);
    await older.putBack();
    const startedMs = performance.now();
    // Not one of those that the history was made for: it has to watch before it may trust what it reads.
    const third = cluster().startNode('n3', ['--bootstrap', '0'.repeat(32)]);
    await say(bob, 11, 15);
    await third;
    expect(performance.now() - startedMs).toBeGreaterThan(graceMs);
    await expectWhole(cluster(), room, [ada, bob], 15);
    expect((await cluster().recordOf(room))?.node).toBe('n1');
  });
});

describe('an owner that wakes up while Redis is away, certified a moment ago', () => {
  const cluster = useCluster({ nodes: 2, routers: 2, routerArgs: ['--certify-by', 'patience'] });
  const open: { close(): void }[] = [];
  afterAll(() => {
    for (const one of open) one.close();
  });

  test('is silent though nobody can tell it', async () => {
    const { room, ada, bob } = await talkers(cluster(), 'n1');
    const heard = await LinkRouter.open(cluster(), 'n1', room);
    open.push(ada, bob, heard);
    await say(ada, 1, 3);
    const node = cluster().node('n1');
    node.signal('SIGSTOP');
    const { api } = cluster().router('r1');
    await until(
      'it is certified',
      async () => (await api.nodes()).find((one) => one.node === 'n1')?.state === 'dead',
      3 * deadMs,
    );
    cluster().redis.pause();
    const wokenMs = systemClock.now().monoMs;
    node.signal('SIGCONT');
    const chatter = setInterval(() => heard.signal('anyone there?'), 50);
    try {
      await pause(deadMs);
    } finally {
      clearInterval(chatter);
      cluster().redis.resume();
    }
    expect(await node.exited).toEqual({ code: 3, signal: null });
    expect(heard.frames.filter(({ atMs, message }) => atMs >= wokenMs && isGated(message))).toEqual([]);
    await say(bob, 4, 6);
    await expectWhole(cluster(), room, [ada, bob], 6);
  });
});
