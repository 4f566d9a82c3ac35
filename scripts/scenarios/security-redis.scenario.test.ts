/** Two clusters on one Redis, the first under the roles of deploy/redis/users.acl: what each process may ask of it, what it does ask, and
 *  what it says of its password. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { plainRedis } from '../../shared/testing/redis-client.ts';
import { type RedisServer, startRedis } from '../../shared/testing/redis-server.ts';
import { ScenarioClient } from './client.ts';
import { CLUSTER_NAME, Cluster } from './cluster.ts';
import { ROOT } from './processes.ts';
import { typeAndLeave } from './typed.ts';
import { until } from './wait.ts';

const PASSWORD = { router: 'planted-router-word', node: 'planted-node-word' } as const;
type Role = keyof typeof PASSWORD;
const ROOM = 'bh:room:{lobby}:owner';
const AT = (family: string) => `bh:{${CLUSTER_NAME}}:${family}`;

/** Otherwise those are refused before a role's rules are asked. */
const ASK_ACL = ['--enable-debug-command', 'yes', '--enable-module-command', 'yes'];

const folder = mkdtempSync(join(tmpdir(), 'bellhop-acl-'));
let redis: RedisServer;
let admin: Redis;
let one: Cluster;
let other: Cluster;
let receiver: Server;
/** Users of whom the first cluster's webhooks told that they joined. */
const joined = new Set<string>();
const roles = new Map<Role, Redis>();

const urlOf = (role: Role) => `redis://bellhop-${role}:${PASSWORD[role]}@127.0.0.1:${redis.port}`;

