/** A sound history passes; one planted error in it is named by its rule, with its room and place. */
import { describe, expect, it } from 'vitest';
import type { EndState, History, HistoryEvent, LogEntry, RoomClass } from '../history/events.ts';
import { check } from './check.ts';
import type { RuleName } from './rule.ts';

const OLD = '100.aa';
const NEW = '200.bb';
const CLIENTS = [
  { user: 'ann', room: 'lobby' },
  { user: 'bob', room: 'lobby' },
];
const [ANN, BOB] = [0, 1];

/** Two members, three publishes, a takeover without a reset, and Bob's way to another router when his is killed. */
const SOUND: readonly HistoryEvent[] = [
  { kind: 'dial', at: 1, client: ANN, router: 'r1' },
  { kind: 'welcome', at: 2, client: ANN, session: 'A', epoch: 100, seq: 0, tag: OLD, resumed: false },
  { kind: 'dial', at: 3, client: BOB, router: 'r2' },
  { kind: 'welcome', at: 4, client: BOB, session: 'B', epoch: 100, seq: 0, tag: OLD, resumed: false },
  { kind: 'join', at: 4, client: ANN, session: 'B' },
  { kind: 'invoke', at: 10, client: ANN, id: 1, again: false },
  { kind: 'emit', at: 11, room: 'lobby', incarnation: 'one', epoch: 100, type: 'cast' },
  { kind: 'deliver', at: 11, client: ANN, seq: 1, tag: OLD, session: 'A', id: 1 },
  { kind: 'ok', at: 11, client: ANN, id: 1, seq: 1 },
  { kind: 'deliver', at: 12, client: BOB, seq: 1, tag: OLD, session: 'A', id: 1 },
  { kind: 'fault', at: 20, phase: 'begin', what: 'kill n1, r2', routers: ['r2'] },
  { kind: 'process', at: 20, process: 'n1', act: 'killed', code: '' },
  { kind: 'close', at: 21, client: BOB, code: 1006, ours: false },
  { kind: 'invoke', at: 22, client: ANN, id: 2, again: false },
  { kind: 'deliver', at: 1_000, client: ANN, seq: 2, tag: NEW, session: 'A', id: 2 },
  { kind: 'ok', at: 1_000, client: ANN, id: 2, seq: 2 },
  { kind: 'dial', at: 1_100, client: BOB, router: 'r1' },
  { kind: 'welcome', at: 1_101, client: BOB, session: 'B', epoch: 200, seq: 1, tag: OLD, resumed: true },
  { kind: 'deliver', at: 1_102, client: BOB, seq: 2, tag: NEW, session: 'A', id: 2 },
  { kind: 'fault', at: 1_200, phase: 'end', what: 'kill n1, r2', routers: ['r2'] },
  { kind: 'invoke', at: 1_300, client: BOB, id: 1, again: false },
  { kind: 'fail', at: 1_301, client: BOB, id: 1, code: 'draining' },
  { kind: 'invoke', at: 1_302, client: BOB, id: 2, again: false },
  { kind: 'deliver', at: 1_303, client: ANN, seq: 3, tag: NEW, session: 'B', id: 2 },
  { kind: 'deliver', at: 1_303, client: BOB, seq: 3, tag: NEW, session: 'B', id: 2 },
  { kind: 'ok', at: 1_303, client: BOB, id: 2, seq: 3 },
];

const LOG: readonly LogEntry[] = [
  { seq: 1, tag: OLD, session: 'A', id: 1 },
  { seq: 2, tag: NEW, session: 'A', id: 2 },
  { seq: 3, tag: NEW, session: 'B', id: 2 },
];

function historyOf(events: readonly HistoryEvent[], roomClass: RoomClass = 'durable', dropped = 0): History {
  return { clients: CLIENTS, roomClass, events, dropped };
}

