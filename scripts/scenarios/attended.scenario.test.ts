/** Two y-websocket servers that know nothing of Bellhop, an attendant beside each, two routers: one document has one server, whatever
 *  happens to servers, attendants and routers, and its clients find it again. */
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { WebsocketProvider } from 'y-websocket';
import { Doc } from 'yjs';
import type { NodeAnswer, PresenceAnswer, RoomAnswer } from './api.ts';
import { CLUSTER_NAME } from './cluster.ts';
import { type ClusterProcess, launch, launchCommand } from './processes.ts';
import { useCluster } from './suite.ts';
import { until } from './wait.ts';

const cluster = useCluster({ nodes: 1, routers: 2 });
/** What the package's command runs; its exports do not name it. */
const Y_SERVER = join(
  dirname(createRequire(import.meta.url).resolve('@y/websocket-server/package.json')),
  'src/server.js',
);

interface Service {
  readonly port: number;
  server: ClusterProcess;
  attendant: ClusterProcess;
}

const services = new Map<string, Service>();
const started: ClusterProcess[] = [];
const editors: Editor[] = [];

/** One client of a document, as a page would be. */
class Editor {
  readonly doc = new Doc();
  readonly provider: WebsocketProvider;

  constructor(router: string, room: string, user: string) {
    const url = cluster().router(router).url.replace('http:', 'ws:');
    this.provider = new WebsocketProvider(`${url}/rooms`, room, this.doc, {
      WebSocketPolyfill: WebSocket as never,
      params: { user },
      disableBc: true,
      maxBackoffTime: 500,
    });
    // Refused upgrades are part of the scenario; the provider tries again.
    this.provider.on('connection-error', () => undefined);
    editors.push(this);
  }

  get text(): string {
    return this.doc.getText('t').toString();
  }

  say(text: string): void {
    this.doc.getText('t').insert(this.text.length, text);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error()),
      );
    });
  });
}

function startServer(id: string, port: number): ClusterProcess {
  const server = launchCommand(`${id}-server`, [process.execPath, Y_SERVER], { HOST: '127.0.0.1', PORT: String(port) });
  started.push(server);
  return server;
}

function startAttendant(id: string, port: number): ClusterProcess {
  const attendant = launch(id, 'node/main.js', [
    ...['--id', id, '--redis-url', cluster().redis.url, '--cluster', CLUSTER_NAME],
    ...['--target', `ws://127.0.0.1:${port}`, '--rooms', 'y-*', '--service', 'yjs'],
    ...['--health-interval-ms', '200', '--room-idle-ms', '1000'],
  ]);
  started.push(attendant);
  return attendant;
}

async function start(id: string): Promise<void> {
  const port = services.get(id)?.port ?? (await freePort());
  const service = { port, server: startServer(id, port), attendant: startAttendant(id, port) };
  services.set(id, service);
  await service.attendant.ready;
  await stateIs(id, 'active');
}

async function stateIs(id: string, state: string): Promise<void> {
  for (const { api } of cluster().routers.values()) {
    await until(`${id} is ${state}`, async () => {
      const answer = await api.get<{ readonly nodes: readonly (NodeAnswer & { readonly linked: boolean })[] }>(
        '/nodes',
      );
      const node = answer.body.nodes.find((one) => one.node === id);
      return node?.state === state && (state !== 'active' || node.linked);
    });
  }
}

function service(id: string): Service {
  const found = services.get(id);
  if (found === undefined) throw new Error(`there is no service ${id}`);
  return found;
}

async function ownerOf(room: string): Promise<string> {
  return (await until('the room has an owner', () => cluster().recordOf(room))).node;
}

const other = (id: string) => (id === 'y1' ? 'y2' : 'y1');

/** Both say something, and both see all of it. */
async function converge(a: Editor, b: Editor, word: string): Promise<void> {
  a.say(`${word}-a `);
  b.say(`${word}-b `);
  await until(`both see what was said at ${word}`, () => {
    return a.text === b.text && a.text.includes(`${word}-a`) && a.text.includes(`${word}-b`);
  });
}

async function presence(router: string, room: string): Promise<PresenceAnswer> {
  return (await cluster().router(router).api.presence(room)).body;
}

async function untilPresent(room: string, users: readonly string[]): Promise<void> {
  for (const router of ['r1', 'r2']) {
    await until(`${router} shows ${users.join(' and ')} in ${room}`, async () => {
      const { users: shown = [], count } = await presence(router, room);
      return count === users.length && JSON.stringify(shown.map(({ user }) => user).sort()) === JSON.stringify(users);
    });
  }
}

beforeAll(async () => {
  await Promise.all([start('y1'), start('y2')]);
});
afterEach(() => {
  for (const { provider, doc } of editors.splice(0)) {
    provider.destroy();
    doc.destroy();
  }
});
afterAll(async () => {
  await Promise.all(started.map((one) => one.kill()));
});

