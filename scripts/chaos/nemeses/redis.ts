/** What befalls Redis: killed and back with its data or empty, emptied, stopped, failed over, away for long. Owns: these acts.
 *  Every node may be certified by what it could not renew meanwhile: its end is then no crash. */
import { readFileSync } from 'node:fs';
import { pause } from '../../scenarios/wait.ts';
import type { Stage } from '../stage.ts';
import { type Nemesis, type Struck, UNTIL_NEXT_MESSAGE } from './nemesis.ts';

const SINCE_BACK = 'Redis is back → first message said after that, per room';

function endangerAll(stage: Stage): void {
  for (const id of stage.nodes) stage.endangers(id);
}

function everyRoom(stage: Stage, what: string): Struck {
  return { what, rooms: stage.load.rooms, by: 'next-message' };
}

/** Kills the process, waits, and starts it again. */
async function away(stage: Stage, ms: number): Promise<void> {
  endangerAll(stage);
  await stage.redis.kill9();
  await pause(ms);
  await stage.redis.restart();
}

/** A restart with what was stored; on a stage whose Redis stores nothing it comes back empty. */
export function restartRedis(fromMs: number, toMs: number): Nemesis {
  return {
    name: 'Redis restart',
    says: `SIGKILL of Redis, back after ${fromMs / 1_000} to ${toMs / 1_000} s`,
    measures: SINCE_BACK,
    async strike(stage) {
      const ms = stage.between(fromMs, toMs);
      const isEmpty = stage.options.redis === 'empty';
      const what = `Redis killed for ${ms} ms, back ${isEmpty ? 'empty' : 'with its data'}`;
      stage.begin(what);
      await away(stage, ms);
      stage.load.mark();
      return everyRoom(stage, what);
    },
  };
}

export const flushRedis: Nemesis = {
  name: 'Redis emptied',
  says: 'FLUSHALL',
  measures: UNTIL_NEXT_MESSAGE,
  async strike(stage) {
    stage.begin('FLUSHALL');
    endangerAll(stage);
    await stage.cluster.flushRedis();
    return everyRoom(stage, 'FLUSHALL');
  },
};

/** It keeps its connections and answers nothing. */
export function freezeRedis(fromMs: number, toMs: number): Nemesis {
  return {
    name: 'Redis stop',
    says: `SIGSTOP of Redis for ${fromMs / 1_000} to ${toMs / 1_000} s, then SIGCONT`,
    measures: 'Redis goes on → first message said after that, per room',
    async strike(stage) {
      const ms = stage.between(fromMs, toMs);
      const what = `SIGSTOP Redis for ${ms} ms`;
      stage.begin(what);
      endangerAll(stage);
      const { redis } = stage;
      redis.pause();
      await pause(ms);
      redis.resume();
      stage.load.mark();
      return everyRoom(stage, what);
    },
  };
}

/** The primary dies and its replica takes its place behind the same address. */
export const failOver: Nemesis = {
  name: 'Redis failover',
  says: 'SIGKILL of the primary; its replica is promoted behind the same address',
  measures: UNTIL_NEXT_MESSAGE,
  async strike(stage) {
    const { pair, network } = stage;
    if (pair === undefined || network === undefined) throw new Error('a failover needs a replica');
    stage.begin('Redis failover');
    endangerAll(stage);
    const next = await pair.failOver();
    stage.cluster.redis = next;
    network.moveRedis({ host: '127.0.0.1', port: next.port });
    return { ...everyRoom(stage, 'Redis failover'), repair: () => pair.rejoin() };
  },
};

/** The primary dies; sentinels find it gone and promote its replica, and every process asks them where to go. */
export const failOverBySentinel: Nemesis = {
  name: 'Sentinel failover',
  says: 'SIGKILL of the primary; three sentinels promote its replica',
  measures: UNTIL_NEXT_MESSAGE,
  async strike(stage) {
    const { sentinels } = stage;
    if (sentinels === undefined) throw new Error('a failover by sentinels needs them');
    const atMs = stage.begin('Sentinel failover');
    endangerAll(stage);
    stage.cluster.redis = await sentinels.failOver();
    const figures = { promotedMs: Math.round(stage.now() - atMs) };
    return { ...everyRoom(stage, 'Sentinel failover'), figures: () => figures, repair: () => sentinels.rejoin() };
  },
};

/** Redis is away for long: what goes on meanwhile is counted, and memory is looked at. */
export function loseRedis(ms: number): Nemesis {
  return {
    name: `Redis away ${ms / 1_000} s`,
    says: `SIGKILL of Redis, back with its data after ${ms / 1_000} s`,
    measures: SINCE_BACK,
    async strike(stage) {
      const what = `Redis away for ${ms} ms`;
      const pids = [
        ...stage.cluster.nodes.values(),
        ...[...stage.cluster.routers.values()].map(({ process }) => process),
      ]
        .filter(({ exit }) => exit === undefined)
        .map(({ pid }) => pid);
      stage.begin(what);
      endangerAll(stage);
      await stage.redis.kill9();
      // What grows in the first moments is what waits; after that nothing may.
      await pause(ms / 4);
      const early = residentMb(pids);
      await pause(ms - ms / 4);
      const { heard, gapMs } = stage.load.signalled;
      const refused = [...stage.load.refused.values()].reduce((sum, count) => sum + count, 0);
      const growthMb = residentMb(pids) - early;
      const roomsHeard = stage.load.watches.filter(({ nextMessageMs }) => nextMessageMs !== undefined).length;
      await stage.redis.restart();
      stage.load.mark();
      const figures = { signalsHeard: heard, signalGapMs: Math.round(gapMs), refused, roomsHeard, growthMb };
      return { ...everyRoom(stage, what), figures: () => figures };
    },
  };
}

/** Resident memory of these processes together, MB. @see proc(5) status */
function residentMb(pids: readonly number[]): number {
  let kb = 0;
  for (const pid of pids) {
    try {
      kb += Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It ended meanwhile.
    }
  }
  return Math.round(kb / 1_024);
}