beforeAll(async () => {
  const shipped = readFileSync(join(ROOT, 'deploy/redis/users.acl'), 'utf8');
  const acl = shipped
    .replaceAll('{bellhop}', `{${CLUSTER_NAME}}`)
    .replace('replace-router-password', PASSWORD.router)
    .replace('replace-node-password', PASSWORD.node)
    // For looks behind the scenes, and the second cluster.
    .replace('user default off', 'user default on nopass ~* &* +@all');
  writeFileSync(join(folder, 'users.acl'), acl);
  redis = await startRedis({ args: ['--aclfile', join(folder, 'users.acl'), ...ASK_ACL] });
  admin = await plainRedis(redis.port);
  for (const role of ['router', 'node'] as const) {
    const client = new Redis(urlOf(role), {
      lazyConnect: true,
      protocol: 2,
      enableReadyCheck: false,
      disableClientInfo: true,
    });
    client.on('error', () => undefined);
    await client.connect();
    roles.set(role, client);
  }
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { events } = JSON.parse(Buffer.concat(chunks).toString()) as { events: { type: string; user?: string }[] };
      for (const { type, user } of events) if (type === 'member.joined') joined.add(user ?? '');
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const hooks = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  one = await Cluster.start({
    redis,
    nodes: 2,
    nodeArgs: ['--webhook-url', hooks, '--webhook-secret', 'a-secret-of-webhooks'],
    argsOf: (id) => ['--redis-url', urlOf(id.startsWith('n') ? 'node' : 'router')],
  });
  other = await Cluster.start({ redis, nodes: 2, prefix: 'other' });
});
afterAll(async () => {
  for (const client of [admin, ...roles.values()]) client?.disconnect();
  await other?.stop();
  await one?.stop();
  receiver?.closeAllConnections();
  await new Promise((resolve) => receiver?.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

async function refusal(client: Redis | undefined, command: string, ...args: (string | number)[]): Promise<string> {
  if (client === undefined) throw new Error('there is no such role');
  return client.call(command, ...args).then(
    () => 'done',
    (error: Error) => error.message,
  );
}

/** Talks in rooms of a cluster, kills an owner, and asks the API what it can be asked. */
async function live(cluster: Cluster): Promise<void> {
  const { url, api } = cluster.router('r1');
  const clients: ScenarioClient[] = [];
  for (let i = 0; i < 6; i++) {
    const client = await ScenarioClient.join({ url, room: `room-${i}`, user: `user-${i}` });
    clients.push(client);
    await client.say('before');
  }
  const get = (path: string) => api.status(`/api/v1${path}`);
  for (const path of [
    '/nodes',
    '/routers',
    '/rooms',
    '/rooms/room-1',
    '/rooms/room-1/presence',
    '/rooms/room-1/messages',
    '/rooms/room-1/explain',
    '/users/user-1',
    '/pins',
    '/audit',
  ]) {
    expect(await get(path), path).toBe(200);
  }
  const send = (method: string, path: string, body: unknown) =>
    fetch(`${url}/api/v1${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  expect((await send('POST', '/rooms/room-2/messages', { data: 'from a backend' })).status).toBeLessThan(300);
  expect((await send('POST', '/rooms/room-2/move', { node: 'n1' })).status).toBe(202);
  expect((await send('DELETE', '/rooms/room-2/pin', {})).status).toBe(200);

  cluster.node('n2').signal('SIGKILL');
  await until('every room answers again', async () => {
    for (const client of clients) await client.say('after');
    return true;
  });
  expect(clients.flatMap(({ closes }) => closes)).toEqual([]);
  await cluster.startNode('n2');
  for (const client of clients) client.close();
}

/** Has Redis tell each command, and whose it is. By a socket of our own: ioredis takes what comes in one read with the answer to MONITOR for
 *  the answers of other commands, and two clusters do not stand still meanwhile. */
async function monitored(hear: (source: string, command: readonly string[]) => void): Promise<Socket> {
  const socket = connect(redis.port, '127.0.0.1');
  const lines = createInterface({ input: socket });
  const begun = new Promise<void>((resolve, reject) => {
    lines.once('line', (line) => (line === '+OK' ? resolve() : reject(new Error(line))));
    socket.once('error', reject);
  });
  lines.on('line', (line) => {
    const source = /^\+[\d.]+ \[\d+ (\S+)\]/.exec(line)?.[1];
    if (source === undefined) return;
    hear(
      source,
      [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) => word),
    );
  });
  socket.write('MONITOR\r\n');
  await begun;
  return socket;
}

/** What `live` leaves out: webhooks, a compressing client, a ticket, a revocation, and a drain that is undone. */
async function useTheRest(cluster: Cluster): Promise<void> {
  const { url, api } = await cluster.startRouter('r2', ['--tickets']);
  const { status, body } = await api.post<{ ticket: string }>('/tickets', { user: 'tia', rooms: ['*'] });
  expect(status).toBe(201);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/rooms/room-7?ticket=${body.ticket}`, ['bellhop.v1']);
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  const first = await new Promise<string>((resolve, reject) => {
    socket.once('message', (data: Buffer) => resolve(data.toString()));
    socket.once('close', (code, reason) => reject(new Error(`${code} ${reason.toString()}`)));
  });
  expect(first).toMatch(/welcome/);
  expect((await api.post('/users/tia/revoke', {})).status).toBe(200);
  await closed;

  const client = await ScenarioClient.join({
    url: cluster.router('r1').url,
    room: 'room-8',
    user: 'pressed',
    compresses: true,
  });
  await client.say('x'.repeat(2_000));
  await until('the webhooks have told of who came', () =>
    ['tia', 'pressed', 'user-0'].every((user) => joined.has(user)),
  );
  const stateOf = async (node: string) => (await api.get<{ state: string }>(`/nodes/${node}`)).body.state;
  const owner = (await cluster.recordOf('room-8'))?.node ?? '';
  expect((await api.post(`/nodes/${owner}/drain`, {})).status).toBe(202);
  await until('the room has gone', async () => (await cluster.recordOf('room-8'))?.node !== owner);
  expect((await api.delete(`/nodes/${owner}/drain`)).status).toBeLessThan(300);
  await until('the node takes rooms again', async () => (await stateOf(owner)) === 'active');
  await client.say('after the drain');
  expect(client.closes).toEqual([]);
  client.close();
  const { body: audit } = await api.get<unknown>('/audit');
  for (const action of ['revoke', 'drain', 'undrain', 'move']) expect(JSON.stringify(audit)).toContain(action);
}

test('50 and 53 two clusters on one Redis, one under the shipped roles, live through all that they can do, and neither touches a key of the other', async () => {
  const prefixes = new Map<string, Set<string>>();
  const strays: string[] = [];
  let withinScripts = 0;
  let running = '';
  const prefixOf = (key: string) => key.slice(0, key.indexOf(':'));
  const monitor = await monitored((source, [command = '', ...args]) => {
    if (/^evalsha|eval$/i.test(command)) {
      const keys = args.slice(2, 2 + Number(args[1]));
      running = prefixOf(keys[0] ?? '');
      const seen = prefixes.get(source) ?? new Set();
      for (const key of keys) seen.add(prefixOf(key));
      prefixes.set(source, seen);
    }
    if (source === 'lua') withinScripts++;
    if (
      source === 'lua' &&
      !/^(info|time)$/i.test(command) &&
      prefixOf(args[command.toUpperCase() === 'XINFO' ? 1 : 0] ?? '') !== running
    ) {
      strays.push([command, ...args].join(' '));
    }
  });
  try {
    await Promise.all([live(one), live(other)]);
    await useTheRest(one);
  } finally {
    monitor.destroy();
  }
  expect(withinScripts).toBeGreaterThan(100);
  expect(strays).toEqual([]);
  const used = [...prefixes.values()].map((set) => [...set]);
  expect(used.filter((list) => list.length > 1)).toEqual([]);
  expect(new Set(used.flat())).toEqual(new Set(['bh', 'other']));
  expect(one.said()).not.toMatch(/NOPERM/);
  const denied = (await admin.call('acl', 'log')) as unknown[];
  expect(denied, JSON.stringify(denied)).toEqual([]);
});

describe('what a role may not', () => {
  /** Permitted to everybody, whatever a user's rules are. */
  const OPEN = ['auth', 'hello', 'quit', 'reset'];

  test.each(['router', 'node'] as const)('50 a %s is refused every command that it does not need', async (role) => {
    const rules = (await admin.call('acl', 'getuser', `bellhop-${role}`)) as unknown;
    const allowed = new Set(
      JSON.stringify(rules)
        .match(/\+[a-z|-]+/g)
        ?.map((word) => word.slice(1)),
    );
    expect(allowed.size).toBeGreaterThan(10);
    const table = (await admin.call('command')) as [string, number, ...unknown[]][];
    const commands = table.flatMap((row) => {
      const subs = Array.isArray(row[9]) ? (row[9] as [string, number][]) : [];
      return subs.length === 0 ? [[row[0], row[1]] as const] : subs.map(([name, arity]) => [name, arity] as const);
    });
    expect(commands.length).toBeGreaterThan(250);
    const passed: string[] = [];
    for (const [name, arity] of commands) {
      if (OPEN.includes(name) || allowed.has(name)) continue;
      const words = name.split('|');
      const padding = Array.from({ length: Math.max(0, Math.abs(arity) - words.length) }, () => '1');
      const [command = '', ...rest] = [...words, ...padding];
      const said = await refusal(roles.get(role), command, ...rest);
      if (!/\bNOPERM\b/.test(said)) passed.push(`${name}: ${said}`);
    }
    expect(passed).toEqual([]);
  });

  test.each([
    ['router', 'hset', ROOM, 'a', '1'],
    ['router', 'hset', AT('beats'), 'n1', 'x'],
    ['router', 'hset', 'bh:{another}:meta', 'gen', 'x'],
    ['router', 'xadd', 'bh:room:{lobby}:log', '9-0', 'a', 'b'],
    ['router', 'hget', 'other:room:{lobby}:owner', 'node'],
    ['node', 'hset', AT('pins'), 'lobby', 'x'],
    ['node', 'hset', AT('routers'), 'r1', 'x'],
    ['node', 'hget', 'bh:{another}:meta', 'gen'],
    ['node', 'hset', 'other:room:{lobby}:owner', 'a', '1'],
    ['node', 'set', 'somebody:else', '1'],
  ] as const)('50 a %s may not %s %s, by itself or in a script', async (role, command, key, ...args) => {
    const client = roles.get(role);
    expect(await refusal(client, command, key, ...args)).toMatch(/^NOPERM/);
    const script = `return redis.call('${command}', '${key}', unpack(ARGV))`;
    expect(await refusal(client, 'eval', script, 0, ...args)).toMatch(/can't (run|access)|^NOPERM/);
    const named = `return redis.call('${command}', KEYS[1], unpack(ARGV))`;
    expect(await refusal(client, 'eval', named, 1, key, ...args)).toMatch(/can't (run|access)|^NOPERM/);
  });
});

test('51 the password of Redis is in nothing that a process says or answers, nor in what the machine shows of it', async () => {
  const { url } = one.router('r1');
  const answers = await Promise.all(
    ['/api/v1/nodes', '/api/v1/routers', '/api/v1/rooms/lobby/explain', '/metrics', '/readyz', '/api/v1/nothing'].map(
      async (path) => (await fetch(`${url}${path}`)).text(),
    ),
  );
  // With a password that is refused, whose errors are another way out.
  const wrong = `redis://bellhop-node:wrong-${PASSWORD.node}@127.0.0.1:${redis.port}`;
  const locked = one.launchNode('n9', ['--redis-url', wrong, '--log-level', 'debug']);
  await until('it has been refused', () => locked.said.length > 0);
  const shown = [...one.nodes.values(), one.router('r1').process]
    .filter(({ exit }) => exit === undefined)
    .map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  expect(shown.length).toBeGreaterThan(1);
  await locked.kill();
  const all = [...answers, ...shown, one.said(), locked.said].join('\n');
  expect(all).not.toMatch(/planted-(router|node)-word/);
});

test('51 nor does the machine show it, or another secret, of parents that were given it as a flag, or of their workers', async () => {
  const secrets = ['--redis-url', `redis://default:planted-flag-word@127.0.0.1:${redis.port}`, '--prefix', 'flagged'];
  const common = [...secrets, '--secret', 'planted-flag-word-of-links', '--log-format', 'json'];
  const node = typeAndLeave('flagged node', ['node', '--id', 'n1', ...common]);
  const router = typeAndLeave('flagged router', ['router', '--id', 'r1', '--port', '0', '--workers', '2', ...common]);
  try {
    // Workers were never given it as a flag, so they have nothing to hide.
    const isWorker = (line: string) => /--(incarnation|worker)=/.test(line);
    let shown: readonly string[] = [];
    await until('three workers run', () => {
      shown = commandLines([node.pid, router.pid]);
      return shown.filter(isWorker).length === 3;
    });
    expect(shown.length).toBeGreaterThanOrEqual(5);
    expect(shown.join('\n')).not.toContain('planted-flag-word');
  } finally {
    for (const each of [node, router]) each.signal('SIGTERM');
    await Promise.all([node.exited, router.exited]);
  }
  expect(node.said + router.said).not.toContain('planted-flag-word');
});

/** What `ps` shows of these processes and their children. */
function commandLines(parents: readonly number[]): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      const isOne = parents.includes(Number(pid)) || parents.includes(Number(parent));
      return isOne ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8')] : [];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}

test('52 a process whose periods do not go with those of the cluster, or whose Redis URL is none, ends with 2 and a sentence', async () => {
  const slow = ['--fence-ms', '60000', '--dead-ms', '70000', '--grace-ms', '70000'];
  const late = other.launchNode('late', slow);
  expect(await late.exited).toEqual({ code: 2, signal: null });
  expect(late.said).toMatch(/bellhop node: fenceMs \(60000\) is too long for a living observer's deadMs/);
  const lost = other.launchNode('lost', ['--redis-url', 'redis://somebody:planted-url-word@host:port']);
  expect(await lost.exited).toEqual({ code: 2, signal: null });
  expect(lost.said).toMatch(/bellhop node: --redis-url: /);
  expect(lost.said).not.toMatch(/planted-url-word/);
});
