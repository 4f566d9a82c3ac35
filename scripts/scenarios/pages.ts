/** What a browser test shows: the example's page, the client library as it was built, and a talker. Owns: a small server and a Chromium.
 *  Does not know: clusters. Invariant: after `close` neither is left. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './chromium.ts';
import { DIST, ROOT } from './processes.ts';
import type { TalkRecord } from './talker.ts';

const FILES: Readonly<Record<string, readonly [path: string, type: string]>> = {
  '/': [join(ROOT, 'examples', 'chat.html'), 'text/html; charset=utf-8'],
  '/bellhop.global.js': [join(DIST, 'client', 'bellhop.global.js'), 'text/javascript'],
  '/talker.js': [join(DIST, 'scripts', 'scenarios', 'talker.js'), 'text/javascript'],
};

export class Pages {
  readonly origin: string;
  /** What went wrong in a page, uncaught. */
  readonly faults: string[] = [];
  readonly #server: Server;
  #browser: Browser | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async serve(): Promise<Pages> {
    const server = createServer((request, response) => {
      const [path, type] = FILES[(request.url ?? '').split('?')[0] ?? ''] ?? [];
      if (path === undefined) response.writeHead(404).end();
      else response.writeHead(200, { 'Content-Type': type }).end(readFileSync(path));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Pages(server);
  }

  /** Opens the example's page. @param routers  `ws://host:port`, in the order of trial */
  async open(room: string, user: string, routers: readonly string[]): Promise<Page> {
    this.#browser ??= await launchChromium();
    const page = await this.#browser.newPage();
    page.on('pageerror', (error) => this.faults.push(`${user}: ${error.message}`));
    const query = new URLSearchParams({ room, user });
    for (const router of routers) query.append('at', router);
    await page.goto(`${this.origin}/?${query}`);
    return page;
  }

  async close(): Promise<void> {
    await this.#browser?.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Lets a talker loose in a page's room. */
export async function talkIn(page: Page, name: string, everyMs: number): Promise<void> {
  const content = `import { Talker } from '/talker.js';
    globalThis.talker = new Talker(room, ${JSON.stringify(name)});
    talker.start(${everyMs});`;
  await page.addScriptTag({ type: 'module', content });
  await page.waitForFunction('globalThis.talker !== undefined');
}

export async function recordIn(page: Page): Promise<TalkRecord> {
  return page.evaluate<TalkRecord>('talker.record()');
}
