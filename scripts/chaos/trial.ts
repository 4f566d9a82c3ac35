/** One trial of a nemesis: it strikes, what it struck is heard again, what is gone comes back. Owns: this order and the figures of it. */
import { pause, until } from '../scenarios/wait.ts';
import type { Nemesis, Struck } from './nemeses/nemesis.ts';
import type { Stage } from './stage.ts';

export interface Trial {
  readonly nemesis: string;
  readonly what: string;
  /** How many rooms it struck. */
  readonly rooms: number;
  /** Rooms, or clients, that were not heard again within the bound. */
  readonly unanswered: number;
  /** Per room (per client, where routers are struck): the time that `measures` of the nemesis names, ms. */
  readonly unavailableMs: readonly number[];
  /** Per room, the slowest publish around it, from being said to its ack, ms. */
  readonly slowestMs: readonly number[];
  /** Per room that was handed over, how long its nodes say that it stood still, ms; absent where nobody asked. */
  readonly pausesMs?: readonly number[] | undefined;
  readonly figures: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
  /** From the strike until every client and every room worked again, ms. */
  readonly tookMs: number;
}

const ANSWER_BOUND_MS = 30_000;
/** What was said during the fault has its ack by then. */
const ACKS_BOUND_MS = 2_000;

/** Carries a trial out. Does not throw where a promise is broken: that is told in `wrong` and `unanswered`. */
export async function runTrial(nemesis: Nemesis, stage: Stage): Promise<Trial> {
  const began = stage.now();
  const struck = await nemesis.strike(stage);
  await heardAgain(stage, struck);
  const { unanswered, unavailableMs, slowestMs } = measured(stage, struck);
  const figures = struck.figures?.() ?? {};
  const pausesMs = struck.pausesMs?.();
  const wrong = [...(struck.wrong ?? [])];
  try {
    await struck.repair?.();
    stage.end(struck.what, struck.routers);
    await stage.settled();
  } catch (error) {
    wrong.push(`${struck.what}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return {
    nemesis: nemesis.name,
    what: struck.what,
    rooms: struck.rooms.length,
    unanswered,
    unavailableMs,
    slowestMs,
    ...(pausesMs === undefined ? {} : { pausesMs }),
    figures,
    wrong,
    tookMs: stage.now() - began,
  };
}

async function heardAgain(stage: Stage, struck: Struck): Promise<void> {
  const watches = stage.load.watchesOf(struck.rooms);
  const overMs = stage.now();
  const isHeard = (): boolean => {
    switch (struck.by) {
      case 'next-owner':
      case 'handover':
        return watches.every(({ nextOwnerMs }) => nextOwnerMs !== undefined);
      case 'next-message':
        return watches.every(({ nextMessageMs }) => nextMessageMs !== undefined);
      case 'silence':
        return watches.every((watch) => watch.isHeardSince(overMs));
      case 'clients':
        // A kill is felt only after a moment.
        return stage.load.backMs.length > 0 && stage.load.unseated.length === 0;
      default:
        return struck.by satisfies never;
    }
  };
  await until('everyone is heard', isHeard, ANSWER_BOUND_MS).catch(() => undefined);
  const deadlineMs = stage.now() + ACKS_BOUND_MS;
  // Publishes go on, so some are always under way: what matters is those of before.
  const before = stage.load.clients.flatMap(({ pending }) => [...pending.values()]);
  const isUnderWay = (): boolean =>
    stage.load.clients.some(({ pending }) => [...pending.values()].some((one) => before.includes(one)));
  while (before.length > 0 && isUnderWay() && stage.now() < deadlineMs) await pause(20);
}

function measured(stage: Stage, struck: Struck): Pick<Trial, 'unanswered' | 'unavailableMs' | 'slowestMs'> {
  const watches = stage.load.watchesOf(struck.rooms);
  const slowestMs = watches.map(({ slowestAckMs }) => slowestAckMs);
  if (struck.by === 'clients')
    return { unanswered: stage.load.unseated.length, unavailableMs: stage.load.backMs, slowestMs };
  const times = watches.map((watch) => {
    if (struck.by === 'silence') return watch.longestSilenceMs;
    if (struck.by === 'next-message') return watch.nextMessageMs;
    return struck.by === 'handover' ? watch.silentMs : watch.nextOwnerMs;
  });
  const unavailableMs = times.filter((ms) => ms !== undefined);
  return { unanswered: times.length - unavailableMs.length, unavailableMs, slowestMs };
}
