/** The command line as it is typed, against a router that answers by the contract of the API. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { exitCodesTable } from './exit-codes.ts';
import { type FakeCliOptions, type Ran, runCli } from './fake-cli.ts';
import { type Asked, type FakeAnswer, FakeRouter } from './fake-router.ts';

let router: FakeRouter | undefined;
afterEach(async () => {
  await router?.stop();
  router = undefined;
});

async function ask(
  argv: readonly string[],
  answer: (asked: Asked) => FakeAnswer | undefined,
  options: FakeCliOptions = {},
): Promise<Ran & { readonly asked: readonly Asked[]; readonly lines: readonly string[] }> {
  await router?.stop();
  router = await FakeRouter.start(answer);
  const ran = await runCli(argv, { running: [router.url], ...options });
  return { ...ran, asked: router.asked, lines: router.lines };
}

const refusal = (status: number, code: string, message: string): FakeAnswer => ({
  status,
  body: { error: { code, message, retryable: false } },
});

const ESCAPE = String.fromCharCode(27);
/** Colours and the erasing of a line. */
const OURS = new RegExp(`${ESCAPE}\\[\\d+m|\r${ESCAPE}\\[K`, 'g');

const NOW = Date.now();
const drain = (more: object): FakeAnswer => ({
  body: {
    ...{ node: 'n1', incarnation: 'a', state: 'running', startedAt: NOW, deadlineAt: NOW + 30_000, by: 'ops' },
    ...{ roomsPerSecond: 50, rooms: 10, moved: 0, left: 10, failed: 0, pauseP99Ms: null, estimateMs: 200 },
    ...{ targets: { n2: 6, n3: 4 } },
    ...more,
  },
});

