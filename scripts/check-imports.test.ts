import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { findViolations, violationsIn } from './check-imports.ts';

const imported = (file: string, source: string) => violationsIn(file, source).map(({ imports }) => imports);

describe('import rules', () => {
  it('hold in this repository', () => {
    expect(findViolations(fileURLToPath(new URL('..', import.meta.url)))).toEqual([]);
  });

  it.each([
    ['router/a.ts', '../node/room.ts'],
    ['node/deep/a.ts', '../../router/core.ts'],
    ['shared/a.ts', '../node/room.ts'],
    ['shared/link/a.ts', '../../router/core.ts'],
    ['client/a.ts', '../shared/link/codec.ts'],
    ['client/a.ts', '../router/core.ts'],
    ['router/a.ts', '../scripts/up.ts'],
    ['node/a.ts', '../scripts/up.ts'],
    ['shared/a.test.ts', '../scripts/up.ts'],
  ])('%s may not import %s', (file, path) => {
    expect(imported(file, `import { x } from '${path}';`)).toHaveLength(1);
  });

  it.each([
    ['router/a.ts', '../shared/clock.ts'],
    ['node/deep/a.ts', '../room.ts'],
    ['client/a.ts', '../shared/protocol.ts'],
    ['scripts/up.ts', '../router/core.ts'],
    ['scripts/scenarios/a.scenario.test.ts', '../../node/room.ts'],
  ])('%s may import %s', (file, path) => {
    expect(imported(file, `import { x } from '${path}';`)).toEqual([]);
  });

  it.each([
    `import { WebSocket } from 'ws';`,
    `import type {\n  A,\n  B,\n} from 'node:net';`,
    `export * from "ws";`,
    `import 'ws';`,
    `const { WebSocket } = await import('ws');`,
  ])('forbid client %j', (statement) => {
    const source = `/** From 'anywhere', import { all } from 'here'. */\n${statement}\n`;
    expect(violationsIn('client/a.ts', source)).toMatchObject([{ file: 'client/a.ts', line: 2 }]);
    expect(imported('client/a.test.ts', source)).toEqual([]);
    expect(imported('scripts/a.ts', source)).toEqual([]);
  });

  it.each([
    `import type { Room } from '../node/room.ts';`,
    `import {\n  a,\n  b,\n} from "../node/room.ts";`,
    `import '../node/room.ts';`,
    `export * from '../node/room.ts';`,
    `const room = await import('../node/room.ts');`,
    `import { a } from './../node/room.ts';`,
    `vi.mock('../node/room.ts');`,
  ])('are found in %j', (statement) => {
    const found = violationsIn('router/a.ts', `// first line\n${statement}\n`);
    expect(found).toMatchObject([{ file: 'router/a.ts', imports: 'node/room.ts' }]);
  });
});

describe('findViolations', () => {
  const root = mkdtempSync(join(tmpdir(), 'bellhop-imports-'));
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('finds a planted violation, with its line', () => {
    mkdirSync(join(root, 'router', 'deep'), { recursive: true });
    writeFileSync(join(root, 'router', 'good.ts'), `import '../shared/clock.ts';\n`);
    writeFileSync(join(root, 'router', 'deep', 'bad.ts'), `\n\nimport '../../node/room.ts';\n`);
    expect(findViolations(root)).toEqual([{ file: 'router/deep/bad.ts', line: 3, imports: 'node/room.ts' }]);
  });
});
