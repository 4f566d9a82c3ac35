/** The operator's page in a real browser, on a real cluster: what it shows, what it does, who may see it, and that everybody can use it. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Authority } from '../../shared/testing/certificates.ts';
import { launchChromium, REBOUND_HOST, Window } from './chromium.ts';
import { ScenarioClient } from './client.ts';
import { useCluster } from './suite.ts';
import { until } from './wait.ts';

const ROOMS = Array.from({ length: 24 }, (_, i) => `room-${i + 1}`);
const HOSTILE = '<img src=x onerror="document.title=1">';
const TOKEN = 'a-token-for-the-api-of-this-test';
const cluster = useCluster({ nodes: 3, routers: 1 });
const clients: ScenarioClient[] = [];
let browser: Browser;
let window: Window;
let url = '';

beforeAll(async () => {
  browser = await launchChromium();
  url = cluster().router('r1').url;
  clients.push(...(await Promise.all(ROOMS.map((room) => ScenarioClient.join({ url, room, user: `of-${room}` })))));
  window = await Window.open(browser, `${url}/dashboard`, { colorScheme: 'light' });
});
afterAll(async () => {
  for (const client of clients) client.close();
  await browser?.close();
});

const page = () => window.page;
const pictureOf = (at: Window) => at.page.locator('.picture canvas').first().getAttribute('aria-label');
/** Rooms of each node, as the picture says. */
async function countsOf(at: Window): Promise<Map<string, number>> {
  const words = (await pictureOf(at)) ?? '';
  return new Map([...words.matchAll(/(n\d) (\d+)/g)].map(([, node = '', rooms]) => [node, Number(rooms)]));
}
const sum = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((total, one) => total + one, 0);

test('it shows the nodes, and every room at its node', async () => {
  const shown = page().locator('.nodes tbody th');
  await shown.nth(2).waitFor();
  expect(await shown.allTextContents()).toEqual(['n1', 'n2', 'n3']);
  await until('every room is drawn', async () => sum(await countsOf(window)) === ROOMS.length);
  const counts = await countsOf(window);
  const owners = [...(await cluster().ownersOf(ROOMS)).values()];
  for (const [node, rooms] of counts) expect(rooms).toBe(owners.filter((owner) => owner === node).length);
  expect(await page().locator('.totals').textContent()).toContain('Rooms24');
});

test('it has data as soon as it is there', async () => {
  const markOf = async (path: string, name: string): Promise<number> => {
    const again = await Window.open(browser, `${url}${path}`);
    const script = `performance.getEntriesByName('${name}')[0]?.startTime ?? 0`;
    // Not `waitForFunction`: it waits by evaluating a string in the page, which the page's policy forbids.
    const ms = await until(`${name} at ${path}`, async () => (await again.page.evaluate<number>(script)) || undefined);
    await again.page.context().close();
    return Math.round(ms);
  };
  // A page of text alone tells what the machine is like now.
  const bareMs = await markOf('/dashboard/licenses.txt', 'first-contentful-paint');
  const shownMs = await markOf('/dashboard', 'shown');
  process.stderr.write(`dashboard: data shown after ${shownMs} ms, a page of text after ${bareMs} ms\n`);
  expect(shownMs).toBeGreaterThan(0);
});

test('61 its policy lets nothing run but its own files', async () => {
  const policy = (await fetch(`${url}/dashboard`)).headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
});

test('61 a room’s page says where it is and why, and shows what is said there as text', async () => {
  const [client] = clients;
  if (client === undefined) throw new Error('nobody joined');
  await page().goto(`${url}/dashboard#/rooms/room-1`);
  const { node } = (await cluster().recordOf('room-1')) ?? {};
  await page().locator('.facts dd').first().getByText(String(node)).waitFor();
  await page()
    .getByText('which placement prefers')
    .or(page().getByText(/placement/i))
    .first()
    .waitFor();
  await page().locator('.members').getByText('of-room-1').waitFor();
  await client.say(HOSTILE);
  await page().locator('.tail .text', { hasText: HOSTILE }).waitFor();
  expect(await page().locator('.tail img').count()).toBe(0);
  expect(await page().title()).toBe('Bellhop');
  await client.say('and more');
  await page().locator('.tail .text', { hasText: 'and more' }).waitFor();
  // Nobody has joined for that.
  expect((await cluster().router('r1').api.presence('room-1')).body.count).toBe(1);
  expect(await window.faults()).toEqual([]);
  await window.shot('room-light');
});

