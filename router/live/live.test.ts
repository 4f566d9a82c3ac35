import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BellhopError } from '../../shared/errors.ts';
import { FakeApiPorts, summary } from '../fake-api-ports.ts';
import { httpApi } from '../http-api.ts';
import type { ClusterLook } from './cluster-diff.ts';
import { Live, type Reports } from './live.ts';

interface Told {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

let ports: FakeApiPorts;
let live: Live;
let server: Server;
let base: string;
let monoMs = 1_000;
const look: { -readonly [K in keyof ClusterLook]: ClusterLook[K] } = {
  nodes: [],
  routers: [],
  redis: 'answered',
  runId: 'x',
};
const streams: AbortController[] = [];

async function start(reports?: Reports, apiToken?: string): Promise<void> {
  ports = new FakeApiPorts();
  ports.addNode('n1', [summary('room-1'), summary('room-2')]);
  ports.addNode('n2', [summary('other')]);
  live = new Live({
    ports,
    now: () => ({ monoMs, wallMs: 5 }),
    about: { router: 'r1', version: '1', cluster: 'c', workers: 1 },
    look: () => look,
    metrics: async () => `bellhop_router_client_messages_total ${monoMs}\n`,
    reports,
  });
  server = createServer(
    httpApi({
      ports,
      registry: new Registry(),
      live,
      apiTokens: apiToken === undefined ? [] : [{ scopes: ['read'], token: apiToken }],
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`;
}

beforeEach(() => start());
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.abort();
  live.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Reads a stream of events. */
async function listen(path: string, headers: Record<string, string> = {}): Promise<{ told: Told[]; status: number }> {
  const stop = new AbortController();
  streams.push(stop);
  const response = await fetch(base + path, { signal: stop.signal, headers });
  const told: Told[] = [];
  const read = async () => {
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
        if (event !== '') told.push({ event, data: JSON.parse(data) as Told['data'] });
      }
    }
  };
  void read().catch(() => undefined);
  return { told, status: response.status };
}

const until = (check: () => unknown) => vi.waitUntil(check, { timeout: 10_000, interval: 10 });

describe('the stream', () => {
  it('begins with a snapshot, ticks, and tells events as they happen', async () => {
    const { told } = await listen('/stream');
    await until(() => told.length > 0);
    expect(told[0]).toMatchObject({ event: 'snapshot', data: { about: { router: 'r1' }, redis: 'answered' } });
    expect(told[0]?.data['nodes']).toMatchObject([{ node: 'n1' }, { node: 'n2' }]);
    live.moved('room-1', 'n1', 'n2', 7);
    monoMs += 1_000;
    live.tick({ monoMs, wallMs: 9 });
    await until(() => told.some(({ event }) => event === 'tick'));
    expect(told.find(({ event }) => event === 'event')?.data).toMatchObject({
      kind: 'room.moved',
      from: 'n1',
      to: 'n2',
    });
    const tick = told.find(({ event }) => event === 'tick')?.data as { sample: { messagesIn: number } };
    expect(tick.sample.messagesIn).toBe(1_000);
    const { events } = (await (await fetch(`${base}/events`)).json()) as { events: unknown[] };
    expect(events).toMatchObject([{ id: 1, room: 'room-1', epoch: 7 }]);
  });

  it('names the rooms of every node where that is asked for', async () => {
    const { told } = await listen('/stream?rooms=1');
    await until(() => told.some(({ event }) => event === 'rooms'));
    const { nodes } = told.find(({ event }) => event === 'rooms')?.data ?? {};
    expect(nodes).toEqual({ n1: [0, 'room-1', 5, '2'], n2: [0, 'other'] });
  });

  it('is for holders of the token, and takes no more listeners than its bound', async () => {
    live.close();
    server.close();
    await start(undefined, 'a-token');
    expect((await listen('/stream')).status).toBe(401);
    const headers = { authorization: 'Bearer a-token' };
    const all = await Promise.all(Array.from({ length: 64 }, () => listen('/stream', headers)));
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await listen('/stream', headers)).status).toBe(429);
    streams[1]?.abort();
    await until(() => live.listeners < 64);
    expect((await listen('/stream', headers)).status).toBe(200);
  });

  it('tells of many rooms at once by their number', async () => {
    const { told } = await listen('/stream');
    await until(() => told.length > 0);
    for (let i = 0; i < 1_000; i++) live.moved(`r${i}`, 'n1', 'n2', 7);
    monoMs += 1_000;
    live.tick({ monoMs, wallMs: 9 });
    await until(() => told.some(({ event }) => event === 'missed'));
    expect(told.filter(({ event }) => event === 'event')).toHaveLength(200);
    expect(told.find(({ event }) => event === 'missed')?.data).toEqual({ rooms: 800 });
  });

  it('of a worker shows what the parent has numbered', async () => {
    live.close();
    server.close();
    const sent: unknown[] = [];
    await start({ send: (reports) => sent.push(...reports) });
    live.moved('room-1', undefined, 'n1', 3);
    monoMs += 1_000;
    live.tick({ monoMs, wallMs: 9 });
    expect(sent).toMatchObject([{ kind: 'room.claimed', room: 'room-1', to: 'n1' }]);
    expect(live.events.latest(10)).toEqual([]);
    live.tell([{ id: 41, at: 1, kind: 'room.claimed', room: 'room-1', to: 'n1', epoch: 3 }], 0);
    expect(live.events.latest(10)).toMatchObject([{ id: 41 }]);
  });
});

describe('a room’s tail', () => {
  const say = (count: number, from = 1) =>
    Array.from({ length: count }, (_, i) => ({ seq: from + i, at: 1, from: 'ada', data: `m${from + i}` }));
  let said: { seq: number }[] = [];
  const answer = (node: string, holds: () => boolean) =>
    ports.answers.set(node, (op, args) => {
      if (op !== 'messages' || !holds()) throw new BellhopError('not_owner');
      const { after, limit } = args as { after: number; limit: number };
      return { messages: said.filter(({ seq }) => seq > after).slice(0, limit), head: said.at(-1)?.seq ?? 0 };
    });

  it('tells what is said, follows the room, and says where the numbering began anew', async () => {
    let holder = 'n1';
    said = say(5);
    for (const node of ['n1', 'n2']) answer(node, () => holder === node);
    const { told } = await listen('/rooms/room-1/tail?history=2');
    await until(() => told.length >= 3);
    expect(told.map(({ event, data }) => [event, data['node'] ?? data['seq']])).toEqual([
      ['owner', 'n1'],
      ['message', 4],
      ['message', 5],
    ]);
    const late = await listen('/rooms/room-1/tail?history=1');
    await until(() => late.told.length === 2);
    expect(late.told.map(({ data }) => data['node'] ?? data['seq'])).toEqual(['n1', 5]);
    holder = 'n2';
    ports.owners.set('room-1', 'n2');
    said = say(7);
    await until(() => told.length >= 6);
    expect(told.slice(3).map(({ event, data }) => [event, data['node'] ?? data['seq']])).toEqual([
      ['owner', 'n2'],
      ['message', 6],
      ['message', 7],
    ]);
    said = say(1);
    await until(() => told.length >= 8);
    expect(told.slice(6)).toMatchObject([
      { event: 'reset' },
      { event: 'message', data: { seq: 1, from: 'ada', data: 'm1' } },
    ]);
    // What was numbered before is no past of this.
    const anew = await listen('/rooms/room-1/tail?history=100');
    await until(() => anew.told.length === 2);
    expect(anew.told.map(({ data }) => data['node'] ?? data['seq'])).toEqual(['n2', 1]);
    said = say(100, 50);
    await until(() => told.some(({ data }) => data['seq'] === 149));
    expect(told.find(({ event }) => event === 'skipped')?.data).toEqual({ from: 2, to: 49 });
  });

  it('asks nobody once the last listener has gone', async () => {
    said = say(1);
    answer('n1', () => true);
    const listeners = [await listen('/rooms/room-1/tail'), await listen('/rooms/room-1/tail')];
    await until(() => listeners.every(({ told }) => told.length > 0));
    expect(live.tails.rooms).toBe(1);
    for (const stream of streams.splice(0)) stream.abort();
    await until(() => live.tails.rooms === 0);
  });

  it('waits for a room that nobody owns, and ends for one that cannot be listened to', async () => {
    const absent = await listen('/rooms/nowhere/tail');
    await until(() => absent.told.length > 0);
    expect(absent.told).toEqual([{ event: 'owner', data: { node: null, epoch: null } }]);
    ports.answers.set('n1', () => {
      throw new BellhopError('unsupported');
    });
    const attended = await listen('/rooms/room-1/tail');
    await until(() => attended.told.some(({ event }) => event === 'end'));
    const again = await listen('/rooms/room-1/tail');
    await until(() => again.told.some(({ event }) => event === 'end'));
    expect((await listen('/rooms/%20/tail')).status).toBe(400);
  });
});

describe('a page of another origin', () => {
  it('changes nothing where no token is asked for', async () => {
    const send = (origin: string) => fetch(`${base}/rooms/room-1`, { method: 'DELETE', headers: { origin } });
    expect((await send('http://evil.example')).status).toBe(403);
    expect((await send(new URL(base).origin)).status).not.toBe(403);
  });
});