function endOf(log: readonly LogEntry[] | 'none' = LOG, presence: readonly string[] = ['A', 'B']): EndState {
  return {
    logs: new Map(log === 'none' ? [] : [['lobby', log]]),
    presence: new Map([['lobby', presence]]),
  };
}

/** The sound history with one event replaced, or with more put before it. */
function planted(at: number, ...events: readonly HistoryEvent[]): HistoryEvent[] {
  return [...SOUND.slice(0, at), ...events, ...SOUND.slice(at + 1)];
}

/** Where the first event like this stands. */
function where(kind: HistoryEvent['kind'], more: Readonly<Record<string, unknown>> = {}): number {
  const at = SOUND.findIndex(
    (event) => event.kind === kind && Object.entries(more).every(([key, value]) => Reflect.get(event, key) === value),
  );
  if (at < 0) throw new Error(`the sound history has no such ${kind}`);
  return at;
}

function also(...events: readonly HistoryEvent[]): HistoryEvent[] {
  return [...SOUND, ...events];
}

describe('a sound history', () => {
  it('breaks no rule, as durable and as relay', () => {
    const { broken, counts, findings } = check(historyOf(SOUND), endOf());
    expect({ broken, findings }).toEqual({ broken: {}, findings: [] });
    expect(counts).toMatchObject({
      events: SOUND.length,
      published: 4,
      ok: 3,
      failed: { draining: 1 },
      delivered: 6,
      resumes: 1,
      closedByFault: 1,
      closedUnasked: 0,
      lostAndTold: 0,
    });
    expect(check(historyOf(SOUND, 'relay'), { logs: new Map(), presence: endOf().presence }).broken).toEqual({});
  });

  it('may lose to Redis what every client that heard it was told about', () => {
    const told: readonly HistoryEvent[] = [ANN, BOB].map((client) => ({
      kind: 'reset',
      at: 2_000,
      client,
      reason: 'log_lost',
      seq: 2,
      tag: '300.cc',
    }));
    const { broken, counts } = check(historyOf(also(...told)), endOf(LOG.slice(0, 2)));
    expect(broken).toEqual({});
    expect(counts).toMatchObject({ lostAndTold: 1, resets: { log_lost: 2 } });
  });

  it('may have a log that was trimmed', () => {
    const { broken, counts } = check(historyOf(SOUND), endOf(LOG.slice(2)));
    expect(broken).toEqual({});
    expect(counts.belowLog).toBe(2);
  });

  it('may say again, in another history, what the lost one said', () => {
    const again: readonly HistoryEvent[] = [
      { kind: 'reset', at: 2_000, client: ANN, reason: 'owner_lost', seq: 0, tag: '300.cc' },
      { kind: 'deliver', at: 2_001, client: ANN, seq: 1, tag: '300.cc', session: 'A', id: 1 },
      { kind: 'close', at: 2_002, client: BOB, code: 1000, ours: true },
    ];
    expect(check(historyOf(also(...again), 'relay'), endOf('none', ['A'])).broken).toEqual({});
  });

  it('counts a publish once that was acked by its echo and again by an ack', () => {
    const { broken, counts } = check(historyOf(also({ kind: 'ok', at: 2_000, client: ANN, id: 1, seq: 1 })), endOf());
    expect({ broken, ok: counts.ok }).toEqual({ broken: {}, ok: 3 });
  });

  it('may let a session leave that was away for long', () => {
    const events: readonly HistoryEvent[] = [
      { kind: 'close', at: 2_000, client: BOB, code: 1006, ours: true },
      { kind: 'leave', at: 7_100, client: ANN, session: 'B' },
      { kind: 'dial', at: 7_500, client: BOB, router: 'r1' },
      { kind: 'welcome', at: 7_600, client: BOB, session: 'B', epoch: 200, seq: 3, tag: NEW, resumed: true },
    ];
    expect(check(historyOf(also(...events)), endOf()).broken).toEqual({});
  });
});