describe('a document', () => {
  test('is one for clients of both routers, and the API knows who is there', async () => {
    const a = new Editor('r1', 'y-one', 'ann');
    const b = new Editor('r2', 'y-one', 'bob');
    await converge(a, b, 'one');
    await untilPresent('y-one', ['ann', 'bob']);
    const { api } = cluster().router('r2');
    const user = await api.user('ann');
    expect(user.body.sessions).toMatchObject([{ room: 'y-one', node: await ownerOf('y-one'), router: 'r1' }]);
    const room = (await api.get<RoomAnswer & { readonly program: string }>('/rooms/y-one')).body;
    expect(room).toMatchObject({ sessions: 2, program: 'attended:yjs' });
    b.provider.disconnect();
    await untilPresent('y-one', ['ann']);
  });

  test('cannot be spoken to by Bellhop', async () => {
    const { api } = cluster().router('r1');
    const error = { code: 'unsupported', retryable: false };
    expect(await api.post('/rooms/y-one/messages', { data: 1 })).toMatchObject({ status: 501, body: { error } });
    expect(await api.get('/rooms/y-one/messages')).toMatchObject({ status: 501, body: { error } });
  });

  test('loses whom an operator disconnects, who may come back as another session', async () => {
    const a = new Editor('r1', 'y-kick', 'eve');
    await until('it is connected', () => a.provider.wsconnected);
    await untilPresent('y-kick', ['eve']);
    const [before] = (await cluster().router('r2').api.user('eve')).body.sessions;
    const url = `${cluster().router('r2').url}/api/v1/users/eve/sessions`;
    expect(await (await fetch(url, { method: 'DELETE' })).json()).toMatchObject({ sessions: 1, closed: 1 });
    await until('it has another session', async () => {
      const { sessions } = (await cluster().router('r1').api.user('eve')).body;
      return sessions?.length === 1 && sessions[0]?.session !== before?.session;
    });
  });

  test('goes to the other attendant when its own and its server are killed', async () => {
    const a = new Editor('r1', 'y-kill', 'ann');
    const b = new Editor('r2', 'y-kill', 'bob');
    await converge(a, b, 'before');
    const first = await ownerOf('y-kill');
    service(first).attendant.signal('SIGKILL');
    service(first).server.signal('SIGKILL');
    await converge(a, b, 'after');
    expect(await ownerOf('y-kill')).toBe(other(first));
    // Nobody is counted twice: whoever was there before has come back as another session.
    await untilPresent('y-kill', ['ann', 'bob']);
    await start(first);
  });

  test('goes to the other attendant when its attendant alone is killed: the old server is cut off', async () => {
    const a = new Editor('r1', 'y-half', 'ann');
    const b = new Editor('r2', 'y-half', 'bob');
    await converge(a, b, 'before');
    const first = await ownerOf('y-half');
    service(first).attendant.signal('SIGKILL');
    await until('another owner', async () => (await ownerOf('y-half')) === other(first));
    await converge(a, b, 'after');
    await untilPresent('y-half', ['ann', 'bob']);
    service(first).attendant = startAttendant(first, service(first).port);
    await service(first).attendant.ready;
    await stateIs(first, 'active');
  });

  test('goes to the other attendant while its server is ill, and its attendant takes rooms again once it is well', async () => {
    const a = new Editor('r1', 'y-ill', 'ann');
    const b = new Editor('r2', 'y-ill', 'bob');
    await converge(a, b, 'before');
    const first = await ownerOf('y-ill');
    service(first).server.signal('SIGKILL');
    await stateIs(first, 'draining');
    await until('another owner', async () => (await ownerOf('y-ill')) === other(first));
    await converge(a, b, 'after');
    await untilPresent('y-ill', ['ann', 'bob']);
    service(first).server = startServer(first, service(first).port);
    await stateIs(first, 'active');
    expect(service(first).attendant.exit).toBeUndefined();
  });

  test('is handed over when its attendant drains', async () => {
    const a = new Editor('r1', 'y-drain', 'ann');
    const b = new Editor('r2', 'y-drain', 'bob');
    await converge(a, b, 'before');
    const first = await ownerOf('y-drain');
    service(first).attendant.signal('SIGTERM');
    expect(await service(first).attendant.exited).toMatchObject({ code: 0 });
    expect(await ownerOf('y-drain')).toBe(other(first));
    await converge(a, b, 'after');
    await untilPresent('y-drain', ['ann', 'bob']);
    service(first).server.signal('SIGKILL');
    await service(first).server.exited;
    await start(first);
  });
});

test('rooms of other programs go on as they were', async () => {
  const url = cluster().router('r1').url.replace('http:', 'ws:');
  const socket = new WebSocket(`${url}/rooms/lobby?user=ann`);
  const first = await new Promise<string>((resolve, reject) => {
    socket.once('message', (data) => resolve(String(data)));
    socket.once('error', reject);
  });
  expect(JSON.parse(first)).toMatchObject({ type: 'welcome', room: 'lobby', user: 'ann' });
  socket.close();
});

test('no process crashed', () => {
  expect(cluster().crashes()).toEqual([]);
  expect(started.filter(({ exit }) => exit?.code === 1).map(({ name, said }) => `${name}\n${said}`)).toEqual([]);
});
