/** Nothing of ours makes code of a text, or loads what a variable names, but for the few places where that is the purpose. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDERS = ['router', 'node', 'shared', 'client', 'scripts', 'examples', 'pages'];
const FORBIDDEN: readonly (readonly [string, RegExp])[] = [
  ['eval', /(?<![.\w])eval\s*\(|\(0,\s*eval\)|globalThis\.eval/],
  [
    'a Function made of text',
    /\bnew\s+Function\b|(?<![.\w])Function\s*\(|globalThis\.Function|\.constructor\s*\(\s*['"`]/,
  ],
  ['code in a timer', /\bset(?:Timeout|Interval)\(\s*['"`]/],
  ['require', /(?<![.\w])require\s*\(/],
  ['the vm module', /['"](?:node:)?vm['"]/],
  ['a thread made of text', /\beval:\s*true\b/],
];
/** An import of what is not written out. */
const DYNAMIC_IMPORT = /\bimport\s*\(\s*(?!['"])/;
/** An operator's program of a room is named by its option; the others start a program of this very checkout. */
const MAY_IMPORT: readonly string[] = [
  'node/load-program.ts',
  'scripts/bellhop.ts',
  'scripts/bootstrap/verbs.mjs',
  'scripts/scenarios/typed.ts',
];

/** Without comments, where words are only words. */
const codeOf = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');

function sources(): { readonly file: string; readonly code: string }[] {
  return FOLDERS.flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.(?:tsx?|mjs|js)$/.test(entry.name) && !/\.test\.m?[jt]s$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({
      file: relative(ROOT, path).split(sep).join('/'),
      code: codeOf(readFileSync(path, 'utf8')),
    }));
}

describe('55 code', () => {
  test.each(FORBIDDEN)('55 is made without %s', (_name, pattern) => {
    expect(sources().flatMap(({ file, code }) => (pattern.test(code) ? [file] : []))).toEqual([]);
  });

  test('55 is loaded by a name that stands in the source, but for programs of rooms', () => {
    const found = sources().flatMap(({ file, code }) => (DYNAMIC_IMPORT.test(code) ? [file] : []));
    expect(found.filter((file) => !MAY_IMPORT.includes(file))).toEqual([]);
  });

  test('55 that is forbidden is found', () => {
    const samples = [
      'eval(x)',
      'new Function("a")',
      'setTimeout("a", 1)',
      'require(name)',
      "import 'node:vm'",
      'eval: true',
    ];
    for (const sample of ["f.constructor('a')", 'globalThis.Function("a")'])
      expect(FORBIDDEN[1]?.[1].test(sample)).toBe(true);
    for (const [at, sample] of samples.entries()) expect(FORBIDDEN[at]?.[1].test(sample), sample).toBe(true);
    expect(DYNAMIC_IMPORT.test('await import(path)')).toBe(true);
    expect(FORBIDDEN.some(([, pattern]) => pattern.test('await redis.eval(script); retrieval(x)'))).toBe(false);
  });
});