interface Planted {
  readonly rule: RuleName;
  readonly says: string;
  readonly events?: readonly HistoryEvent[];
  readonly end?: EndState;
  readonly place: string;
  /** Rules that the same error must break as well. */
  readonly too?: readonly RuleName[];
}

const lastHeard = where('deliver', { client: ANN, seq: 3 });
const lastAck = where('ok', { client: BOB });

const PLANTED: readonly Planted[] = [
  {
    rule: 'contiguous',
    says: 'a message that one client was not told',
    events: planted(where('deliver', { client: BOB, seq: 2 })),
    place: `event ${where('deliver', { client: BOB, seq: 3 }) - 1}, client bob`,
  },
  {
    rule: 'no-repeat',
    says: 'a message told twice under two seqs',
    events: also({ kind: 'deliver', at: 2_000, client: ANN, seq: 4, tag: NEW, session: 'B', id: 2 }),
    end: endOf([...LOG, { seq: 4, tag: NEW, session: 'B', id: 2 }]),
    place: `event ${SOUND.length}, client ann`,
    too: ['log-repeat', 'complete', 'acked-in-log'],
  },
  {
    rule: 'order',
    says: 'a sender told out of order',
    events: planted(lastHeard, { kind: 'deliver', at: 1_303, client: ANN, seq: 3, tag: NEW, session: 'A', id: 1 }),
    place: `event ${lastHeard}, client ann`,
    too: ['agreement', 'heard-in-log'],
  },
  {
    rule: 'epoch-order',
    says: 'a message of a lower epoch after a higher',
    events: planted(lastHeard, { kind: 'deliver', at: 1_303, client: ANN, seq: 3, tag: '150.zz', session: 'B', id: 2 }),
    place: `event ${lastHeard}, client ann`,
    too: ['heard-in-log'],
  },
  {
    rule: 'epoch-order',
    says: 'a reset of a lower epoch after a welcome of a higher',
    events: also({ kind: 'reset', at: 2_000, client: BOB, reason: 'forked', seq: 3, tag: '150.zz' }),
    place: `event ${SOUND.length}, client bob`,
  },
  {
    rule: 'complete',
    says: 'a client that was never told the last message',
    events: planted(lastHeard),
    place: 'end, client ann',
  },
  {
    rule: 'agreement',
    says: 'two clients that were told different things at one seq',
    events: planted(where('deliver', { client: BOB, seq: 2 }), {
      kind: 'deliver',
      at: 1_102,
      client: BOB,
      seq: 2,
      tag: NEW,
      session: 'A',
      id: 9,
    }),
    place: `event ${where('deliver', { client: BOB, seq: 2 })}, client bob`,
    too: ['heard-in-log'],
  },
  {
    rule: 'acked-in-log',
    says: 'an acked publish that the log has not',
    end: endOf(LOG.slice(0, 2)),
    place: `event ${lastAck}, client bob`,
    too: ['heard-in-log'],
  },
  {
    rule: 'acked-in-log',
    says: 'an acked publish that the log has at another seq',
    events: planted(lastAck, { kind: 'ok', at: 1_303, client: BOB, id: 2, seq: 2 }),
    place: `event ${lastAck}, client bob`,
  },
  {
    rule: 'acked-in-log',
    says: 'a loss that was told to one of two clients that had heard it',
    events: also({ kind: 'reset', at: 2_000, client: BOB, reason: 'log_lost', seq: 2, tag: '300.cc' }),
    end: endOf(LOG.slice(0, 2)),
    place: `event ${lastAck}, client bob`,
    too: ['heard-in-log', 'complete'],
  },
  {
    rule: 'acked-in-log',
    says: 'a loss that nobody had heard of, and that its sender was not told',
    events: [
      ...SOUND.filter(({ kind }, i) => i < lastHeard || kind !== 'deliver'),
      { kind: 'reset', at: 2_000, client: ANN, reason: 'log_lost', seq: 2, tag: '300.cc' },
    ],
    end: endOf(LOG.slice(0, 2)),
    place: `event ${lastAck - 2}, client bob`,
  },
  {
    rule: 'refused-is-unsaid',
    says: 'a refused publish that is in the log',
    end: endOf([...LOG, { seq: 4, tag: NEW, session: 'B', id: 1 }]),
    place: `event ${where('fail')}, client bob`,
    too: ['log-order'],
  },
  {
    rule: 'refused-is-unsaid',
    says: 'a refused publish that was heard',
    events: also({ kind: 'fail', at: 2_000, client: BOB, id: 3, code: 'settling' }, ...heardAfter(3)),
    end: endOf([...LOG, { seq: 4, tag: NEW, session: 'B', id: 3 }]),
    place: `event ${SOUND.length + 1}, client ann`,
  },
  {
    rule: 'refused-is-unsaid',
    says: 'a publish that was acked, then refused',
    events: also({ kind: 'fail', at: 2_000, client: ANN, id: 2, code: 'settling' }),
    place: `event ${SOUND.length}, client ann`,
  },
  {
    rule: 'has-outcome',
    says: 'a publish nobody answered',
    events: also({ kind: 'invoke', at: 2_000, client: ANN, id: 3, again: false }),
    place: `event ${SOUND.length}, client ann`,
  },
  {
    rule: 'log-sequence',
    says: 'a gap in the log',
    end: endOf([...LOG, { seq: 5, tag: NEW, session: null }]),
    place: 'log seq 5',
  },
  {
    rule: 'log-sequence',
    says: 'an entry of an old tag after a newer one',
    end: endOf([...LOG, { seq: 4, tag: OLD, session: null }]),
    place: 'log seq 4',
  },
  {
    rule: 'log-repeat',
    says: 'a publish that the log has twice',
    end: endOf([...LOG.slice(0, 1), { seq: 2, tag: NEW, session: 'A', id: 2 }, ...LOG.slice(2), twin()]),
    place: 'log seq 4',
    too: ['acked-in-log'],
  },
  {
    rule: 'log-order',
    says: 'a sender out of order in the log',
    end: endOf([...LOG, { seq: 4, tag: NEW, session: 'C', id: 2 }, { seq: 5, tag: NEW, session: 'C', id: 1 }]),
    place: 'log seq 5',
  },
  {
    rule: 'heard-in-log',
    says: 'a message that was heard and is another in the log',
    end: endOf([...LOG.slice(0, 2), { seq: 3, tag: NEW, session: 'B', id: 7 }]),
    place: `event ${lastHeard}, client ann`,
    too: ['acked-in-log'],
  },
  {
    rule: 'log-readable',
    says: 'a log that nobody could read',
    end: endOf('none'),
    place: 'end',
  },
  {
    rule: 'socket-closed',
    says: 'a socket that closed though its router had no fault',
    events: also({ kind: 'close', at: 2_000, client: ANN, code: 1011, ours: false }),
    end: endOf(LOG, ['B']),
    place: `event ${SOUND.length}, client ann`,
  },
  {
    rule: 'no-leave',
    says: 'a leave of a session that is seated',
    events: also({ kind: 'leave', at: 2_000, client: ANN, session: 'B' }),
    place: `event ${SOUND.length}, client ann`,
  },
  {
    rule: 'no-leave',
    says: 'a leave of a session that comes back from a killed router',
    events: planted(
      where('dial', { client: BOB, router: 'r1' }),
      { kind: 'leave', at: 1_050, client: ANN, session: 'B' },
      { kind: 'dial', at: 1_100, client: BOB, router: 'r1' },
    ),
    place: `event ${where('dial', { client: BOB, router: 'r1' })}, client ann`,
  },
  {
    rule: 'session-kept',
    says: 'a resume that became another session',
    events: planted(where('welcome', { resumed: true }), {
      kind: 'welcome',
      at: 1_101,
      client: BOB,
      session: 'Z',
      epoch: 200,
      seq: 1,
      tag: OLD,
      resumed: true,
    }),
    end: endOf(LOG, ['A', 'Z']),
    place: `event ${where('welcome', { resumed: true })}, client bob`,
    too: ['acked-in-log'],
  },
  {
    rule: 'presence',
    says: 'a seated session that presence lacks',
    end: endOf(LOG, ['A']),
    place: 'end',
  },
  {
    rule: 'presence',
    says: 'a ghost in presence',
    end: endOf(LOG, ['A', 'B', 'ghost']),
    place: 'end',
  },
  {
    rule: 'late-emit',
    says: 'a woken owner that speaks',
    events: also({ kind: 'emit', at: 2_000, room: 'lobby', incarnation: 'one', epoch: 100, type: 'cast' }),
    place: `event ${SOUND.length}, incarnation one`,
  },
  {
    rule: 'process-end',
    says: 'a process that crashed',
    events: also({ kind: 'process', at: 2_000, process: 'n2', act: 'crashed', code: '1' }),
    place: `event ${SOUND.length}, process n2`,
  },
];

