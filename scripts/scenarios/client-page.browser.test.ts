/** Pages with the client library keep their conversation, in a real browser: through the death of their room's owner, and of a router. */
import type { Page } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { Pages, recordIn, talkIn } from './pages.ts';
import { useCluster } from './suite.ts';
import { talkFaults } from './talk-faults.ts';
import type { TalkRecord } from './talker.ts';
import { until } from './wait.ts';

const ROOM = 'page';
const EVERY_MS = 250;
const pages = await Pages.serve();
const cluster = useCluster({ nodes: 2, routers: 2, routerArgs: ['--allow-origins', pages.origin] });
const open: Page[] = [];
afterAll(() => pages.close());

const records = (): Promise<TalkRecord[]> => Promise.all(open.map((page) => recordIn(page)));
const inAll = (script: string) => Promise.all(open.map((page) => page.evaluate(script)));

/** Both pages go on talking, fall silent, and have heard the same. */
async function expectSoundTalk(): Promise<TalkRecord[]> {
  const before = await records();
  await until('both pages say more', async () =>
    (await records()).every(({ acked }, i) => acked.length > (before[i]?.acked.length ?? 0) + 5),
  );
  await inAll('talker.stop()');
  await until('both pages heard all', async () => {
    const faults = talkFaults(await records());
    if (faults.length > 0) throw new Error(faults.slice(0, 5).join('; '));
    return true;
  });
  const after = await records();
  await inAll(`talker.start(${EVERY_MS})`);
  expect(pages.faults).toEqual([]);
  return after;
}

test('two pages see each other, and what one says is shown by the other', async () => {
  const [r1 = '', r2 = ''] = ['r1', 'r2'].map((id) => cluster().router(id).url.replace('http', 'ws'));
  open.push(await pages.open(ROOM, 'ada', [r1, r2]), await pages.open(ROOM, 'bob', [r2, r1]));
  const [ada, bob] = open as [Page, Page];
  for (const page of open) await page.waitForFunction(`document.body.innerText.includes('2 here: ')`);
  await ada.fill('input', 'hello from a page');
  await ada.press('input', 'Enter');
  for (const page of [ada, bob]) {
    await page.waitForFunction(`document.getElementById('log').innerText === 'ada: hello from a page'`);
  }
  await Promise.all([talkIn(ada, 'ada', EVERY_MS), talkIn(bob, 'bob', EVERY_MS)]);
  for (const { refused } of await expectSoundTalk()) expect(refused).toEqual([]);
});

test('kill -9 of the owner closes no page’s socket, and the conversation goes on', async () => {
  const { node = '', epoch = 0 } = (await cluster().recordOf(ROOM)) ?? {};
  cluster().node(node).signal('SIGKILL');
  await until('the room has another owner', async () => ((await cluster().recordOf(ROOM))?.epoch ?? 0) > epoch);
  for (const { states, refused, left } of await expectSoundTalk()) {
    expect(states).toEqual(['open']);
    expect(refused.filter((code) => code !== 'owner_lost')).toEqual([]);
    expect(left).toEqual([]);
  }
});

test('a page whose router is lost goes on at the other one: nothing lost, nothing twice, nobody left', async () => {
  const before = await records();
  cluster().router('r1').process.signal('SIGKILL');
  await until('the page is back', async () => {
    const [ada] = await records();
    return (ada?.states.length ?? 0) > 1 && ada?.states.at(-1) === 'open';
  });
  const after = await expectSoundTalk();
  expect(after.map(({ states }) => states)).toEqual([['open', 'waiting 1006', 'connecting', 'open'], ['open']]);
  after.forEach(({ refused, sessions, left, heard }, i) => {
    expect(refused).toEqual(before[i]?.refused);
    expect(sessions).toHaveLength(1);
    expect(left).toEqual([]);
    const resets = (all: TalkRecord['heard'] = []) => all.filter(({ kind }) => kind === 'reset').length;
    expect(resets(heard)).toBe(resets(before[i]?.heard));
  });
  expect(cluster().crashes()).toEqual([]);
});