describe('the command line', () => {
  it('has help with every command and every exit code, and says what it does not know', async () => {
    const help = await runCli(['--help']);
    expect(help.code).toBe(0);
    for (const name of [
      'nodes',
      'rooms',
      'where',
      'who',
      'user',
      'tail',
      'drain',
      'undrain',
      'move',
      'unpin',
      'restart',
      'publish',
      'kick',
      'token',
      'doctor',
      'events',
      'audit',
    ]) {
      expect(help.out).toMatch(new RegExp(`^  ${name} `, 'm'));
      expect((await runCli([name, '--help'])).out, name).toContain(`Usage: bellhop ${name}`);
      expect((await runCli([name, '--help'])).out, name).toContain('--json');
    }
    for (const code of [0, 1, 2, 3, 4, 130]) expect(help.out).toMatch(new RegExp(`^  ${code} +[A-Z]`, 'm'));
    const unknown = await runCli(['nods']);
    expect(unknown).toMatchObject({ code: 2, out: '', err: expect.stringContaining('Did you mean') });
    expect(await runCli(['drain'])).toMatchObject({
      code: 2,
      err: expect.stringContaining("missing required argument 'node'"),
    });
    expect(await runCli(['nodes', '--nope'])).toMatchObject({ code: 2 });
    expect((await runCli(['drain', 'n1', '--deadline', 'soon'])).err).toContain('such as 30s');
    expect((await runCli(['nodes', '--nope'])).err).toContain('Its help: bellhop help nodes');
    const nothing = await runCli(['help', 'nope']);
    expect(nothing).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^bellhop: unknown command 'nope'\n/),
    });
    expect(await runCli(['help', 'help'])).toEqual(help);
    expect((await runCli(['help', 'doctor', 'plan'])).out).toContain('Usage: bellhop doctor plan');
    const hostile = await runCli(['\u001b[2J'], { isTTY: true });
    expect(hostile.code).toBe(2);
    expect(hostile.err).not.toContain('\u001b');
  });

  it.each([60, 80])('keeps its help within a terminal of %i columns', async (columns) => {
    for (const argv of [['--help'], ['help', 'events'], ['help', 'token']]) {
      const { out } = await runCli(argv, { isTTY: true, columns });
      const lines = out.split('\n');
      // One word may be longer.
      for (const line of lines) expect(line.length <= columns || !/\S \S/.test(line.trim()), line).toBe(true);
      expect(lines.length).toBeGreaterThan(5);
    }
  });

  it('leaves the flags of a process to it, as they are', async () => {
    const given: (readonly string[])[] = [];
    const run = async (flags: readonly string[]) => {
      given.push(flags);
      return 3;
    };
    const options = { verbs: [{ name: 'node', what: 'runs a node', run }] };
    const flags = ['--id', 'n4', '--no-restart', '--json', '--version', '--', 'x'];
    expect(await runCli(['node', ...flags], options)).toEqual({ code: 3, out: '', err: '' });
    await runCli(['help', 'node'], options);
    expect(given).toEqual([flags, ['--help']]);
    expect((await runCli([], options)).out).toMatch(/^ {2}node +runs a node$/m);
  });

  it('has its exit codes in the docs as they are', () => {
    expect(readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')).toContain(exitCodesTable());
  });

  it('ends as its table says', async () => {
    const ended = async (answer: FakeAnswer) => (await ask(['user', 'ada'], () => answer)).code;
    expect(await ended(refusal(404, 'not_found', 'this user has no session'))).toBe(4);
    expect(await ended(refusal(400, 'bad_user', 'no'))).toBe(2);
    expect(await ended(refusal(503, 'redis_unavailable', 'no'))).toBe(1);
    expect(await ended(refusal(409, 'conflict', 'another drain runs'))).toBe(1);
    expect(await ended({ body: 'x' })).toBe(0);
    const closed = await ask(['user', 'ada'], () =>
      refusal(401, 'not_authenticated', 'the API token is missing or wrong'),
    );
    expect(closed).toMatchObject({ code: 2, err: expect.stringContaining('BELLHOP_API_TOKEN') });
    const older = await ask(['hot'], () => undefined);
    expect(older).toMatchObject({ code: 1, err: expect.stringContaining('of an older version') });
  });

  it('lets nothing through that a terminal obeys, in text, JSON, errors and colours', async () => {
    const evil = 'x\u001b]0;owned\u0007\u009b31m\u202e';
    const node = { node: evil, state: evil, link: evil, host: evil, weight: evil, startedAt: NOW, linked: true };
    const answer = ({ path }: Asked): FakeAnswer => {
      if (path.startsWith('/nodes')) return { body: { nodes: [node], [evil]: evil } };
      if (path.startsWith('/routers')) return { body: { routers: [{ router: evil, url: evil }] } };
      if (path.startsWith('/rooms'))
        return { body: { room: evil, users: [{ user: evil, sessions: [], meta: { [evil]: evil } }], why: evil } };
      if (path.startsWith('/events')) return { body: { events: [{ at: NOW, kind: evil, room: evil, why: evil }] } };
      return refusal(500, evil, evil);
    };
    for (const argv of [
      ['nodes'],
      ['nodes', '--json'],
      ['who', 'a'],
      ['where', 'a'],
      ['events'],
      ['audit'],
      ['rooms', '--json'],
    ]) {
      for (const isTTY of [false, true]) {
        const { out, err } = await ask(argv, answer, { isTTY });
        // Our own colours and erasures aside.
        const rest = `${out}${err}`.replace(OURS, '').replaceAll('\n', '');
        expect(rest, argv.join(' ')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }
    }
  });
});

