/** A fault that nobody caught ends a node or a router at once, and says so: what is left of its state cannot be trusted. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ScenarioClient } from './client.ts';
import { launch } from './processes.ts';
import { useCluster } from './suite.ts';
import { until } from './wait.ts';

/** A program of which some things throw where no room's guard stands around them. `crash` has a timer of the module throw, which is no
 *  room's, and would speak afterwards: once only, since the publish was not acked and its client says it again to the next owner. */
const PROGRAM = `import { mkdirSync } from 'node:fs';
const jobs = [];
setInterval(() => { for (const job of jobs.splice(0)) job(); }, 1);
export default () => ({
  message(publish, room) {
    if (publish.data !== 'crash') {
      const fail = () => { throw new Error('planted'); };
      if (publish.data === 'timer') setInterval(fail, 1);
      else if (publish.data === 'promise') Promise.reject(new Error('planted'));
      else room.relay(publish);
      return;
    }
    room.broadcast({ heard: publish.data });
    try {
      mkdirSync(new URL('crashed', import.meta.url));
    } catch {
      return;
    }
    jobs.push(() => {
      setImmediate(() => room.broadcast('after'));
      throw new Error('planted\\r\\nfault');
    });
    setTimeout(() => room.broadcast('long after'), 10);
  },
});`;
const folder = mkdtempSync(join(tmpdir(), 'bellhop-crash-'));
const program = join(folder, 'crash.mjs');
writeFileSync(program, PROGRAM);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cluster = useCluster({
  nodes: 2,
  routers: 1,
  nodeArgs: ['--program', program, '--rooms', 'crash-*'],
  routerArgs: ['--certify-by', 'pid'],
});

test.each(['timer', 'promise'])(
  '56 what a program throws in a %s of its own closes its room, and the node goes on',
  async (where) => {
    const { url } = cluster().router('r1');
    const [room, other] = [`crash-${where}`, `crash-beside-${where}`];
    const client = await ScenarioClient.join({ url, room, user: 'ann' });
    const beside = await ScenarioClient.join({ url, room: other, user: 'bob' });
    client.publish(where);
    await until('the room was closed', () => client.closes.length > 0);
    expect(client.closes[0]).toMatchObject({ code: 1011 });
    expect(cluster().crashes()).toEqual([]);
    const before = beside.messages.length;
    beside.publish('still here');
    await until('the other room is served', () => beside.messages.length > before);
    expect([beside.closes, beside.violations]).toEqual([[], []]);
    for (const one of [client, beside]) one.close();
  },
);

test('56 a node logs it in one line, says nothing more, exits with 1, and its rooms go on elsewhere', async () => {
  const { url } = cluster().router('r1');
  const client = await ScenarioClient.join({ url, room: 'crash-1', user: 'ann' });
  const owner = await until('the room has an owner', () => cluster().recordOf('crash-1'));
  const node = cluster().node(owner.node);
  const before = client.epoch;
  client.publish('crash');
  const exit = await node.exited;
  expect(exit).toEqual({ code: 1, signal: null });
  const lines = node.said.split('\n').filter((line) => line.startsWith('{'));
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ level: 'error', event: 'crashed' });
  expect(JSON.parse(lines.at(-1) ?? '').error).toContain('planted\r\nfault');

  await until('the room has another owner', () => client.epoch > before);
  // By the first owner, at most what came before the fault; its gate was shut with its process.
  expect(JSON.stringify(client.messages)).not.toContain('long after');
  expect(client.violations).toEqual([]);
  expect(client.closes).toEqual([]);
  client.close();
});

test.each(['node', 'router'] as const)('56 a %s that has just begun does so, too', async (role) => {
  // Throws as soon as somebody listens for such faults.
  const throws = `const look = setInterval(() => { if (process.listenerCount('uncaughtException') > 0) { clearInterval(look); Promise.reject(new Error('planted')); } }, 5);`;
  const argv = ['--id', 'x1', '--redis-url', cluster().redis.url, '--cluster', 'crash'];
  const flags = ['--import', `data:text/javascript,${encodeURIComponent(throws)}`];
  const process = launch('x1', `${role}/main.js`, role === 'router' ? [...argv, '--port', '0'] : argv, flags);
  expect(await process.exited).toEqual({ code: 1, signal: null });
  expect(process.said).toContain('"event":"crashed"');
  expect(process.said).toContain('planted');
});
