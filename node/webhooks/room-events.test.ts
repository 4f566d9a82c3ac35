import { expect, it } from 'vitest';
import { WEBHOOK_EVENTS, type WebhookEvent } from './event.ts';
import { RoomEvents } from './room-events.ts';

const ALL = new Set(WEBHOOK_EVENTS);
const NONE = { epoch: 0, number: 0 };
const come = (session: string, at = 5) => ({ session, user: `u-${session}`, present: true, at });
const go = (session: string, at = 6) => ({ session, user: `u-${session}`, present: false, at });
const types = (events: readonly { readonly json?: string | undefined }[]) =>
  events.flatMap(({ json }) => (json === undefined ? [] : [(JSON.parse(json) as WebhookEvent).type]));

it('tells the first arrival and the last departure as what they are', () => {
  const events = new RoomEvents('lobby', ALL, [], NONE);
  expect(types(events.take(come('a'), 9))).toEqual(['room.occupied', 'member.joined']);
  expect(types(events.take(come('b'), 9))).toEqual(['member.joined']);
  expect(types(events.take(go('a'), 9))).toEqual(['member.left']);
  expect(types(events.take(go('b'), 9))).toEqual(['member.left', 'room.vacated']);
});

it('names each event once and for good', () => {
  const events = new RoomEvents('lobby', ALL, [], NONE);
  const [, joined] = events.take(come('a', 77), 9);
  expect(JSON.parse(joined?.json ?? '')).toEqual({
    id: 'lobby/9/2',
    type: 'member.joined',
    room: 'lobby',
    at: 77,
    epoch: 9,
    number: 2,
    members: 1,
    user: 'u-a',
    session: 'a',
  });
});

it('numbers without a gap under one epoch, and anew under the next', () => {
  const events = new RoomEvents('lobby', ALL, [], NONE);
  const ids = [come('a'), come('b'), go('a')].flatMap((one) => events.take(one, 9)).map(({ id }) => id.number);
  expect(ids).toEqual([1, 2, 3, 4]);
  expect(events.take(come('c'), 10).map(({ id }) => id)).toEqual([{ epoch: 10, number: 1 }]);
});

it('goes on after what was numbered before', () => {
  const events = new RoomEvents('lobby', ALL, [], { epoch: 9, number: 40 });
  expect(events.take(come('a'), 9).map(({ id }) => id.number)).toEqual([41, 42]);
});

it('tells nothing twice', () => {
  const events = new RoomEvents('lobby', ALL, [{ session: 'a', user: 'u-a' }], NONE);
  expect(events.take(come('a'), 9)).toEqual([]);
  expect(events.take(go('z'), 9)).toEqual([]);
});

it('tells the difference between whom receivers believe to be there and who is', () => {
  const told = [
    { session: 'a', user: 'u-a' },
    { session: 'b', user: 'u-b' },
  ];
  const events = new RoomEvents('lobby', ALL, told, NONE);
  const difference = events.compare(
    new Map([
      ['b', 'u-b'],
      ['c', 'u-c'],
    ]),
    9,
    1,
  );
  expect(types(difference)).toEqual(['member.left', 'member.joined']);
  expect(events.members).toBe(2);
  // A room in which everybody is another now was empty between.
  const other = new RoomEvents('lobby', ALL, [{ session: 'a', user: 'u-a' }], NONE);
  expect(types(other.compare(new Map([['z', 'u-z']]), 9, 1))).toEqual([
    'member.left',
    'room.vacated',
    'room.occupied',
    'member.joined',
  ]);
});

it('keeps account also of what nobody wants to know', () => {
  const events = new RoomEvents('lobby', new Set(['room.occupied', 'room.vacated'] as const), [], NONE);
  const taken = [come('a'), come('b'), go('a'), go('b')].flatMap((one) => events.take(one, 9));
  expect(types(taken)).toEqual(['room.occupied', 'room.vacated']);
  expect(taken.flatMap(({ change }) => (change === undefined ? [] : [change.present]))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

it('gives Redis back whom it has lost, without a word', () => {
  const events = new RoomEvents('lobby', ALL, [], NONE);
  const unwritten = [come('a'), come('b')].flatMap((one) => events.take(one, 9)).slice(-1);
  expect(events.putBack([], unwritten)).toEqual([
    { id: { epoch: 9, number: 3 }, change: { session: 'a', user: 'u-a', present: true } },
  ]);
  expect(events.putBack([{ session: 'a' }], unwritten)).toEqual([]);
});