describe('commands that look', () => {
  it('rooms reads pages up to its limit, and by node', async () => {
    const pages: Readonly<Record<string, object>> = {
      '/rooms?prefix=a&limit=4': {
        rooms: [
          { room: 'a1', node: 'n1' },
          { room: 'a2', node: 'n2' },
        ],
        next: 'c1',
      },
      '/rooms?prefix=a&cursor=c1&limit=4': {
        rooms: [
          { room: 'a3', node: 'n1' },
          { room: 'a4', node: 'n1' },
        ],
        incomplete: ['n3'],
      },
    };
    const answer = ({ path }: Asked) => ({ body: pages[path] });
    const all = await ask(['rooms', '--prefix', 'a', '--limit', '3', '--json'], answer);
    expect(JSON.parse(all.out)).toMatchObject({ rooms: [{ room: 'a1' }, { room: 'a2' }, { room: 'a3' }], more: true });
    const some = await ask(['rooms', '--prefix', 'a', '--limit', '3', '--node', 'n1'], answer);
    expect(some.out.match(/^a\d/gm)).toEqual(['a1', 'a3', 'a4']);
    expect(some.err).toBe('Not complete: n3 did not answer.\n');
  });

  it('rooms of a node that nobody knows are none, and that is said', async () => {
    const answer = ({ path }: Asked) => ({ body: path === '/nodes' ? { nodes: [{ node: 'n1' }] } : { rooms: [] } });
    const none = await ask(['rooms', '--node', 'n1'], answer);
    expect(none).toMatchObject({ code: 0, out: 'There is no such room open.\n' });
    for (const more of [[], ['--json']]) {
      const wrong = await ask(['rooms', '--node', 'nope', ...more], answer);
      expect(wrong).toMatchObject({ code: 4, out: '', err: 'bellhop: there is no such node: nope.\n' });
    }
  });

  it.each(['zzz', 'node,zzz', ''])('events refuses the kind "%s", which none begins with', async (kind) => {
    const { code, err, asked } = await ask(['events', '--kind', kind], () => ({ body: { events: [] } }));
    expect({ code, asked }).toEqual({ code: 2, asked: [] });
    expect(err).toMatch(/No kind begins with .*: there are node\.joined, /);
  });

  it('who says what it knows, and of when', async () => {
    const empty = { room: 'a', source: 'projection', asOf: null, count: 0, users: [] };
    expect((await ask(['who', 'a'], () => ({ body: empty }))).out).toBe('a: 0 sessions, as far as Redis knows\n');
    const known = { ...empty, asOf: NOW, count: 1, users: [{ user: 'ada', sessions: ['s'], since: NOW }] };
    expect((await ask(['who', 'a'], () => ({ body: known }))).out).toMatch(
      /^a: 1 session, as Redis had it .+ ago\n.*\nada/,
    );
  });

  it('tail shows what is said, notices gaps, and listens again where the stream breaks', async () => {
    const message = (seq: number) => `event: message\ndata: {"seq":${seq},"at":0,"from":"ada","data":{"n":${seq}}}\n\n`;
    let opened = 0;
    const answer = (): FakeAnswer => ({
      stream: (response) => {
        opened++;
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        if (opened === 1) response.end(message(1) + message(2));
        else response.write(message(5));
      },
    });
    const { code, out, err, lines } = await ask(['tail', 'lobby', '--limit', '3', '--json'], answer);
    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).seq),
    ).toEqual([1, 2, 5]);
    expect(err).toContain('Not seen here: 3 to 4.');
    expect(lines).toEqual(['GET /rooms/lobby/tail', 'GET /rooms/lobby/tail']);
    expect((await ask(['tail', 'lobby'], () => refusal(400, 'bad_room', 'no'))).code).toBe(2);
  });

  it('tail says where the numbering began anew, and ends for a room that cannot be listened to', async () => {
    const events = [
      'event: message\ndata: {"seq":9,"at":0,"from":"ada","data":1}\n\n',
      'event: reset\ndata: {"head":4}\n\n',
      'event: message\ndata: {"seq":4,"at":0,"from":"ada","data":2}\n\n',
      'event: end\ndata: {"code":"unsupported"}\n\n',
    ];
    const answer = (): FakeAnswer => ({ stream: (response) => response.end(events.join('')) });
    const { code, out, err, lines } = await ask(['tail', 'lobby'], answer);
    expect(code).toBe(1);
    expect(out.match(/#\d/g)).toEqual(['#9', '#4']);
    expect(err).toBe('The numbering began anew.\nbellhop: lobby cannot be listened to (unsupported).\n');
    expect(lines).toEqual(['GET /rooms/lobby/tail']);
  });

  it('events and audit show the last ones, page by page', async () => {
    const entries = Array.from({ length: 5 }, (_, i) => ({
      id: i,
      at: NOW,
      action: 'drain',
      node: `n${i}`,
      by: 'ops',
    }));
    const answer = ({ path }: Asked): FakeAnswer => ({
      body: path.includes('after=2')
        ? { entries: entries.slice(3), next: 4 }
        : path.includes('after=4')
          ? { entries: [], next: 4 }
          : { entries: entries.slice(0, 3), next: 2 },
    });
    const { out } = await ask(['audit', '--limit', '2'], answer);
    expect(out.match(/n\d by|n\d {2}by/g)).toEqual(['n3  by', 'n4  by']);
    const kinds = ['node.lost', 'room.moved', 'redis.away'].map((kind) => ({ at: NOW, kind }));
    const some = await ask(['events', '--kind', 'node,redis'], ({ path }) => ({
      body: { events: path.includes('after') ? [] : kinds, next: 3 },
    }));
    expect(some.out.match(/\w+\.\w+$/gm)).toEqual(['node.lost', 'redis.away']);
    expect((await ask(['events'], () => ({ body: { events: [], next: 0 } }))).out).toBe('Nothing yet.\n');
  });
});

