/** The command line as an operator types it, against a cluster that `npm start` runs: what is there, what changes it, and every node
 *  started again under load without a client noticing. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Api } from './api.ts';
import { ScenarioClient } from './client.ts';
import { Load } from './load.ts';
import { type ClusterProcess, launchCommand } from './processes.ts';
import { untilSettled } from './suite.ts';
import { RUN, type Typed, typed } from './typed.ts';
import { until } from './wait.ts';

const START = ['start', '--nodes', '3', '--routers', '1', '--port', '0', '--restart-delay-ms', '200'];

let start: ClusterProcess | undefined;
let url = '';
let ada: ScenarioClient | undefined;
let talk: Load | undefined;

beforeAll(async () => {
  const started = launchCommand('start', [process.execPath, RUN, ...START], {});
  start = started;
  url = await until('it is ready', () => /^ready (http:\S+)$/m.exec(started.said)?.[1], 60_000);
  ada = await ScenarioClient.join({ url, room: 'lobby', user: 'ada' });
  await ada.say('hello');
}, 90_000);
afterEach(({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(`${start?.said ?? ''}\n`);
});
afterAll(async () => {
  talk?.close();
  ada?.terminate();
  start?.signal('SIGTERM');
  await start?.exited;
});

/** Types it with the router's URL in the environment. */
const bellhop = (...argv: readonly string[]): Promise<Typed> => typed(argv, { BELLHOP_URL: url });

/** Types it, and reads its JSON. */
async function json(...argv: readonly string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await bellhop(...argv, '--json');
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${err}`);
  return JSON.parse(out) as Record<string, unknown>;
}

/** Whether the routers of this build have that route. */
async function knows(path: string): Promise<boolean> {
  return (await new Api(url).get(path)).status === 200;
}

async function holderOf(room: string): Promise<string> {
  return (await new Api(url).get<{ readonly node: string }>(`/rooms/${room}`)).body.node;
}

test('what is there', async () => {
  // Presence is written behind; the rest is to be had at once.
  await until('ada is present', async () => (await new Api(url).presence('lobby')).body.count === 1);
  const [nodes, rooms, where, who, user, found] = await Promise.all([
    bellhop('nodes'),
    bellhop('rooms'),
    bellhop('where', 'lobby'),
    bellhop('who', 'lobby'),
    json('user', 'ada'),
    // Without a word about where: the cluster that runs from this checkout.
    typed(['nodes', '--json']),
  ]);
  expect(nodes.out).toMatch(/^n1 +active +\d/m);
  expect(nodes.out).toMatch(/^r1 +[01] /m);
  expect(rooms.out).toMatch(/^lobby +n[123] +1 +1 /m);
  const holder = await holderOf('lobby');
  expect(where.out).toMatch(
    new RegExp(`^record +${holder} \\(incarnation [0-9a-f]{8}…, lives\\), epoch \\d+, head 1$`, 'm'),
  );
  expect(where.out).toMatch(new RegExp(`^holder +${holder}: 1 session,`, 'm'));
  expect(who.out).toMatch(/^ada +1 /m);
  expect(user).toMatchObject({ user: 'ada', sessions: [{ room: 'lobby', node: holder, router: 'r1' }] });
  expect(JSON.parse(found.out)).toMatchObject({ nodes: [{ node: 'n1' }, { node: 'n2' }, { node: 'n3' }] });
  expect((await bellhop('user', 'nobody')).code).toBe(4);
});

test('heard from outside', async ({ skip }) => {
  skip(!(await knows('/events')), 'these routers let nobody listen in');
  let tailed: Typed | undefined;
  void bellhop('tail', 'lobby', '--limit', '1', '--json').then((ended) => {
    tailed = ended;
  });
  let said = 0;
  const { code, out } = await until('the tail hears', async () => {
    await ada?.say({ n: ++said });
    return tailed;
  });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ from: 'ada', data: { n: expect.any(Number) } });
  // Who listens in is not there.
  expect(await json('who', 'lobby', '--owner')).toMatchObject({ count: 1 });
});

test('said and ended', async () => {
  const published = await json('publish', 'lobby', '{"from":"a backend"}', '--from', 'news');
  await until('ada hears it', () => ada?.messages.find(({ from }) => from === 'news')?.seq === published['seq']);
  const bob = await ScenarioClient.join({ url, room: 'lobby', user: 'bob' });
  await until('bob is known', async () => (await new Api(url).user('bob')).status === 200);
  expect(await bellhop('kick', 'bob')).toMatchObject({ code: 0, out: 'Ended 1 of 1 sessions of bob.\n' });
  await until('bob is out', () => bob.closes.length === 1);
  bob.terminate();
});

test('moved, drained and undone', async () => {
  const from = await holderOf('lobby');
  const to = ['n1', 'n2', 'n3'].find((node) => node !== from) ?? '';
  expect((await bellhop('move', 'lobby', to)).out).toBe(
    `lobby is at ${to}, from ${from}. It is pinned there: bellhop unpin lobby lets it go.\n`,
  );
  expect(await holderOf('lobby')).toBe(to);
  expect((await bellhop('where', 'lobby')).out).toMatch(new RegExp(`^pinned +to ${to} by `, 'm'));
  const plan = await bellhop('drain', to, '--dry-run');
  expect(plan).toMatchObject({ code: 0, out: expect.stringContaining('Nothing was changed.') });
  expect(await holderOf('lobby')).toBe(to);
  expect((await bellhop('unpin', 'lobby')).code).toBe(0);
  const drained = await bellhop('drain', to, '--deadline', '20s');
  expect(drained).toMatchObject({ code: 0, out: expect.stringMatching(/is drained: \d+ rooms? moved in/) });
  expect(await holderOf('lobby')).not.toBe(to);
  expect((await bellhop('undrain', to)).code).toBe(0);
  await until('it takes rooms again', async () =>
    (await new Api(url).nodes()).every(({ state }) => state === 'active'),
  );
  const audit = await json('audit');
  const actions = (audit['entries'] as readonly { readonly action: string }[]).map(({ action }) => action);
  expect(actions).toEqual(expect.arrayContaining(['move', 'unpin', 'drain', 'undrain']));
  expect(ada?.closes).toEqual([]);
  expect(ada?.resets).toEqual([]);
});

test('every node started again under load, and no client notices', async () => {
  const load = new Load({ rooms: 24, clients: 48, rate: 200, urls: [url] });
  talk = load;
  await load.connect();
  const before = new Map((await new Api(url).nodes()).map(({ node, incarnation }) => [node, incarnation]));
  load.start();
  await until('every room was heard', () => load.clients.every(({ received }) => received > 5));
  const { code, out, err } = await bellhop('restart', '--rolling', '--no-settle', '--json');
  expect(code, err).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ kind: 'done', restarted: [{ node: 'n1' }, { node: 'n2' }, { node: 'n3' }] });
  load.pause();
  await untilSettled(load.clients);
  await until('everyone has heard all', () => load.counts().lost === 0);
  const { socketsClosed, lost, doubled, resets, refused, violations } = load.counts();
  const none = { socketsClosed: 0, lost: 0, doubled: 0, resets: 0, refused: {}, violations: [] };
  expect({ socketsClosed, lost, doubled, resets, refused, violations }).toEqual(none);
  for (const { node, incarnation, state } of await new Api(url).nodes()) {
    expect({ node, state, isNew: incarnation !== before.get(node) }).toEqual({ node, state: 'active', isNew: true });
  }
}, 120_000);
