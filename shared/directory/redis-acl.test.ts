/** The directory under the roles of deploy/redis/users.acl: everything that routers and nodes do there is allowed to them, in every branch
 *  that the conformance suite takes, and nothing is allowed that neither needs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { passTime, plainRedis, redisTime } from '../testing/redis-client.ts';
import { type RedisServer, startRedis } from '../testing/redis-server.ts';
import { CONFORMANCE_CERTS_MAX, directoryConformance } from './conformance.ts';
import type { Args, Directory, Operation, Reply } from './directory.ts';
import { routerRecord, token } from './example-records.ts';
import { DIRECTORY_CONNECTIONS } from './plan.ts';
import { RedisDirectory } from './redis-directory.ts';
import { loadScript } from './scripts.ts';

type Role = 'router' | 'node';
const ROLES: readonly Role[] = ['router', 'node'];
const PASSWORD: Readonly<Record<Role, string>> = { router: 'a-router-word', node: 'a-node-word' };
const TIMINGS = { commandTimeoutMs: 20_000, reconnectMs: 5_000 };
const A = token('a');

/** Who calls an operation. */
const CALLED_BY: { readonly [K in Operation]: readonly Role[] } = {
  readCluster: ['router', 'node'],
  // Of whoever starts a cluster for the first time; each node names it as well when it registers.
  createHistory: ['node'],
  register: ['node'],
  heartbeat: ['node'],
  setState: ['node'],
  leave: ['node'],
  certify: ['router', 'node'],
  standing: ['node'],
  registerRouter: ['router'],
  refreshRouter: ['router'],
  removeRouter: ['router'],
  setPin: ['router'],
  removePin: ['router'],
  appendAudit: ['router'],
  readAudit: ['router'],
  readRoom: ['router', 'node'],
  claim: ['node'],
  release: ['node'],
  transfer: ['node'],
  append: ['node'],
  readLog: ['router', 'node'],
  openLog: ['node'],
  writePresence: ['node'],
  readPresence: ['router', 'node'],
  writeUser: ['node'],
  readUser: ['router'],
  openOutbox: ['node'],
  writeOutbox: ['node'],
  trimOutbox: ['node'],
  writeTellers: ['node'],
  readTellers: ['node'],
  scanRooms: ['node'],
  expireRoom: ['node'],
  putTicket: ['router'],
  takeTicket: ['router'],
  revoke: ['router'],
  readRevoked: ['router'],
};
/** The script of an operation, where it is not called as the operation is. */
const READ_HASH = 'read-hash';
const NAMED_OTHERWISE: Partial<Readonly<Record<Operation, string>>> = {
  readPresence: READ_HASH,
  readUser: READ_HASH,
  readTellers: READ_HASH,
};
const scriptOf = (operation: Operation): string =>
  NAMED_OTHERWISE[operation] ?? operation.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const OPERATIONS = Object.keys(CALLED_BY) as Operation[];

const SHIPPED = readFileSync(new URL('../../deploy/redis/users.acl', import.meta.url), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'bellhop-acl-'));
let server: RedisServer;
let admin: Redis;
let runId: string;
const directories = new Map<Role, RedisDirectory>();

function directoryOf(role: Role): RedisDirectory {
  const directory = directories.get(role);
  if (directory === undefined) throw new Error(`no directory is open for a ${role}`);
  return directory;
}

async function open(role: Role): Promise<void> {
  const url = `redis://bellhop-${role}:${PASSWORD[role]}@127.0.0.1:${server.port}`;
  const directory = RedisDirectory.connect({
    url,
    cluster: 'bellhop',
    timings: TIMINGS,
    certsMax: CONFORMANCE_CERTS_MAX,
  });
  directories.set(role, directory);
  const up = new Set<string>();
  const complete = new Promise<void>((resolve) => {
    directory.onState((event) => {
      if (event.kind === 'up' && up.add(event.connection).size === DIRECTORY_CONNECTIONS.length) resolve();
    });
  });
  directory.start();
  await complete;
}

beforeAll(async () => {
  const acl = SHIPPED.replace('replace-router-password', PASSWORD.router)
    .replace('replace-node-password', PASSWORD.node)
    .replace('user default off', 'user default on nopass ~* &* +@all');
  writeFileSync(join(folder, 'users.acl'), acl);
  server = await startRedis({ args: ['--aclfile', join(folder, 'users.acl')] });
  admin = await plainRedis(server.port);
  await Promise.all(ROLES.map(open));
  runId = (await directoryOf('router').call('readCluster', {})).runId;
});

beforeEach(() => admin.flushall());

