/** The client library where tokens are asked for: an expired one is renewed, one that gives no right to the room ends it. */
import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect, type Room } from '../../client/index.ts';
import { useCluster } from './suite.ts';
import { until } from './wait.ts';

const SECRET = 'a secret that only tests of tokens use';
const cluster = useCluster({ nodes: 1, routers: 1, routerArgs: ['--jwt-secret', SECRET] });

function tokenFor(sub: string, livesSeconds: number, rooms = ['talk-*']): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + livesSeconds;
  return new SignJWT({ sub, rooms, exp }).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET));
}

const urlOf = (room: string) => `${cluster().router('r1').url.replace('http', 'ws')}/rooms/${room}`;
const isOpen = (room: Room) => until('the room is open', () => room.state.status === 'open');

test('a token that is too old is asked for again, and a resume shows the newest', async () => {
  const lives = [-3_600, 3_600, 3_600];
  let asked = 0;
  const sockets: WebSocket[] = [];
  class Recorded extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const room = connect(urlOf('talk-a'), { token: () => tokenFor('ada', lives[asked++] ?? -1), WebSocket: Recorded });
  const errors: string[] = [];
  room.on('error', ({ code }) => errors.push(code));
  await isOpen(room);
  expect([asked, errors, room.user]).toEqual([2, ['not_authenticated'], 'ada']);
  const { session } = room;
  const first = await room.publish('before');
  sockets.at(-1)?.terminate();
  await until('the loss is noticed', () => room.state.status !== 'open');
  expect(await room.publish('after')).toEqual({ seq: first.seq + 1, tag: first.tag });
  expect([asked, room.session]).toEqual([3, session]);
  room.close();
});

test('a token without a right to the room, and none at all, end it with their reasons', async () => {
  const foreign = connect(urlOf('other'), { token: () => tokenFor('ada', 3_600), WebSocket });
  const bare = connect(urlOf('talk-a'), { WebSocket });
  const waits = foreign.publish('never sent').catch((error: unknown) => error);
  await until('both are closed', () => [foreign, bare].every(({ state }) => state.status === 'closed'));
  expect(foreign.state).toMatchObject({ code: 4403, error: { code: 'not_allowed' } });
  expect(bare.state).toMatchObject({ code: 4401, error: { code: 'not_authenticated' } });
  expect(await waits).toMatchObject({ code: 'closed', retryable: false });
});
