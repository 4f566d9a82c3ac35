/** Judges a chaos run afterwards: a history, and what was read at its end, against every rule. Owns: the walk, the counts, and how many
 *  findings are kept. Pure: no clock, no network, no cluster. */
import type { EndState, History, HistoryEvent } from '../history/events.ts';
import { agreement } from './agreement.ts';
import { deliveries } from './deliveries.ts';
import { incarnations } from './incarnations.ts';
import { type LogCounts, logs } from './logs.ts';
import { type PublishCounts, publishes } from './publishes.ts';
import type { Finding, RuleName } from './rule.ts';
import { type SeatCounts, seats } from './seats.ts';

/** Kept of each rule; all are counted. */
const KEPT_MAX = 20;

export interface Counts extends LogCounts, SeatCounts, PublishCounts {
  events: number;
  /** Publishes; one that was handed over again counts once. */
  published: number;
  sentAgain: number;
  /** By error code. */
  readonly failed: Record<string, number>;
  readonly unknown: Record<string, number>;
  delivered: number;
  /** By reason. */
  readonly resets: Record<string, number>;
  /** Seats taken again on another socket. */
  resumes: number;
  /** Frames of gated output seen on links. */
  emits: number;
}

export interface Verdict {
  readonly counts: Counts;
  /** How often each rule was broken; rules that held are absent. */
  readonly broken: Readonly<Partial<Record<RuleName, number>>>;
  readonly findings: readonly Finding[];
}

/** Holds the history against every rule. For a `relay` history the rules about logs are left out. */
export function check(history: History, end: EndState): Verdict {
  const counts = noCounts();
  const broken: Partial<Record<RuleName, number>> = {};
  const findings: Finding[] = [];
  const find = (finding: Finding): void => {
    const times = (broken[finding.rule] ?? 0) + 1;
    broken[finding.rule] = times;
    if (times <= KEPT_MAX) findings.push(finding);
  };
  const rules = [deliveries, agreement, publishes(counts), logs(counts), seats(counts), incarnations].map((make) =>
    make(history, find),
  );
  let index = 0;
  for (const event of history.events) {
    count(counts, event);
    for (const rule of rules) rule.see(event, index);
    index++;
  }
  for (const rule of rules) rule.end(end);
  if (history.dropped > 0)
    find({ rule: 'history-whole', room: '', place: `event ${index}`, text: `${history.dropped} events were not kept` });
  return { counts, broken, findings };
}

function count(counts: Counts, event: HistoryEvent): void {
  counts.events++;
  switch (event.kind) {
    case 'invoke':
      if (event.again) counts.sentAgain++;
      else counts.published++;
      return;
    case 'fail':
      counts.failed[event.code] = (counts.failed[event.code] ?? 0) + 1;
      return;
    case 'unknown':
      counts.unknown[event.code] = (counts.unknown[event.code] ?? 0) + 1;
      return;
    case 'deliver':
      counts.delivered++;
      return;
    case 'reset':
      counts.resets[event.reason] = (counts.resets[event.reason] ?? 0) + 1;
      return;
    case 'welcome':
      if (event.resumed) counts.resumes++;
      return;
    case 'emit':
      counts.emits++;
      return;
    case 'ok':
    case 'dial':
    case 'close':
    case 'join':
    case 'leave':
    case 'process':
    case 'fault':
      return;
    default:
      event satisfies never;
  }
}

function noCounts(): Counts {
  return {
    events: 0,
    published: 0,
    sentAgain: 0,
    ok: 0,
    failed: {},
    unknown: {},
    delivered: 0,
    resets: {},
    resumes: 0,
    emits: 0,
    lostAndTold: 0,
    belowLog: 0,
    closedByFault: 0,
    closedUnasked: 0,
  };
}
