/** The HTTP API of a real cluster answers what its description says. Every route that only reads is asked, those that write as the table
 *  below says; a route that is in neither stays unasked, and is named. */
import { expect, test } from 'vitest';
import { ROUTES } from '../../router/http-api.ts';
import { AnswerChecker } from '../../router/openapi/answers-fixture.ts';
import { ScenarioClient } from './client.ts';
import { useCluster } from './suite.ts';
import { until } from './wait.ts';

const cluster = useCluster({ nodes: 2, routers: 1, nodeArgs: ['--relay-rooms', 'relay-*'] });

const PARAMETERS: Readonly<Record<string, string>> = { room: 'lobby', user: 'ann', node: 'n1' };

/** Bodies of what is written, in the order of asking. */
const WRITES: readonly (readonly [method: string, path: string, body?: unknown])[] = [
  ['POST', '/api/v1/rooms/lobby/messages', { data: { text: 'from a backend' }, from: 'news' }],
  ['POST', '/api/v1/rooms/relay-a/messages', { data: 1 }],
  ['POST', '/api/v1/rooms/lobby/messages', { from: 'news' }],
  ['POST', '/api/v1/users/ann/messages', { data: 'psst' }],
];
const READS: readonly string[] = [
  '/api/v1/rooms?limit=1',
  '/api/v1/rooms/lobby/presence?source=owner',
  '/api/v1/rooms/relay-a/messages',
  '/api/v1/rooms/nobody',
  '/api/v1/rooms/nobody/explain',
  '/api/v1/rooms/%2F/presence',
  '/api/v1/users/nobody',
  '/api/v1/nodes/nobody',
];
const ENDS: typeof WRITES = [
  ['DELETE', '/api/v1/users/ann/sessions'],
  ['DELETE', '/api/v1/rooms/lobby'],
];

test('every answer is as described', async () => {
  const { url } = cluster().router('r1');
  const checker = new AnswerChecker(ROUTES);
  const faults: string[] = [];
  const ask = async (method: string, path: string, body?: unknown): Promise<void> => {
    const abort = new AbortController();
    const sent =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer = await fetch(`${url}${path}`, { method, ...sent, signal: abort.signal });
    const contentType = answer.headers.get('content-type') ?? '';
    // A stream has no end to wait for.
    const isStream = contentType.startsWith('text/event-stream');
    const text = isStream ? '' : await answer.text();
    if (isStream) abort.abort();
    faults.push(...checker.faultsOf({ method, path, status: answer.status, contentType, text }));
  };

  const clients = await Promise.all(
    ['lobby', 'relay-a'].map((room) => ScenarioClient.join({ url, room, user: 'ann' })),
  );
  for (const client of clients) await client.say({ hello: 'all' });
  await until('the user is known', async () => {
    const { status, body } = await cluster().router('r1').api.user('ann');
    return status === 200 && body.sessions.length === 2;
  });
  for (const write of WRITES) await ask(...write);
  const reads = ROUTES.flatMap(({ method, path }) =>
    method === 'GET' ? [path.replaceAll(/:(\w+)/g, (_all, name: string) => PARAMETERS[name] ?? name)] : [],
  );
  for (const path of [...reads, ...READS]) await ask('GET', path);
  for (const end of ENDS) await ask(...end);

  expect(faults).toEqual([]);
  const seen = [...checker.seen];
  for (const { method, path, doc } of ROUTES) {
    if (method !== 'GET') continue;
    const own = seen.filter((one) => one.startsWith(`${method} ${path} `));
    expect([path, own.length > 0]).toEqual([path, true]);
    // Of what this cluster has, each is found.
    if (doc.errors?.includes('not_found') !== true) expect(own).toContain(`${method} ${path} 200`);
  }
});