describe('commands that change', () => {
  it('drain plans first, and changes nothing with --dry-run', async () => {
    const { code, out, asked } = await ask(['drain', 'n1', '--dry-run', '--rate', '50', '--deadline', '1m'], () =>
      drain({ state: 'planned' }),
    );
    expect(code).toBe(0);
    expect(asked.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['POST', '/nodes/n1/drain', { deadlineMs: 60_000, roomsPerSecond: 50, dryRun: true }],
    ]);
    expect(out).toBe(
      'n1 would hand over 10 rooms in about 200 ms at 50 rooms/s:\n  n2  6 rooms\n  n3  4 rooms\nNothing was changed.\n',
    );
  });

  it('drain of a node without rooms has nothing to plan', async () => {
    const answer = () => drain({ state: 'planned', rooms: 0, left: 0, targets: {} });
    const { code, out } = await ask(['drain', 'n1', '--dry-run'], answer);
    expect({ code, out }).toEqual({
      code: 0,
      out: 'n1 holds no room: there is nothing to hand over.\nNothing was changed.\n',
    });
  });

  it.each([
    ['done', 0, /^n1 is drained: 10 rooms moved in 1\.5 s/],
    ['late', 1, /^n1 is not drained: 3 rooms are left \(too late\)\.\nThey are still served there/],
    ['cancelled', 1, /^The drain of n1 was undone/],
  ] as const)('drain waits until it is %s', async (state, code, wanted) => {
    let looks = 0;
    const answer = ({ method }: Asked): FakeAnswer => {
      if (method === 'POST') return drain({});
      if (++looks === 1) return refusal(503, 'unavailable', 'the router is being restarted');
      if (looks < 3) return drain({ moved: 4, left: 6 });
      const left = state === 'late' ? 3 : 0;
      return drain({ state, moved: 10 - left, left, endedAt: NOW + 1_500, ...(left > 0 ? { why: 'too late' } : {}) });
    };
    const ran = await ask(['drain', 'n1'], answer);
    expect(ran.code).toBe(code);
    expect(ran.out).toMatch(wanted);
    expect(ran.err).toMatch(/n1 \d+ of 10 rooms moved/);
  });

  it('drain draws a bar on a terminal, and goes on where it is not waited for', async () => {
    let looks = 0;
    const answer = ({ method }: Asked) =>
      method === 'GET' && ++looks > 1 ? drain({ state: 'done', moved: 10, left: 0 }) : drain({ moved: 5, left: 5 });
    const { err } = await ask(['drain', 'n1'], answer, { isTTY: true });
    expect(err).toContain('n1 [############............] 5 of 10 rooms moved');
    const begun = await ask(['drain', 'n1', '--no-wait'], answer);
    expect(begun).toMatchObject({
      code: 0,
      lines: ['POST /nodes/n1/drain'],
      out: expect.stringContaining('bellhop undrain n1'),
    });
    const left = await ask(['drain', 'n1'], () => drain({}), { signal: AbortSignal.abort() });
    expect(left).toMatchObject({ code: 130, err: expect.stringContaining('goes on') });
  });

  it('undrain, move, unpin, kick and publish ask for just that', async () => {
    const undone = await ask(['undrain', 'n1'], () => drain({ state: 'cancelled', moved: 2 }));
    expect(undone).toMatchObject({ code: 0, lines: ['DELETE /nodes/n1/drain'] });
    let looks = 0;
    const moved = await ask(['move', 'lobby', 'n2'], ({ method }) => {
      if (method === 'POST') return { status: 202, body: { room: 'lobby', from: 'n1', to: 'n2', pinned: true } };
      return { body: { heldBy: [{ node: ++looks > 1 ? 'n2' : 'n1' }], moving: null } };
    });
    expect(moved.out).toBe('lobby is at n2, from n1. It is pinned there: bellhop unpin lobby lets it go.\n');
    expect(moved.asked[0]?.body).toEqual({ node: 'n2', pin: true });
    expect(await ask(['unpin', 'lobby'], () => ({ body: {} }))).toMatchObject({ lines: ['DELETE /rooms/lobby/pin'] });
    const unowned = await ask(['move', 'lobby', 'n2'], () => ({
      body: { room: 'lobby', from: null, to: 'n2', pinned: true },
    }));
    expect(unowned).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Nobody owns lobby now: the next client is sent to n2/),
    });
    expect(unowned.lines).toEqual(['POST /rooms/lobby/move']);
    const stuck = await ask(['move', 'lobby', 'n2', '--no-pin', '--timeout', '1ms'], () => ({
      body: { from: 'n1', to: 'n2', heldBy: [] },
    }));
    expect(stuck).toMatchObject({ code: 1, err: expect.stringContaining('bellhop where lobby says why') });
    const kicked = await ask(['kick', 'a/da'], () => ({ body: { sessions: 2, closed: 1, incomplete: ['n2'] } }));
    expect(kicked).toMatchObject({
      code: 1,
      out: 'Ended 1 of 2 sessions of a/da.\n',
      lines: ['DELETE /users/a%2Fda/sessions'],
    });
    const said = await ask(['publish', 'lobby', '{"a":1}', '--from', 'ada', '--key', 'k1'], () => ({
      body: { seq: 3, epoch: 7 },
    }));
    expect(said.out).toBe('Said in lobby as message 3 of epoch 7.\n');
    expect(said.asked[0]).toMatchObject({
      body: { data: { a: 1 }, from: 'ada' },
      headers: { 'idempotency-key': 'k1' },
    });
    expect((await ask(['publish', 'lobby', 'hello', '--text'], () => ({ body: {} }))).asked[0]?.body).toEqual({
      data: 'hello',
    });
    expect(await ask(['publish', 'lobby', 'hello'], () => ({ body: {} }))).toMatchObject({ code: 2, lines: [] });
  });

  it('restart --rolling drains, runs the command for each node, and waits for it', async () => {
    const lives = new Map([
      ['n1', 1],
      ['n2', 1],
    ]);
    const answer = ({ method, path }: Asked): FakeAnswer => {
      if (path === '/nodes') {
        const nodes = [...lives].map(([node, life]) => ({
          node,
          incarnation: `${life}`,
          state: 'active',
          rooms: 1,
          linked: true,
          heartbeatAgeMs: 1,
        }));
        return { body: { nodes } };
      }
      if (path === '/moves')
        return { body: { state: 'idle', nodes: [{ node: 'n1', share: 1, belongElsewhere: 0, moving: 0 }] } };
      const node = path.split('/')[2] ?? '';
      // The command that starts it again is not this process; its next life is seen once it was drained.
      if (method === 'POST') lives.set(node, 2);
      return drain({ node, state: 'done', moved: 1, left: 0 });
    };
    const folder = mkdtempSync(join(tmpdir(), 'bellhop-restart-'));
    const file = join(folder, 'said');
    try {
      const command = `printf '%s ' {node} >> '${file}'`;
      const ran = await ask(['restart', '--rolling', '--restart-command', command, '--json'], answer);
      expect(ran.code).toBe(0);
      expect(JSON.parse(ran.out)).toMatchObject({ kind: 'done', restarted: [{ node: 'n1' }, { node: 'n2' }] });
      expect(readFileSync(file, 'utf8')).toBe('n1 n2 ');
      expect(ran.err).toContain('n2 joined under another incarnation');
      // Routers that know no drains and no moves: a node hands its rooms over when it is ended.
      const begun = `${command}; : ended`;
      const older = await ask(['restart', '--rolling', '--only', 'n2', '--restart-command', begun], (asked) => {
        const isEnded = readFileSync(file, 'utf8').endsWith('n2 n2 ');
        lives.set('n2', isEnded ? 3 : 2);
        return asked.path === '/nodes' ? answer(asked) : undefined;
      });
      expect(older).toMatchObject({ code: 0, out: expect.stringContaining('n2 was started again') });
      lives.set('n1', 1);
      const failed = await ask(['restart', '--rolling', '--only', 'n1', '--restart-command', 'exit 3'], answer);
      expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('ended with exit code 3') });
      expect(failed.err).toContain('bellhop undrain n1');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('token', () => {
  it('is made by what the routers go by, and never from less', async () => {
    const secret = createHash('sha256').update('x').digest('hex');
    const made = await runCli([
      'token',
      '--user',
      'ada',
      '--rooms',
      'lobby,chess:*',
      '--ttl',
      '5m',
      '--jwt-secret',
      secret,
      '--json',
    ]);
    expect(made.code).toBe(0);
    expect(JSON.parse(made.out)).toMatchObject({ user: 'ada', rooms: ['lobby', 'chess:*'] });
    const short = await runCli(['token', '--user', 'ada', '--rooms', 'a', '--jwt-secret', 'short']).catch(
      (error: unknown) => String(error),
    );
    expect(short).toContain('--jwt-secret must have 32');
    expect(await runCli(['token', '--user', 'a b', '--rooms', 'a', '--jwt-secret', secret])).toMatchObject({ code: 2 });
    expect(await runCli(['token', '--user', 'ada', '--rooms', 'a/b', '--jwt-secret', secret])).toMatchObject({
      code: 2,
    });
  });
});