afterAll(async () => {
  for (const directory of directories.values()) await directory.close();
  admin?.disconnect();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const called = new Set<string>();
const turns = new Map<Operation, number>();

/** Each operation as those who call it, in turn. */
const byRole: Directory = {
  call<K extends Operation>(operation: K, args: Args<K>): Promise<Reply<K>> {
    const roles = CALLED_BY[operation];
    const next = (turns.get(operation) ?? 0) % roles.length;
    turns.set(operation, next + 1);
    const role = roles[next];
    if (role === undefined) throw new Error(`nobody calls ${operation}`);
    called.add(`${role} ${operation}`);
    return directoryOf(role).call(operation, args);
  },
  useRun(run) {
    for (const directory of directories.values()) directory.useRun(run);
  },
};

directoryConformance('50 the directory, each operation called as a role that calls it,', async () => ({
  directory: byRole,
  runId,
  passTime: (ms) => passTime(admin, ms),
  now: () => redisTime(admin),
}));

test('50 that was every operation as each role that calls it, and Redis refused nothing, also within scripts', async () => {
  const wanted = OPERATIONS.flatMap((operation) => CALLED_BY[operation].map((role) => `${role} ${operation}`));
  expect([...called].sort()).toEqual(wanted.sort());
  const denied = (await admin.call('acl', 'log')) as unknown[];
  expect(denied, JSON.stringify(denied)).toEqual([]);
});

describe('50 what the file of the roles says', () => {
  /** Of the connection, whatever is called: the look at the server, its clock, the map of a Redis Cluster, the scripts themselves. */
  const OF_CONNECTIONS = ['ping', 'info', 'time', 'client|setname', 'cluster|slots', 'eval', 'evalsha'];

  const commandsIn = (script: string): string[] =>
    [...loadScript(script).source.matchAll(/\b(?:call|pcall|add)\('([A-Z]+)'(?:, '(STREAM)')?/g)].map(
      ([, command = '', sub]) => (sub === undefined ? command : `${command}|${sub}`).toLowerCase(),
    );

  test.each(ROLES)('allows a %s the commands of its scripts and of its connections, and no other', (role) => {
    const line = SHIPPED.split('\n').find((one) => one.startsWith(`user bellhop-${role} `)) ?? '';
    const allowed = new Set([...line.matchAll(/\+([a-z|]+)/g)].map(([, command = '']) => command));
    const needed = new Set(OF_CONNECTIONS);
    for (const operation of OPERATIONS) {
      if (!CALLED_BY[operation].includes(role)) continue;
      const commands = commandsIn(scriptOf(operation));
      expect(commands.length, operation).toBeGreaterThan(0);
      for (const command of commands) needed.add(command);
    }
    expect([...allowed].sort()).toEqual([...needed].sort());
  });
});

test.each([
  ['node', 'setPin', { pin: { room: 'lobby', node: 'n1', by: 'ann', at: 1 } }],
  ['node', 'appendAudit', { entry: { by: 'ann', action: 'drain' } }],
  ['node', 'registerRouter', { record: routerRecord('r1', A) }],
  ['node', 'putTicket', { ticket: '0'.repeat(64), grant: { user: 'ann', rooms: ['*'] }, lifeMs: 1_000 }],
  ['node', 'revoke', { user: 'ann', keepMs: 1_000, marksMax: 10 }],
  ['router', 'writeTellers', { incarnation: A, add: ['lobby'], drop: [] }],
  ['router', 'openOutbox', { room: 'lobby', epoch: 1, expireMs: 1_000 }],
  ['router', 'writeUser', { user: 'ann', set: {}, remove: [{ session: 's1', epoch: 1 }], expireMs: 1_000 }],
] as const)('50 a %s is refused %s', async (role, operation, args) => {
  await expect(directoryOf(role).call(operation, args)).rejects.toMatchObject({ code: 'bad-reply' });
  // Who may count in the membership's record has counted when the refusal comes; nothing else is there.
  expect((await admin.keys('*')).filter((key) => key !== 'bh:{bellhop}:meta')).toEqual([]);
});

test.each([
  ['that the role may not choose', 'bellhop-router:a-router-word@', '3', /NOPERM.*select/],
  ['that there is not', '', '4711', /out of range/],
])('50 a database %s is no connection, and not database 0 instead', async (_what, credentials, db, why) => {
  const url = `redis://${credentials}127.0.0.1:${server.port}/${db}`;
  const directory = RedisDirectory.connect({ url, cluster: 'bellhop', timings: TIMINGS, connections: ['bulk'] });
  const heard = new Promise((resolve) => directory.onState(resolve));
  directory.start();
  try {
    expect(await heard).toMatchObject({ kind: 'down', reason: expect.stringMatching(why) });
  } finally {
    await directory.close();
  }
});
