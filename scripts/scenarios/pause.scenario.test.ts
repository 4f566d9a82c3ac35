/** The owner is stopped in the middle of its talk (SIGSTOP), loses its rooms, and wakes up again: it must not say another word. */
import { afterAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { isGated } from '../../shared/link/messages.ts';
import { DEFAULT_TIMINGS } from '../../shared/timing.ts';
import { createCertifier } from '../certifier.ts';
import { CLUSTER_NAME } from './cluster.ts';
import { LinkRouter } from './link-router.ts';
import { Load } from './load.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { pause, until } from './wait.ts';

const PAUSE_MS = 6_000;

/** What a node handed over on a link after it woke. */
function saidAfter(wokenMs: number, { frames }: LinkRouter): string[] {
  return frames
    .filter(({ atMs, message }) => atMs >= wokenMs && isGated(message))
    .map(({ atMs, message }) => `${message.type} ${Math.round(atMs - wokenMs)} ms after it woke`);
}

describe('among routers', () => {
  const cluster = useCluster({ nodes: 2, routers: 2 });
  let load: Load | undefined;
  let listener: LinkRouter | undefined;
  afterAll(() => {
    load?.close();
    listener?.close();
  });

  test('a woken owner whose rooms have moved is silent and exits with 3', async () => {
    const urls = [...cluster().routers.values()].map(({ url }) => url);
    const talk = new Load({ rooms: 6, clients: 18, rate: 300, urls, signals: true });
    load = talk;
    await talk.connect();
    talk.start();
    await until('every room was heard', () => talk.clients.every(({ received }) => received > 10));
    const owners = await cluster().ownersOf(talk.rooms);
    const paused = talk.rooms.filter((room) => owners.get(room) === 'n1');
    const [heard = ''] = paused;
    const eavesdropper = await LinkRouter.open(cluster(), 'n1', heard);
    listener = eavesdropper;
    await until('signals are heard on the link', () => eavesdropper.heardSignal);

    talk.mark();
    const node = cluster().node('n1');
    node.signal('SIGSTOP');
    const stoppedMs = systemClock.now().monoMs;
    const chatter = setInterval(() => eavesdropper.signal('anyone there?'), 50);
    try {
      await until('the rooms have moved', () => talk.silent(paused).length === 0);
      await pause(Math.max(0, PAUSE_MS - (systemClock.now().monoMs - stoppedMs)));
    } finally {
      clearInterval(chatter);
    }
    const wokenMs = systemClock.now().monoMs;
    node.signal('SIGCONT');
    expect(await node.exited).toEqual({ code: 3, signal: null });
    await until('the link ended', () => eavesdropper.down);

    // What lay in the kernel when it was stopped may arrive late; of what it did after it woke, nothing may.
    expect(saidAfter(wokenMs, eavesdropper)).toEqual([]);
    const before = eavesdropper.frames.filter(({ message }) => isGated(message));
    expect(Math.max(...before.map(({ atMs }) => atMs))).toBeLessThan(stoppedMs + 1_000);

    talk.pause();
    await untilSettled(talk.clients);
    await until('everyone has heard all', () => talk.counts().lost === 0);
    const { socketsClosed, doubled } = talk.counts();
    expect({ socketsClosed, doubled }).toEqual({ socketsClosed: 0, doubled: 0 });
    expectSound(cluster(), talk.clients);
  });
});

describe('when nobody tells it', () => {
  const cluster = useCluster({ nodes: 2, routers: 0 });
  const listeners: LinkRouter[] = [];
  afterAll(() => {
    for (const one of listeners) one.close();
  });

  test('a woken owner says nothing of what lay in its sockets', async () => {
    const old = await LinkRouter.open(cluster(), 'n1', 'lobby');
    listeners.push(old);
    old.signal('before');
    await until('signals are heard', () => old.heardSignal);
    const { incarnation } = await cluster().linkOf('n1');

    const node = cluster().node('n1');
    node.signal('SIGSTOP');
    const stoppedMs = systemClock.now().monoMs;
    const chatter = setInterval(() => old.signal('anyone there?'), 20);
    // Long enough for whoever waits as routers do.
    await pause(DEFAULT_TIMINGS.deadMs);
    const complaints: string[] = [];
    const { url } = cluster().redis;
    const directory = { url, cluster: CLUSTER_NAME, timings: DEFAULT_TIMINGS };
    await createCertifier(directory, (sentence) => complaints.push(sentence)).certify({ node: 'n1', incarnation });
    expect(complaints).toEqual([]);
    const next = await LinkRouter.open(cluster(), 'n2', 'lobby');
    listeners.push(next);
    await until('the next owner speaks', () => {
      next.signal('after');
      return next.heardSignal;
    });
    clearInterval(chatter);

    // Not even Redis: its own clock has to stop it.
    cluster().redis.pause();
    const wokenMs = systemClock.now().monoMs;
    node.signal('SIGCONT');
    await pause(1_000);
    expect(node.exit).toBeUndefined();
    cluster().redis.resume();
    expect(await node.exited).toEqual({ code: 3, signal: null });
    await until('the link ended', () => old.down);
    expect(saidAfter(wokenMs, old)).toEqual([]);
    expect(old.frames.some(({ atMs }) => atMs < stoppedMs)).toBe(true);
  });
});
