/** The cluster secret is rotated while rooms talk: the new one accepted, then used, then alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Load } from './load.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { until } from './wait.ts';

const A = 'the secret of yesterday';
const B = 'the secret of tomorrow';
const folder = mkdtempSync(join(tmpdir(), 'bellhop-secrets-'));
const file = join(folder, 'secrets');
writeFileSync(file, `${A}\n`);
const flags = ['--secret-file', file, '--placement-key', 'what placement goes by', '--rebalance-step-ms', '0'];
const cluster = useCluster({ nodes: 2, routers: 1, nodeArgs: flags, routerArgs: flags.slice(0, 4) });
let load: Load | undefined;
afterAll(() => {
  load?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('47 a secret is rotated from A to A,B to B,A to B under load, and no client’s socket closes', async () => {
  const router = cluster().router('r1');
  const talk = new Load({ rooms: 6, clients: 12, rate: 60, urls: [router.url] });
  load = talk;
  await talk.connect();
  talk.start();
  const reads = (said: string) => said.split('secrets replaced').length - 1;
  const accepted = async (secrets: readonly string[], step: number) => {
    writeFileSync(file, `${secrets.join('\n')}\n`);
    const processes = [router.process, ...cluster().nodes.values()];
    for (const one of processes) one.signal('SIGHUP');
    await until('all go by them', () => processes.every(({ said }) => reads(said) === step));
  };
  await accepted([A, B], 1);
  await accepted([B, A], 2);
  // What a node has signed with the old secret is signed anew by its next life.
  for (const id of ['n1', 'n2']) {
    const old = cluster().node(id);
    old.signal('SIGTERM');
    expect(await old.exited).toEqual({ code: 0, signal: null });
    const next = await (await cluster().startNode(id)).ready;
    await until('the router knows its next life', async () =>
      (await router.api.nodes()).some(
        (one) => one.node === id && one.incarnation === next['incarnation'] && one.state === 'active',
      ),
    );
  }
  writeFileSync(file, `${B}\n`);
  for (const one of [router.process, ...cluster().nodes.values()]) one.signal('SIGHUP');
  await until('the router goes by the new one alone', () => reads(router.process.said) === 3);
  await until('nodes do', () => [...cluster().nodes.values()].every(({ said }) => reads(said) === 1));
  talk.pause();
  await untilSettled(talk.clients);
  await until('everyone has heard all', () => talk.counts().lost === 0);
  expect(talk.counts()).toMatchObject({ socketsClosed: 0, doubled: 0, resets: 0, refused: {} });
  expectSound(cluster(), talk.clients);

  // One that still knows only the old secret belongs to nobody any more: the sentence says so, and nobody dials it.
  const old = join(folder, 'old');
  writeFileSync(old, `${A}\n`);
  const stale = cluster().launchNode('stale', ['--secret-file', old]);
  await until('the router has reported it', () =>
    /node record ignored.*stale|stale.*node record ignored/.test(router.process.said),
  );
  expect((await router.api.nodes()).map(({ node }) => node).sort()).toEqual(['n1', 'n2']);
  await stale.kill();
});