test('61 names that an address makes up are text in every view, and nothing a script says becomes markup', async () => {
  const aside = await Window.open(browser, `${url}/dashboard`);
  for (const view of ['rooms', 'nodes', 'users']) {
    await aside.page.goto(`${url}/dashboard#/${view}/${encodeURIComponent(HOSTILE)}`);
    await aside.page.locator('main').getByText(HOSTILE).first().waitFor();
    expect([view, await aside.page.locator('main img').count()]).toEqual([view, 0]);
  }
  expect(await aside.page.title()).toBe('Bellhop');
  const made = `(() => { try { document.body.innerHTML = '<i>'; return 'made'; } catch ({ name }) { return name; } })()`;
  expect(await aside.page.evaluate<string>(made)).toBe('TypeError');
  await aside.page.context().close();
});

test('1 31 a page whose host name was led here asks the API nothing and joins no room', async () => {
  const at = new URL(url);
  at.hostname = REBOUND_HOST;
  const rebound = await Window.open(browser, new URL('/dashboard', at).href);
  const asked = `fetch('/api/v1/rooms').then(({ status }) => status)`;
  expect(await rebound.page.evaluate<number>(asked)).toBe(403);
  const joined = `new Promise((resolve) => {
    const socket = new WebSocket('ws://${at.host}/rooms/room-1?user=evil');
    socket.onopen = () => resolve('open');
    socket.onclose = ({ code }) => resolve(code);
  })`;
  expect(await rebound.page.evaluate<unknown>(joined)).toBe(1006);
  await rebound.page.context().close();
});

test('the search finds rooms, users and nodes, and says what it has not found until something else is looked at', async () => {
  const search = page().getByRole('combobox', { name: 'Room, user or node' });
  await search.fill('n2');
  await search.press('Enter');
  await page().getByRole('heading', { level: 1, name: 'n2' }).waitFor();
  await search.fill('room-2');
  await search.press('Enter');
  await page().getByRole('heading', { level: 1, name: 'room-2' }).waitFor();
  await search.fill('of-room-3');
  await search.press('Enter');
  await page().getByRole('link', { name: 'room-3', exact: true }).waitFor();
  await search.fill('nobody');
  await search.press('Enter');
  const word = page().getByText('There is no open room, no user and no node nobody.');
  await word.waitFor();
  await page().goto(`${url}/dashboard#/nodes/n2`);
  await word.waitFor({ state: 'detached' });
  expect(window.complaints).toEqual([]);
  await page().goto(`${url}/dashboard#/`);
});

test('a dialog holds the focus, ends by Escape, and gives the focus back', async (context) => {
  const button = page().getByRole('button', { name: 'Drain n1' });
  await button.focus();
  await page().keyboard.press('Enter');
  const dialog = page().getByRole('dialog');
  await dialog.waitFor();
  for (let i = 0; i < 6; i++) {
    await page().keyboard.press('Tab');
    const outside =
      'document.activeElement !== document.body && !document.querySelector("dialog").contains(document.activeElement)';
    expect(await page().evaluate<boolean>(outside)).toBe(false);
  }
  expect(await window.faults()).toEqual([]);
  await page().keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect(await page().evaluate<string>('document.activeElement.textContent')).toBe('Drain n1');
  const plan = await cluster().router('r1').api.post('/nodes/n1/drain', { dryRun: true });
  window.complaints.length = 0;
  if (plan.status === 404) context.skip('this router cannot drain');
  await page().keyboard.press('Enter');
  await page().getByRole('dialog').getByRole('button', { name: 'Drain n1' }).click();
  await until('no room is left at n1', async () => ((await countsOf(window)).get('n1') ?? 0) === 0);
  await page().keyboard.press('Escape');
  const undo = page().getByRole('button', { name: 'Undo drain of n1' });
  if ((await undo.count()) > 0) {
    await undo.click();
    await page().getByRole('dialog').getByRole('button', { name: 'Undo drain' }).click();
    await page().getByRole('button', { name: 'Drain n1' }).waitFor();
  }
  expect(clients.flatMap(({ closes }) => closes)).toEqual([]);
  window.complaints.length = 0;
});

