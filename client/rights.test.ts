import { expect, it } from 'vitest';
import { Bench, settled } from './client-fixture.ts';

it('28 shows a newer token on the open socket when it is asked to, and stays', async () => {
  let asked = 0;
  const bench = new Bench({ token: () => `token-${++asked}` });
  await settled();
  expect(bench.socket.protocols).toEqual(['bellhop.v1', 'bearer.token-1']);
  const socket = bench.seat();
  socket.say({ type: 'expiring', inMs: 30_000 });
  await settled();
  expect(socket.sent).toEqual([{ type: 'auth', token: 'token-2' }]);
  socket.say({ type: 'authenticated', expiresInMs: 60_000 });
  expect([bench.sockets.length, bench.room.state.status, bench.errors]).toEqual([1, 'open', []]);
});

it('a token that cannot be had, or comes too late, is told and sent to nobody', async () => {
  let give: (token: string) => void = () => undefined;
  const answers = [
    Promise.resolve('first'),
    Promise.reject(new Error('away')),
    new Promise<string>((resolve) => (give = resolve)),
  ];
  const bench = new Bench({ token: () => answers.shift() ?? 'later' });
  await settled();
  const socket = bench.seat();
  socket.say({ type: 'expiring', inMs: 30_000 });
  await settled();
  expect(bench.errors).toEqual(['token_failed']);
  socket.say({ type: 'expiring', inMs: 1 });
  bench.lose(4401);
  await settled();
  give('too late');
  await settled();
  expect([socket.sent, bench.socket.sent, bench.socket.protocols[1]]).toEqual([[], [], 'bearer.later']);
});

it('a token that is refused while the socket is open is told, and ends nothing', async () => {
  const bench = new Bench({ token: () => 'token' });
  await settled();
  const socket = bench.seat();
  socket.say({ type: 'expiring', inMs: 30_000 });
  socket.say({ type: 'error', code: 'not_authenticated', message: 'no', retryable: false });
  expect([bench.errors, bench.room.state.status]).toEqual([['not_authenticated'], 'open']);
});

it('22 asks for a ticket at every attempt, and shows it in the address', async () => {
  let asked = 0;
  const bench = new Bench({ ticket: async () => `ticket-${++asked}`, user: 'ada' });
  await settled();
  expect([bench.socket.parameter('ticket'), bench.socket.protocols]).toEqual(['ticket-1', ['bellhop.v1']]);
  bench.seat();
  bench.lose();
  await settled();
  expect([bench.socket.parameter('ticket'), bench.socket.parameter('session')]).toEqual([
    'ticket-2',
    bench.room.session,
  ]);
  for (const state of bench.states) expect(JSON.stringify(state)).not.toContain('ticket-');
  bench.lose(4401);
  await settled();
  expect(bench.socket.parameter('ticket')).toBe('ticket-3');
});
