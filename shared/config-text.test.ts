import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OPTION_NAMES, optionsOf, specOf } from './config-options.ts';
import { configTable, optionsHelp, TABLE_BEGIN, TABLE_END, withConfigTable } from './config-text.ts';

const page = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');

describe('the table of options', () => {
  it('stands in the docs as it is now (npm run config-table)', () => {
    const docs = page('docs/configuration.md');
    expect(withConfigTable(docs)).toBe(docs);
  });

  it('has a row for each option that people give', () => {
    const rows = configTable().trim().split('\n').slice(2);
    expect(rows).toHaveLength(OPTION_NAMES.filter((name) => specOf(name).internal !== true).length);
    // Four cells: no cell breaks its row.
    for (const row of rows) expect(row.split(/(?<!\\)\|/), row).toHaveLength(6);
  });

  it('is put between the marks, and nowhere else', () => {
    const before = `a\n${TABLE_BEGIN}\nold\n${TABLE_END}\nb\n`;
    expect(withConfigTable(before)).toBe(`a\n${TABLE_BEGIN}\n${configTable()}${TABLE_END}\nb\n`);
    expect(withConfigTable('no marks')).toBeUndefined();
  });
});

describe('--help', () => {
  it('lists the options of the role, with its defaults, within a terminal’s width', () => {
    const help = optionsHelp('start');
    for (const name of optionsOf('start')) expect(help).toContain(`--${name}`);
    expect(help).toMatch(/--log-level .*\(default warn\)/);
    expect(help).not.toContain('--link-port');
    const docs = help.split('\n').filter((line) => line.startsWith('      '));
    expect(Math.max(...docs.map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});