test('a kill shows as it happens: the node, its rooms on their way, the feed', async () => {
  const before = await countsOf(window);
  window.complaints.length = 0;
  const [victim = 'n2'] = [...before].sort((a, b) => b[1] - a[1])[0] ?? [];
  cluster().node(victim).signal('SIGKILL');
  await page()
    .locator('.feed li', { hasText: `${victim} was lost` })
    .waitFor();
  await page()
    .locator('.feed li', { hasText: new RegExp(`moved ${victim} →`) })
    .first()
    .waitFor();
  await until('its rooms are drawn elsewhere', async () => {
    const counts = await countsOf(window);
    return sum(counts) === ROOMS.length && (counts.get(victim) ?? 0) === 0;
  });
  await page().locator('.nodes tr.gone', { hasText: victim }).waitFor();
  expect(window.complaints).toEqual([]);
  expect(await window.faults()).toEqual([]);
  await window.shot('overview-light');
});

test('it fits a telephone, in the dark', async () => {
  const options = { viewport: { width: 390, height: 844 }, colorScheme: 'dark', reducedMotion: 'reduce' } as const;
  const small = await Window.open(browser, `${url}/dashboard`, options);
  for (const [path, ready] of [
    ['#/', '.nodes tbody th'],
    ['#/rooms/room-1', '.members li'],
    ['#/nodes/n1', '.facts dd'],
    ['#/users/of-room-1', 'tbody th'],
  ] as const) {
    await small.page.goto(`${url}/dashboard${path}`);
    await small.page.locator(ready).first().waitFor();
    expect([path, await small.scrollsSideways()]).toEqual([path, false]);
    expect([path, await small.faults()]).toEqual([path, []]);
    await small.shot(`telephone-dark-${path.replace(/\W+/g, '')}`);
  }
  expect(small.complaints).toEqual([]);
  await small.page.context().close();
});

test('with a token it asks for it, and shows nothing before', async () => {
  const { url: guarded } = await cluster().startRouter('r2', ['--api-token', TOKEN]);
  const asked = await Window.open(browser, `${guarded}/dashboard`);
  const field = asked.page.getByLabel('API token');
  await field.fill('not-the-right-one');
  await field.press('Enter');
  await asked.page.getByText('This token is not the right one.').waitFor();
  expect(await asked.page.locator('.nodes').count()).toBe(0);
  await field.fill(TOKEN);
  await field.press('Enter');
  await asked.page.locator('.nodes tbody th').first().waitFor();
  // In this tab alone, and never in a cookie.
  expect(await asked.page.context().cookies()).toEqual([]);
  expect(await asked.page.evaluate<number>('localStorage.length')).toBe(0);
  expect(asked.complaints.filter((line) => !line.includes('401'))).toEqual([]);
});

test('58 over https it is shown, and a page speaks wss', async () => {
  const authority = new Authority('one that no browser knows');
  const { cert, key } = authority.sign('edge');
  const { url: secure } = await cluster().startRouter('r3', ['--tls-cert', cert, '--tls-key', key]);
  const shown = await Window.open(browser, `${secure}/dashboard`, { ignoreHTTPSErrors: true });
  await shown.page.locator('.nodes tbody th').first().waitFor();
  const joined = `new Promise((resolve) => {
    const socket = new WebSocket(location.origin.replace('https', 'wss') + '/rooms/room-1?user=page');
    socket.onmessage = ({ data }) => resolve(JSON.parse(data).type);
    socket.onclose = ({ code }) => resolve(code);
  })`;
  expect(await shown.page.evaluate<unknown>(joined)).toBe('welcome');
  expect(shown.complaints).toEqual([]);
  authority.remove();
});
