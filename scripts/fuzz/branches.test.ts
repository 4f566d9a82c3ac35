import { describe, expect, it } from 'vitest';
import { parseAst } from 'vitest/node';
import { branchesOf } from './branches.ts';

const kinds = (source: string) => branchesOf(source, (text) => parseAst(text)).map(({ kind }) => kind);

describe('branches', () => {
  it.each([
    ['if (a) b();', ['if', 'no else']],
    ['if (a) b(); else c();', ['if', 'else']],
    ['a ? b : c;', ['?', ':']],
    ['a && b; a ?? b;', ['&&', '??']],
    ['switch (a) { case 1: b(); break; case 2: default: c(); }', ['case', 'case']],
    ['switch (a) { case 1: b(); break; default: a; }', ['case']],
    ['try { a(); } catch { b(); }', ['catch']],
    ['const f = () => 1; function g() {}', ['function', 'function']],
  ])('of %s', (source, expected) => {
    expect(kinds(source).sort()).toEqual([...expected].sort());
  });

  it('count the way that is not written from the way that is', () => {
    const source = 'a();\nif (b) c();';
    const [, none] = branchesOf(source, (text) => parseAst(text));
    // The statement ran five times, what it guards twice.
    expect(none?.count((offset) => (offset === source.indexOf('c()') ? 2 : 5))).toBe(3);
    expect(none?.line).toBe(2);
  });
});
