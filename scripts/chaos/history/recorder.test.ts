import { expect, it } from 'vitest';
import type { HistoryEvent } from './events.ts';
import { Recorder } from './recorder.ts';

const EVENTS: readonly HistoryEvent[] = [
  { kind: 'dial', at: 1.25, client: 0, router: 'r1' },
  { kind: 'welcome', at: 2, client: 0, session: 's', epoch: 1_700_000_000_000, seq: 4, tag: '9.a', resumed: false },
  { kind: 'welcome', at: 3, client: 0, session: 's', epoch: 7, seq: 4, tag: '9.a', resumed: true },
  { kind: 'invoke', at: 4, client: 1, id: 3, again: true },
  { kind: 'ok', at: 5, client: 1, id: 3, seq: 8 },
  { kind: 'fail', at: 6, client: 1, id: 4, code: 'draining' },
  { kind: 'unknown', at: 6, client: 1, id: 5, code: 'owner_lost' },
  { kind: 'deliver', at: 7, client: 0, seq: 8, tag: '9.a', session: '', id: 0 },
  { kind: 'reset', at: 8, client: 0, reason: 'forked', seq: 9, tag: '10.b' },
  { kind: 'join', at: 9, client: 0, session: 't' },
  { kind: 'leave', at: 9, client: 0, session: 't' },
  { kind: 'close', at: 10, client: 0, code: 1006, ours: true },
  { kind: 'emit', at: 11, room: 'lobby', incarnation: 'i', epoch: 7, type: 'cast' },
  { kind: 'process', at: 12, process: 'n1', act: 'crashed', code: '1' },
  { kind: 'fault', at: 13, phase: 'begin', what: 'kill r1', routers: ['r1', 'r2'] },
  { kind: 'fault', at: 14, phase: 'end', what: 'kill n1', routers: [] },
];

it('gives back every kind of event as it was, as often as it is asked', () => {
  const history = new Recorder('durable');
  for (const event of EVENTS) history.add(event);
  expect([...history.events]).toEqual(EVENTS);
  expect([...history.events]).toEqual(EVENTS);
  expect(history.length).toBe(EVENTS.length);
});

it('keeps their order over many chunks', () => {
  const history = new Recorder('relay');
  for (let id = 1; id <= 40_000; id++) history.add({ kind: 'ok', at: id, client: 0, id, seq: id });
  let last = 0;
  for (const event of history.events) if (event.kind === 'ok' && event.id === last + 1) last = event.id;
  expect(last).toBe(40_000);
});

it('counts what is beyond its bound', () => {
  const history = new Recorder('relay', 3);
  for (const event of EVENTS) history.add(event);
  expect([...history.events]).toEqual(EVENTS.slice(0, 3));
  expect(history.dropped).toBe(EVENTS.length - 3);
});
