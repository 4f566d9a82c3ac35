/** The configurations of deploy/nginx and deploy/haproxy in front of two routers: clients of the client library through each, with TLS and
 *  without, a reload of the proxy, and the death of a router. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../../client/index.ts';
import { findHaproxy, findNginx, findOpenssl } from '../bootstrap/operators.mjs';
import { deployed } from '../prometheus-files.ts';
import { Beside, freePort } from './beside.ts';
import { useCluster } from './suite.ts';
import { talkFaults } from './talk-faults.ts';
import { Talker, type TalkRecord } from './talker.ts';
import { until } from './wait.ts';

const NAMES = ['ada', 'bob', 'cleo', 'dan'];
const EVERY_MS = 100;

const cluster = useCluster({ nodes: 2, routers: 2 });
const beside = new Beside();
const talkers: Talker[] = [];
afterAll(async () => {
  for (const talker of talkers) talker.close();
  await beside.stop();
});

interface Proxy {
  readonly http: number;
  readonly tls: number;
  /** Has it read its configuration again, which answers 204 at `/reloaded` then. */
  readonly reload: () => void;
}

const proxies = new Map<string, Proxy>();
let certificate = '';

function makeCertificate(): void {
  const folder = join(beside.folder, 'tls');
  mkdirSync(folder);
  const [key, cert] = [join(folder, 'privkey.pem'), join(folder, 'fullchain.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  execFileSync(
    findOpenssl(),
    ['req', '-x509', ...curve, '-nodes', '-days', '2', ...subject, '-keyout', key, '-out', cert],
    {
      stdio: 'pipe',
    },
  );
  certificate = readFileSync(cert, 'utf8');
  // HAProxy wants both in one file.
  mkdirSync(join(beside.folder, 'pem'));
  beside.file('pem/both.pem', certificate + readFileSync(key, 'utf8'));
}

const read = (path: string) => readFileSync(deployed(path), 'utf8');
const routerAddress = (text: string) =>
  ['r1', 'r2'].reduce(
    (all, id, i) => all.replaceAll(`router-${i + 1}:8080`, new URL(cluster().router(id).url).host),
    text,
  );

async function startNginx(): Promise<Proxy> {
  const [http, tls] = [await freePort(), await freePort()];
  const folder = beside.folder;
  const plain = routerAddress(read('nginx/bellhop.conf')).replace('listen 8080', `listen 127.0.0.1:${http}`);
  const secure = read('nginx/bellhop-tls.conf')
    .replace('listen 443', `listen 127.0.0.1:${tls}`)
    .replaceAll('/etc/nginx/tls', join(folder, 'tls'));
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const main = `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr warn;
events { worker_connections 512; }
http { access_log off; ${paths.join(' ')}
${plain}
${secure}}`;
  const file = beside.file('nginx.conf', main);
  const process = await beside.start('nginx', [findNginx(), '-e', 'stderr', '-p', folder, '-c', file], http);
  const reload = () => {
    beside.file('nginx.conf', main.replace('location = /metrics', 'location = /reloaded { return 204; }\n$&'));
    process.signal('SIGHUP');
  };
  return { http, tls, reload };
}

async function startHaproxy(): Promise<Proxy> {
  const [http, tls] = [await freePort(), await freePort()];
  const config = routerAddress(read('haproxy/haproxy.cfg'))
    .replace('bind :8080', `bind 127.0.0.1:${http}`)
    .replace('bind :8443', `bind 127.0.0.1:${tls}`)
    .replace('/etc/haproxy/tls/', join(beside.folder, 'pem/'))
    // What this machine lets a process open.
    .replace('maxconn 100000', 'maxconn 500');
  const file = beside.file('haproxy.cfg', config);
  const process = await beside.start('haproxy', [findHaproxy(), '-W', '-db', '-f', file], http);
  const reload = () => {
    beside.file(
      'haproxy.cfg',
      config.replace('  http-request', '  http-request return status 204 if { path /reloaded }\n$&'),
    );
    process.signal('SIGUSR2');
  };
  return { http, tls, reload };
}

function proxyOf(name: string): Proxy {
  const proxy = proxies.get(name);
  if (proxy === undefined) throw new Error(`${name} did not start`);
  return proxy;
}

class TrustingSocket extends WebSocket {
  constructor(url: string, protocols?: string | string[]) {
    super(url, protocols, { ca: certificate });
  }
}

/** Every other one by TLS. */
function join4(name: string): Talker[] {
  const { http, tls } = proxyOf(name);
  return NAMES.map((user, i) => {
    const url = i % 2 === 0 ? `ws://127.0.0.1:${http}` : `wss://127.0.0.1:${tls}`;
    const talker = new Talker(connect(`${url}/rooms/${name}`, { user, WebSocket: TrustingSocket }), user);
    talkers.push(talker);
    return talker;
  });
}

const recordsOf = (all: readonly Talker[]): TalkRecord[] => all.map((talker) => talker.record());

async function expectSoundTalk(all: readonly Talker[]): Promise<void> {
  const before = recordsOf(all);
  await until('everyone says more', () =>
    recordsOf(all).every(({ acked }, i) => acked.length > (before[i]?.acked.length ?? 0) + 3),
  );
  for (const talker of all) talker.stop();
  await until('everyone heard all', () => {
    const faults = talkFaults(recordsOf(all));
    if (faults.length > 0) throw new Error(faults.slice(0, 5).join('; '));
    return true;
  });
  for (const talker of all) talker.start(EVERY_MS);
}

/** The talkers of each proxy from the beginning to the end. */
const talks = new Map<string, Talker[]>();

beforeAll(async () => {
  makeCertificate();
  proxies.set('nginx', await startNginx());
  proxies.set('haproxy', await startHaproxy());
});

describe.each(['nginx', 'haproxy'])('%s', (name) => {
  test('carries clients to both routers, with TLS and without, and hides what is not for them', async () => {
    const all = join4(name);
    talks.set(name, all);
    await until('everyone sees everyone', () => recordsOf(all).every(({ members }) => members === NAMES.length));
    for (const talker of all) talker.start(EVERY_MS);
    await expectSoundTalk(all);
    const { users } = (await cluster().router('r1').api.presence(name)).body;
    expect(users).toHaveLength(NAMES.length);
    const routers = await Promise.all(
      NAMES.map(async (user) =>
        (await cluster().router('r1').api.user(user)).body.sessions.find(({ room }) => room === name),
      ),
    );
    expect(new Set(routers.map((one) => one?.router))).toEqual(new Set(['r1', 'r2']));
    const status = async (path: string) => (await fetch(`http://127.0.0.1:${proxyOf(name).http}${path}`)).status;
    expect(await Promise.all(['/metrics', '/livez', '/readyz'].map(status))).toEqual([404, 404, 200]);
    // Without a token the API is for this machine alone, and a proxy speaks for others.
    expect(await status(`/api/v1/rooms/${name}`)).toBe(403);
  });

  test('keeps every socket when it is reloaded', async () => {
    const all = talks.get(name) ?? [];
    const { reload, http } = proxyOf(name);
    reload();
    await until(
      'the new process serves',
      async () => (await fetch(`http://127.0.0.1:${http}/reloaded`)).status === 204,
    );
    const newcomer = new Talker(connect(`ws://127.0.0.1:${http}/rooms/${name}`, { user: 'eve', WebSocket }), 'eve');
    talkers.push(newcomer);
    await until('a newcomer is in', () => newcomer.record().states.at(-1) === 'open');
    newcomer.close();
    await expectSoundTalk(all);
    for (const { states, refused } of recordsOf(all)) expect([states, refused]).toEqual([['connecting', 'open'], []]);
  });
});

test('after the death of a router clients of both go on at the other, by the same address', async () => {
  const all = [...talks.values()];
  expect(all).toHaveLength(2);
  const before = all.map(recordsOf);
  cluster().router('r1').process.signal('SIGKILL');
  await until('somebody of each noticed, and everyone is open again', () =>
    all.every((one) => {
      const records = recordsOf(one);
      return records.some(({ states }) => states.length > 2) && records.every(({ states }) => states.at(-1) === 'open');
    }),
  );
  for (const [i, one] of all.entries()) {
    await expectSoundTalk(one);
    recordsOf(one).forEach(({ sessions, heard, left }, k) => {
      expect(sessions).toHaveLength(1);
      const resets = (list: TalkRecord['heard'] = []) => list.filter(({ kind }) => kind === 'reset').length;
      expect(resets(heard)).toBe(resets(before[i]?.[k]?.heard));
      expect(left.filter((user) => user !== 'eve')).toEqual([]);
    });
  }
  expect(cluster().crashes()).toEqual([]);
});
