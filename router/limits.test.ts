import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { type Fixture, startFixture, until } from './clients-fixture.ts';
import { ComeBack } from './come-back.ts';
import { EdgeServer, type EdgeServerOptions } from './edge-server.ts';
import { Limits, type LimitsOptions } from './limits.ts';
import type { UserAccount } from './user-accounts.ts';

const NONE: LimitsOptions = { addressConnectRate: 0, userConnectRate: 0, userSessionsMax: 0, userMessageRate: 0 };
const clock = new ManualClock();

describe('at the door', () => {
  let edge: EdgeServer;
  let limits: Limits;
  let port = 0;
  let address: string | undefined;
  const entered: UserAccount[] = [];
  const opened: WebSocket[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const ws of opened.splice(0)) ws.terminate();
    for (const socket of sockets.splice(0)) socket.destroy();
    entered.length = 0;
    await edge.close();
  });

  async function start(asked: Partial<LimitsOptions>, options: Partial<EdgeServerOptions> = {}): Promise<void> {
    limits = new Limits(clock, { ...NONE, ...asked });
    edge = new EdgeServer({
      host: '127.0.0.1',
      port: 0,
      payloadBytesMax: 1_024,
      connectionsMax: 1_000,
      comeBack: new ComeBack(clock, new SeededRandom(1), { perSecond: 10 }),
      limits,
      addressOf: () => address,
      request: (_request, response) => response.end(),
      isReady: () => true,
      admit: async ({ room, user = 'ann' }) => {
        const session = 's'.repeat(22);
        return {
          ok: true,
          client: { room, user, session, seat: 1, since: 1, kind: 'join', cursor: undefined, history: 0 },
        };
      },
      accept: (client, ws) => {
        entered.push(limits.entered(client.user));
        ws.resume();
      },
      ...options,
    });
    port = await edge.start();
  }

  /** @returns `in`, the status of a refused upgrade, or the code of a close with what was told before */
  function enter(user: string): Promise<string> {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/rooms/lobby?user=${user}`, ['bellhop.v1']);
    opened.push(ws);
    const texts: string[] = [];
    const before = entered.length;
    return new Promise((resolve) => {
      ws.on('message', (data) => texts.push((JSON.parse(String(data)) as { code?: string }).code ?? 'notice'));
      ws.on('unexpected-response', (_request, { statusCode }) => resolve(`${statusCode}`));
      ws.on('error', () => undefined);
      ws.on('close', (code) => resolve([code, ...texts].join(' ')));
      void until(() => entered.length > before || ws.readyState === ws.CLOSED).then(() => {
        if (ws.readyState !== ws.CLOSED) resolve('in');
      });
    });
  }

  async function enterAll(user: string, count: number): Promise<string[]> {
    const answers: string[] = [];
    for (let i = 0; i < count; i++) answers.push(await enter(user));
    return answers;
  }

  it('42 an address that comes too often gets 503, another one comes in', async () => {
    await start({ addressConnectRate: 0.2 });
    address = '2001:db8::1';
    expect(await enterAll('ann', 3)).toEqual(['in', 'in', '503']);
    address = '2001:db8::2';
    expect(await enter('ann')).toBe('503');
    address = '192.0.2.1';
    expect(await enter('ann')).toBe('in');
    expect(limits.refused).toMatchObject({ address_rate: 2 });
  });

  it('42 a user that enters too often is told on its socket, another one comes in', async () => {
    await start({ userConnectRate: 0.2 });
    expect(await enterAll('ann', 3)).toEqual(['in', 'in', '1013 too_many notice']);
    expect(await enter('bob')).toBe('in');
    expect(limits.refused).toMatchObject({ user_rate: 1 });
  });

  it('42 a full router refuses, whoever comes', async () => {
    await start({}, { connectionsMax: 2 });
    expect(await enterAll('ann', 3)).toEqual(['in', 'in', '503']);
    expect(limits.refused).toMatchObject({ connections: 1 });
  });

  it('42 connections beyond all bounds are not taken', async () => {
    await start({}, { connectionsMax: 2, plainConnectionsMax: 1 });
    let ended = 0;
    for (let i = 0; i < 10; i++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.on('close', () => ended++);
      sockets.push(socket);
    }
    await until(() => ended === 7);
  });

  it('44 a user in as many rooms as it may be in is told so until it leaves one', async () => {
    await start({ userSessionsMax: 2 });
    expect(await enterAll('ann', 3)).toEqual(['in', 'in', '1013 too_many notice']);
    const [first] = entered;
    if (first !== undefined) limits.users.left(first);
    expect(await enterAll('ann', 2)).toEqual(['in', '1013 too_many notice']);
    expect(limits.refused).toMatchObject({ user_sessions: 2 });
  });

  it('44 many that are admitted at once are counted one by one', async () => {
    const release: (() => void)[] = [];
    await start(
      { userSessionsMax: 2 },
      {
        admit: async ({ room }) => {
          await new Promise<void>((resolve) => release.push(resolve));
          const session = 's'.repeat(22);
          return {
            ok: true,
            client: { room, user: 'ann', session, seat: 1, since: 1, kind: 'join', cursor: undefined, history: 0 },
          };
        },
      },
    );
    const answers = Array.from({ length: 6 }, () => enter('ann'));
    await until(() => release.length === 6);
    for (const go of release) go();
    await Promise.all(answers);
    expect(entered).toHaveLength(2);
    expect(limits.refused).toMatchObject({ user_sessions: 4 });
  });
});

describe('43 messages', () => {
  let fixture: Fixture;
  afterEach(() => fixture.close());

  it('43 of one user count over all of its sessions, and are refused by id', async () => {
    const limits = new Limits(clock, { ...NONE, userMessageRate: 5 });
    fixture = await startFixture({ limits, clock });
    const [a, b, other] = [await fixture.connect(), await fixture.connect(), await fixture.connect()];
    for (const { far } of [a, b]) if (far.client !== undefined) far.client.account = limits.entered('ann');
    if (other.far.client !== undefined) other.far.client.account = limits.entered('bob');
    for (let id = 1; id <= 4; id++) a.ws.send(`{"type":"publish","id":${id},"data":0}`);
    await until(() => fixture.events.frames.length === 4);
    for (let id = 1; id <= 3; id++) b.ws.send(`{"type":"publish","id":${id},"data":0}`);
    await until(() => b.texts.length === 2);
    expect(b.texts.map((text) => JSON.parse(text))).toMatchObject([
      { type: 'error', code: 'rate_limited', id: 2 },
      { type: 'error', code: 'rate_limited', id: 3 },
    ]);
    other.ws.send('{"type":"ping"}');
    await until(() => fixture.events.frames.length === 6);
    expect(a.texts).toEqual([]);
    expect(limits.refused).toMatchObject({ user_messages: 2 });
  });

  it('43 far beyond what the user may send, the session that sends them is closed', async () => {
    const limits = new Limits(clock, { ...NONE, userMessageRate: 5 });
    fixture = await startFixture({ limits, clock });
    const [loud, quiet] = [await fixture.connect(), await fixture.connect()];
    for (const { far } of [loud, quiet]) if (far.client !== undefined) far.client.account = limits.entered('ann');
    for (let i = 0; i < 60; i++) loud.ws.send('{"type":"ping"}');
    expect((await loud.closed).code).toBe(1008);
    expect(quiet.ws.readyState).toBe(WebSocket.OPEN);
    // It gave its place back, once.
    expect(limits.users.size).toBe(1);
    quiet.ws.close();
    await quiet.closed;
    await until(() => fixture.clients.sockets === 0);
    expect(limits.users.admit('ann')).toBeUndefined();
  });
});
