/** A part of a chaos run: one cluster under load, trials of some nemeses, and a verdict at the end. Owns: the shape of a part, of its result,
 *  and of the numbers it is held against. */

import type { Counts } from './checker/check.ts';
import type { Finding, RuleName } from './checker/rule.ts';
import type { RoomClass } from './history/events.ts';
import type { Nemesis } from './nemeses/nemesis.ts';
import type { Spread } from './spread.ts';
import type { StageOptions } from './stage.ts';

export const PART_IDS = [
  'kills',
  'kills-patience',
  'pauses',
  'drains',
  'routers',
  'redis-restarts',
  'redis-empties',
  'redis-pauses',
  'failovers',
  'redis-failovers',
  'away',
  'away-relay',
  'partitions',
  'mixed',
] as const;

export type PartId = (typeof PART_IDS)[number];

/** A number to reach, of one nemesis' series. */
export interface Limit {
  readonly nemesis: string;
  readonly figure: 'p50' | 'p99';
  readonly of: 'unavailable' | 'slowest' | 'pause';
  readonly atMostMs: number;
}

export interface Part {
  readonly id: PartId;
  /** One sentence: what is done. */
  readonly says: string;
  readonly shape: Omit<StageOptions, 'random' | 'say'>;
  /** Carried out one after another, so many rounds. */
  readonly nemeses: readonly Nemesis[];
  readonly rounds: number;
  /** Instead of rounds: all kinds at random for so long, two at once now and then, while clients break their sockets. */
  readonly mixedMs?: number;
  readonly limits: readonly Limit[];
}

/** All trials of one nemesis. */
export interface Series {
  readonly nemesis: string;
  readonly says: string;
  readonly measures: string;
  readonly trials: number;
  readonly rooms: number;
  readonly unanswered: number;
  readonly unavailableMs: Spread;
  readonly slowestMs: Spread;
  /** Per room that was handed over, by its nodes' own measure. Absent where that was not asked for. */
  readonly pausesMs?: Spread;
  readonly tookMs: Spread;
  /** The largest of each figure over all trials. */
  readonly figures: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}

export interface PartResult {
  readonly part: PartId;
  readonly says: string;
  readonly seed: number;
  readonly roomClass: RoomClass;
  readonly shape: {
    readonly nodes: number;
    readonly routers: number;
    readonly rooms: number;
    readonly clients: number;
    readonly rate: number;
    readonly signals: number;
    readonly proof: string;
    readonly redis: string;
  };
  readonly series: readonly Series[];
  readonly counts: Counts;
  readonly broken: Readonly<Partial<Record<RuleName, number>>>;
  readonly findings: readonly Finding[];
  /** Nodes certified though nothing was done to them. */
  readonly starved: number;
  readonly limits: readonly Limit[];
  readonly tookMs: number;
}

/** Everything that was promised and not kept, one sentence each. A number missed is no broken promise. */
export function brokenPromises({ series, broken }: Pick<PartResult, 'series' | 'broken'>): string[] {
  return [
    ...Object.entries(broken).map(([rule, times]) => `${rule}: ${times}`),
    ...series.flatMap(({ nemesis, unanswered }) =>
      unanswered > 0 ? [`${nemesis}: ${unanswered} not heard again within the bound`] : [],
    ),
    ...series.flatMap(({ wrong }) => wrong),
  ];
}

/** The value a limit is about; undefined where nothing was measured. */
export function limitValue(limit: Limit, series: readonly Series[]): number | undefined {
  const found = series.find(({ nemesis }) => nemesis === limit.nemesis);
  const spread = { unavailable: found?.unavailableMs, slowest: found?.slowestMs, pause: found?.pausesMs }[limit.of];
  return spread === undefined || spread.count === 0 ? undefined : spread[limit.figure];
}
