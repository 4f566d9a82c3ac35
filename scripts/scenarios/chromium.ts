/** A real Chromium for tests. Owns: how it is started, and what its pages complain of. Does not know: which pages. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

export const REBOUND_HOST = 'rebound.example';

/** No sandbox, since CI runs as root; and nothing that speaks to anybody but the page's own addresses. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Of a page that leads its name to this machine.
  `--host-resolver-rules=MAP ${REBOUND_HOST} 127.0.0.1`,
];

/** Playwright starts it headless, and with a profile of its own that it removes. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['BELLHOP_TEST_CHROMIUM_BIN'] ?? '/usr/bin/chromium',
    args: FLAGS,
  });
}

/** Where pictures are put; none are taken without it. */
const SHOTS = process.env['BELLHOP_TEST_SHOTS'];

export class Window {
  /** Errors and warnings on its console, and what was thrown and not caught. */
  readonly complaints: string[] = [];
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      const isComplaint = message.type() === 'error' || message.type() === 'warning';
      if (isComplaint) this.complaints.push(`${message.text()} ${message.location().url}`);
    });
  }

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Window> {
    const context = await browser.newContext({ viewport: { width: 1320, height: 900 }, ...options });
    const window = new Window(await context.newPage());
    await window.page.goto(url);
    return window;
  }

  async shot(name: string): Promise<void> {
    if (SHOTS === undefined) return;
    mkdirSync(SHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
  }

  /** What axe-core finds serious or critical on the page as it is now. */
  async faults(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const found = await this.page.evaluate<readonly AxeFinding[]>(
      'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
    );
    return found
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  }

  /** Whether something is wider than the window. */
  async scrollsSideways(): Promise<boolean> {
    return this.page.evaluate<boolean>('document.documentElement.scrollWidth > document.documentElement.clientWidth');
  }
}

interface AxeFinding {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string }[];
}
