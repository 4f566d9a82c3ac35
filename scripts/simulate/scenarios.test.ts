/** Seven ways into two owners, or into a message that is silently replaced, that the model of ownership and log has shown for protocols
 *  which lack one of the rules: each step by step, on the production cores. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_TIMINGS } from '../../shared/timing.ts';
import { Stage } from './stage.ts';

const { fenceMs, deadMs } = DEFAULT_TIMINGS;

it('a late RELEASE after its reply was lost', () => {
  let lateReleases = 0;
  // Whether a command still arrives whose connection was let go is chance.
  for (let seed = 1; seed <= 12; seed++) {
    const stage = new Stage(seed);
    const { clients, owner } = stage.seated();
    const before = stage.record;
    for (const client of clients) client.leave();
    const releasing = () => owner.roomStates(stage.room).includes('releasing');
    stage.until('nobody is left there', () => owner.core.rooms.get(stage.room)?.room?.sessionCount === 0);
    owner.directory.slowMs = 900;
    stage.until('the room is released', releasing);
    owner.directory.reset();
    owner.directory.slowMs = 0;
    stage.until('the release has no answer', () => !releasing());
    for (const client of clients) client.enter(stage.room);
    stage.until('it is claimed again', () => stage.owner !== undefined && stage.record?.epoch !== before?.epoch);
    expect(stage.verdict(...clients)).toBeUndefined();
    if (stage.hasSaid(`release of ${stage.room} by ${owner.id}: changed`)) lateReleases++;
  }
  expect(lateReleases).toBeGreaterThan(0);
});

describe('SIGSTOP of an owner, takeover, restore of an older RDB, SIGCONT', () => {
  it.each([1, 100, 1_000, 4_000])('%i ms later', (ms) => {
    const stage = new Stage(ms);
    const { clients, owner } = stage.seated();
    const older = stage.world.redis.directory.snapshot();
    stage.speak(...clients);
    owner.process.pause();
    stage.takenFrom(owner);
    stage.speak(...clients);
    stage.world.redis.restart(older, 20);
    stage.run(ms);
    owner.process.resume();
    expect(stage.verdict(...clients)).toBeUndefined();
    expect(stage.world.closes).toBe(0);
  });
});

it('a node started right after a restore', () => {
  const stage = new Stage(3);
  const { clients, owner } = stage.seated();
  const older = stage.world.redis.directory.snapshot();
  const other = stage.world.livingNodes().find((one) => one !== owner);
  stage.run(1_500);
  expect(owner.core.moveRoom(stage.room, other?.id ?? '', owner.process.now())).toBeUndefined();
  const second = stage.takenFrom(owner);
  stage.speak(...clients);
  // The record of then names the first owner, which is killed: whoever believes it would find the room free.
  stage.world.redis.restart(older, 20);
  owner.kill('process');
  const newcomer = stage.world.join('n9');
  for (let ms = 0; ms < deadMs; ms += 100) {
    stage.run(100);
    expect(newcomer.core.rooms.held(stage.room)).toBeUndefined();
  }
  expect(stage.verdict(...clients)).toBeUndefined();
  expect(stage.owner).toBe(second);
  expect(stage.world.resets).toBe(0);
});

it('reconnect of the log connection alone after a rollback', () => {
  const stage = new Stage(4);
  const { clients, owner } = stage.seated();
  const older = stage.world.redis.directory.snapshot();
  stage.speak(...clients);
  const { tags } = stage.record ?? { tags: [] };
  owner.directory.dialsOnly = 'log';
  stage.world.redis.restart(older, 20);
  for (const client of clients) client.publish();
  stage.run(600);
  // Nothing was appended to the log that was put back, by an owner that cannot have read which history it is in.
  expect(stage.record?.head).toBeLessThan(4);
  expect(stage.record?.tags).toEqual(tags);
  owner.directory.dialsOnly = undefined;
  expect(stage.verdict(...clients)).toBeUndefined();
  expect(stage.world.closes).toBe(0);
});

describe('SIGSTOP, takeover, Redis stopped within one poll of the certificate, SIGCONT', () => {
  it.each([0, 20, 120])('%i ms after it', (ms) => {
    const stage = new Stage(5 + ms);
    const { clients, owner } = stage.seated();
    owner.process.pause();
    for (const client of clients) client.publish();
    const isCertified = () => stage.hasSaid(`${owner.id} is certified`);
    stage.until('it is certified', isCertified);
    stage.run(ms);
    stage.world.redis.restart('kept', 4_000);
    owner.process.resume();
    for (const client of clients) client.publish();
    stage.until('it learns of its certificate', () => owner.ended !== undefined);
    expect(owner.ended).toEqual({ kind: 'certified' });
    expect(stage.verdict(...clients)).toBeUndefined();
    expect(stage.world.closes).toBe(0);
  });
});

it('one router and one node cut from Redis together', () => {
  const stage = new Stage(6);
  const { clients, owner } = stage.seated();
  const { network, redis } = stage.world;
  const cut = [owner.process.name, stage.router(0).process.name];
  for (const name of cut) {
    network.cut(name, redis.name);
    network.cut(redis.name, name);
  }
  stage.run(fenceMs + 300);
  expect(owner.gateOpen()).toBe(false);
  // The other router still reaches Redis, and its client goes on elsewhere; the first one's waits with its socket open.
  stage.takenFrom(owner);
  const [first, second] = clients;
  first.publish();
  stage.speak(second);
  expect(first.pending).toBe(1);
  for (const name of cut) {
    network.heal(name, redis.name);
    network.heal(redis.name, name);
  }
  expect(stage.verdict(...clients)).toBeUndefined();
  expect(stage.world.closes).toBe(0);
  expect(stage.world.resets).toBe(0);
});

it('one link’s proxy disabled while the node’s heartbeat is blocked for 1 s', () => {
  const stage = new Stage(7);
  const { clients, owner } = stage.seated();
  const { network, redis } = stage.world;
  const router = stage.router(0).process.name;
  network.reject(router, owner.process.name);
  for (const side of owner.links) if (side.peerName === router) side.fail();
  network.cut(owner.process.name, redis.name);
  for (const client of clients) client.publish();
  stage.run(1_000);
  network.heal(owner.process.name, redis.name);
  stage.run(deadMs);
  expect(stage.hasSaid('is certified')).toBe(false);
  expect(stage.owner).toBe(owner);
  network.admit(router, owner.process.name);
  expect(stage.verdict(...clients)).toBeUndefined();
  expect(stage.owner).toBe(owner);
  expect(stage.world.closes).toBe(0);
  expect(stage.world.resets).toBe(0);
});
