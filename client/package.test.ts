/** The package as others use it: what was built, imported by its name. Needs dist/. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const GLOBAL_FILE = join(ROOT, 'dist', 'client', 'bellhop.global.js');
const GZIP_BYTES_MAX = 8_192;

describe('the file for a <script>', () => {
  it('is small', () => {
    const bytes = gzipSync(readFileSync(GLOBAL_FILE), { level: 9 }).length;
    process.stdout.write(`client: ${bytes} bytes minified and gzipped\n`);
    expect(bytes).toBeGreaterThan(1_000);
    expect(bytes).toBeLessThan(GZIP_BYTES_MAX);
  });

  it('sets Bellhop and nothing else, and needs nothing but what browsers have', () => {
    const dialled: unknown[] = [];
    class WebSocket {
      constructor(...args: unknown[]) {
        dialled.push(args);
      }
      close(): void {}
    }
    const page = { WebSocket, URL, TextEncoder, performance, setTimeout, clearTimeout, queueMicrotask };
    const location = { href: 'https://edge.example/chat' };
    const context = createContext({ ...page, location });
    const before = Object.keys(context);
    runInContext(readFileSync(GLOBAL_FILE, 'utf8'), context);
    expect(Object.keys(context).filter((name) => !before.includes(name))).toEqual(['Bellhop']);
    runInContext(
      `{ const room = Bellhop.connect('/rooms/lobby'); room.setMeta({ mood: 'fine' }); room.close(); }`,
      context,
    );
    expect(JSON.stringify(dialled)).toBe('[["wss://edge.example/rooms/lobby",["bellhop.v1"]]]');
  });
});

const CONSUMER = `
import { connect, RoomError, type Room, type Published } from 'bellhop/client';

const room: Room = connect(['wss://a.example/rooms/lobby'], { token: async () => 'token' });
const off: () => void = room.on('message', ({ seq, data }) => console.log(seq + 1, data));
room.on('state', (state) => {
  if (state.status === 'waiting') console.log(state.retryMs);
});
room.publish({ text: 'hello' }).then(
  ({ seq, tag }: Published) => console.log(seq, tag.length),
  (error) => console.log(error instanceof RoomError && error.retryable),
);
// @ts-expect-error: there is no such event
room.on('massage', () => undefined);
// @ts-expect-error: not JSON
void room.publish(() => undefined);
off();
`;

describe('bellhop/client', () => {
  let project = '';
  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'bellhop-consumer-'));
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(ROOT, join(project, 'node_modules', 'bellhop'), 'dir');
    writeFileSync(join(project, 'package.json'), '{"type":"module"}');
    writeFileSync(join(project, 'chat.ts'), CONSUMER);
  });
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  function run(script: string, args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
      cwd: project,
      encoding: 'utf8',
    });
    return status === 0 ? stdout : `exit ${status}: ${stdout}${stderr}`;
  }

  it.each([
    ['Node', ['--module', 'nodenext', '--lib', 'es2023', '--types', '']],
    ['a browser’s bundler', ['--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2023,dom']],
  ])('has types for %s', (_, args) => {
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    writeFileSync(
      join(project, 'console.d.ts'),
      args.includes('es2023,dom') ? '' : 'declare const console: { log(...args: unknown[]): void };',
    );
    // Each runtime's own class fits the option.
    writeFileSync(
      join(project, 'socket.ts'),
      args.includes('es2023,dom')
        ? `import type { WebSocketClass } from 'bellhop/client';\nexport const given: WebSocketClass = WebSocket;\n`
        : '',
    );
    const files = ['chat.ts', 'console.d.ts', 'socket.ts'];
    expect(run(tsc, ['--noEmit', '--strict', '--target', 'es2022', ...args, ...files])).toBe('');
  });

  it('is imported by Node, which is told where it lacks a WebSocket', () => {
    writeFileSync(
      join(project, 'plain.js'),
      `import { connect, RoomError } from 'bellhop/client';
       globalThis.WebSocket = undefined;
       try { connect('ws://127.0.0.1:9/rooms/lobby'); } catch (error) { console.log(error instanceof RoomError, error.code); }`,
    );
    expect(run(join(project, 'plain.js'), [])).toBe('true no_websocket\n');
  });

  it.each([
    ['of `ws`', [], `import { WebSocket } from '${join(ROOT, 'node_modules', 'ws', 'wrapper.mjs')}';`, '{ WebSocket }'],
    // Node 20 has one behind a flag, later versions without it.
    ['of the runtime', ['--experimental-websocket'], '', '{}'],
  ])('takes the WebSocket %s, and waits where nobody listens', (_, flags, head, options) => {
    writeFileSync(
      join(project, 'node.js'),
      `import { connect } from 'bellhop/client';
       ${head}
       const room = connect('ws://127.0.0.1:9/rooms/lobby', ${options});
       room.on('state', ({ status, code }) => {
         if (status !== 'waiting') return;
         console.log(status, code);
         room.close();
       });`,
    );
    expect(run('--no-warnings', [...flags, join(project, 'node.js')])).toBe('waiting 1006\n');
  });
});
