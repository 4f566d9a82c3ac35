import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { flagsOf, ROWS, type Row } from './rows.ts';
import { rowsOf } from './suite.ts';

const source = (model: Row['model']): string =>
  readFileSync(new URL(`../../docs/model/${model}.pml`, import.meta.url), 'utf8');

describe('the table of rows', () => {
  it('names only what its model reads: a mistyped rule would be no rule, and hold', () => {
    for (const row of ROWS) {
      const text = source(row.model);
      for (const size of ['small', 'full'] as const) {
        for (const flag of flagsOf(row, size) ?? []) {
          const name = flag.slice(2).split('=')[0] ?? '';
          expect(text, `${row.name}: ${name}`).toMatch(new RegExp(`#\\s*(if|elif|ifdef|ifndef)\\b.*\\b${name}\\b`));
        }
      }
    }
  });

  it('has every row once, each twin in both sizes', () => {
    expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
    for (const row of ROWS.filter(({ expect: answer }) => answer === 'breaks')) {
      expect(flagsOf(row, 'small'), row.name).toBeDefined();
      expect(flagsOf(row, 'full'), row.name).toBeDefined();
    }
  });

  it('has a twin for each rule that a model can take away', () => {
    const used = ROWS.flatMap((row) => [...(flagsOf(row, 'small') ?? []), ...(flagsOf(row, 'full') ?? [])]);
    for (const model of ['own', 'log'] as const) {
      for (const [, name] of source(model).matchAll(/^#ifdef (NO_\w+|\w+_(?:VERIFY|KEPT|FORGOTTEN)|VERIFY)\b/gm)) {
        expect(used, `${model}.pml: ${name}`).toContain(`-D${name}`);
      }
    }
  });
});

describe('flagsOf', () => {
  const row: Row = { name: 'a row', model: 'own', expect: 'holds', defines: 'WIRE MAXTAG=3', small: 'MAXTAG=2' };

  it('lets bounds win over defines, and knows which run a row is in', () => {
    expect(flagsOf(row, 'small')).toEqual(['-DWIRE', '-DMAXTAG=2']);
    expect(flagsOf(row, 'full')).toBeUndefined();
    expect(rowsOf([row], 'full', '')).toEqual([]);
    expect(rowsOf([row], 'small', 'row')).toEqual([row]);
    expect(rowsOf([row], 'small', 'column')).toEqual([]);
  });
});
