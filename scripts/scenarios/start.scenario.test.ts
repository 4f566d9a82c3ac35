/** The two commands of an operator, as they are typed: `npm start`, and a node that is added by hand. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Api } from './api.ts';
import { ScenarioClient } from './client.ts';
import { markedProcesses } from './marked-processes.ts';
import { type ClusterProcess, DIST, launchCommand, ROOT } from './processes.ts';
import { BOUND_MS, until } from './wait.ts';

const mark = `SCENARIO_MARK=${randomBytes(8).toString('hex')}`;
const [markName = '', markValue = ''] = mark.split('=');
// The built command line, as run.mjs starts it once everything is prepared.
const RUN = process.env['BELLHOP_TEST_DIST'] === undefined ? join(ROOT, 'scripts', 'run.mjs') : join(DIST, 'run.mjs');

function command(name: string, argv: readonly string[]): ClusterProcess {
  return launchCommand(name, [process.execPath, RUN, ...argv], { [markName]: markValue });
}

function pidOf(id: string): number | undefined {
  return markedProcesses(mark).find(
    ({ argv }) => argv.some((word) => word.endsWith('main.js')) && argv.includes(`--id=${id}`),
  )?.pid;
}

describe.skipIf(!existsSync('/proc/self/environ'))('as typed', () => {
  let start: ClusterProcess | undefined;
  let extra: ClusterProcess | undefined;
  let api: Api | undefined;
  let url = '';

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${start?.said ?? ''}\n${extra?.said ?? ''}\n`);
  });
  afterAll(async () => {
    await Promise.all([extra?.kill(), start?.kill()]);
    for (const { pid } of markedProcesses(mark)) process.kill(pid, 'SIGKILL');
  });

  function states(): Promise<readonly string[]> {
    if (api === undefined) throw new Error('nothing runs');
    return api.nodes().then((nodes) => nodes.map(({ node, state }) => `${node} ${state}`).sort());
  }

  test('npm start comes up, and says where', async () => {
    const started = command('start', [
      'start',
      '--nodes',
      '3',
      '--routers',
      '1',
      '--port',
      '0',
      '--restart-delay-ms',
      '200',
    ]);
    start = started;
    url = await until('it is ready', () => /^ready (http:\S+)$/m.exec(started.said)?.[1], 60_000);
    api = new Api(url);
    expect(await states()).toEqual(['n1 active', 'n2 active', 'n3 active']);
    const ada = await ScenarioClient.join({ url, room: 'lobby', user: 'ada' });
    expect(await ada.say('hello')).toBe(1);
    ada.close();
  }, 90_000);

  test('a node that is killed comes back', async () => {
    const ada = await ScenarioClient.join({ url, room: 'kept', user: 'ada' });
    const before = await until('n2 runs', () => pidOf('n2'));
    process.kill(before, 'SIGKILL');
    await until('n2 has another life', () => {
      const now = pidOf('n2');
      return now !== undefined && now !== before;
    });
    await until('it is active again', async () => (await states()).join() === 'n1 active,n2 active,n3 active');
    await ada.sayUntilAcked('still here');
    expect(ada.closes).toEqual([]);
    ada.close();
  });

  test('a node added by hand is used by new rooms, and leaves in peace', async () => {
    const added = command('node', ['node', '--id', 'n4']);
    extra = added;
    await until('n4 is active', async () => (await states()).includes('n4 active'));
    const clients: ScenarioClient[] = [];
    await until(
      'a new room goes there',
      async () => {
        const client = await ScenarioClient.join({ url, room: `new-${clients.length}`, user: 'ada' });
        clients.push(client);
        await client.say('hello');
        return (await api?.nodes())?.some(({ node, rooms }) => node === 'n4' && rooms > 0);
      },
      2 * BOUND_MS,
    );
    added.signal('SIGTERM');
    expect(await added.exited).toEqual({ code: 0, signal: null });
    await Promise.all(clients.map((client) => client.say('still here')));
    expect(clients.flatMap(({ closes, resets }) => [...closes, ...resets])).toEqual([]);
    for (const client of clients) client.close();
  }, 90_000);

  test('SIGTERM ends all of it within 10 s', async () => {
    const ada = await ScenarioClient.join({ url, room: 'lobby', user: 'ada' });
    const began = performance.now();
    start?.signal('SIGTERM');
    expect(await start?.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - began).toBeLessThan(10_000);
    await until('no process is left', () => {
      const left = markedProcesses(mark);
      if (left.length > 0) throw new Error(left.map(({ argv }) => argv.join(' ')).join('\n'));
      return true;
    });
    expect(ada.closes.map(({ code }) => code)).toEqual([1012]);
  });
});
