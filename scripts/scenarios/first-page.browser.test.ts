/** The first page of `npm start`, as somebody who has just cloned this sees it: two windows, one conversation, and the death of the node
 *  that holds it. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { launchChromium, Window } from './chromium.ts';
import { markedProcesses } from './marked-processes.ts';
import { type ClusterProcess, DIST, launchCommand, ROOT } from './processes.ts';
import { until } from './wait.ts';

const mark = `SCENARIO_MARK=${randomBytes(8).toString('hex')}`;
const [markName = '', markValue = ''] = mark.split('=');
const RUN = process.env['BELLHOP_TEST_DIST'] === undefined ? join(ROOT, 'scripts', 'run.mjs') : join(DIST, 'run.mjs');
let start: ClusterProcess;
let browser: Browser;
const windows: Window[] = [];

beforeAll(async () => {
  const flags = ['start', '--nodes', '2', '--port', '0', '--restart-delay-ms', '200'];
  start = launchCommand('start', [process.execPath, RUN, ...flags], { [markName]: markValue });
  browser = await launchChromium();
});
afterEach(({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(`${start.said}\n`);
});
afterAll(async () => {
  await browser?.close();
  start?.signal('SIGTERM');
  await start?.exited;
  for (const { pid } of markedProcesses(mark)) process.kill(pid, 'SIGKILL');
});

test('two windows talk, and a kill of the node that holds the room shows as a gap of milliseconds', async () => {
  await until('it is ready', () => /^ready (http:\S+)$/m.test(start.said), 60_000);
  const url = /^chat (http:\S+)\/ /m.exec(start.said)?.[1] ?? '';
  expect(start.said).toContain(`dashboard ${url}/dashboard`);
  for (const [user, colorScheme] of [
    ['ada', 'light'],
    ['bob', 'dark'],
  ] as const) {
    windows.push(
      await Window.open(browser, `${url}/?user=${user}`, { colorScheme, viewport: { width: 390, height: 844 } }),
    );
  }
  const [ada, bob] = windows as [Window, Window];
  for (const { page } of windows) await page.locator('#count', { hasText: /^2$/ }).waitFor();
  await ada.page.fill('#text', '<b>hello</b>');
  await ada.page.press('#text', 'Enter');
  await bob.page.locator('#log .what', { hasText: '<b>hello</b>' }).waitFor();
  const before = await ada.page.locator('#node').textContent();
  await ada.page.locator('#kill:enabled').click();
  for (const { page } of windows) {
    await page.locator('#watch.done').waitFor({ timeout: 30_000 });
    expect(Number(await page.locator('#watch').textContent())).toBeGreaterThan(0);
    await until('another node holds the room', async () => (await page.locator('#node').textContent()) !== before);
    expect(await page.locator('#verdict').textContent()).toContain('this socket was kept');
  }
  for (const [i, window] of windows.entries()) {
    expect(window.complaints).toEqual([]);
    expect(await window.scrollsSideways()).toBe(false);
    expect(await window.faults()).toEqual([]);
    await window.shot(`first-page-${i === 0 ? 'light' : 'dark'}`);
  }
}, 120_000);