function twin(): LogEntry {
  return { seq: 4, tag: NEW, session: 'B', id: 2 };
}

function heardAfter(id: number): HistoryEvent[] {
  return [ANN, BOB].map((client) => ({ kind: 'deliver', at: 2_001, client, seq: 4, tag: NEW, session: 'B', id }));
}

describe('a planted error is named with its place', () => {
  it.each(PLANTED)('$rule: $says', ({ rule, events = SOUND, end = endOf(), place, too = [] }) => {
    const { findings, broken } = check(historyOf(events), end);
    expect(findings.filter((found) => found.rule === rule)[0]).toMatchObject({ rule, place });
    expect(Object.keys(broken).sort()).toEqual([...new Set([rule, ...too])].sort());
  });

  it('history-whole: events that found no place', () => {
    const { findings } = check(historyOf(SOUND, 'durable', 3), endOf());
    expect(findings).toEqual([
      { rule: 'history-whole', room: '', place: `event ${SOUND.length}`, text: '3 events were not kept' },
    ]);
  });

  it('has one for each rule', () => {
    const rules: Readonly<Record<RuleName, true>> = {
      contiguous: true,
      'no-repeat': true,
      order: true,
      'epoch-order': true,
      complete: true,
      agreement: true,
      'acked-in-log': true,
      'refused-is-unsaid': true,
      'has-outcome': true,
      'log-sequence': true,
      'log-repeat': true,
      'log-order': true,
      'heard-in-log': true,
      'log-readable': true,
      'socket-closed': true,
      'no-leave': true,
      'session-kept': true,
      presence: true,
      'late-emit': true,
      'process-end': true,
      'history-whole': true,
    };
    expect(new Set(['history-whole', ...PLANTED.map(({ rule }) => rule)])).toEqual(new Set(Object.keys(rules)));
  });

  it('counts all and keeps some', () => {
    const ghosts = Array.from({ length: 50 }, (_, i): HistoryEvent => {
      return { kind: 'process', at: 3_000 + i, process: `n${i}`, act: 'crashed', code: '1' };
    });
    const { broken, findings } = check(historyOf(also(...ghosts)), endOf());
    expect(broken).toEqual({ 'process-end': 50 });
    expect(findings).toHaveLength(20);
  });

  it('holds relay rooms to what was heard, not to a log', () => {
    const events = planted(where('deliver', { client: BOB, seq: 2 }));
    expect(Object.keys(check(historyOf(events, 'relay'), endOf('none')).broken)).toEqual(['contiguous']);
    expect(check(historyOf(SOUND, 'relay'), endOf(LOG.slice(0, 1))).broken).toEqual({});
  });
});
