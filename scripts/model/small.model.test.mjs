// The share of `npm test` that checks the models: every row in its small bounds. Where Spin is missing and cannot be installed this
// fails with the sentence that says what to install.
import process from 'node:process';
import { beforeAll, expect, test } from 'vitest';
import { findModelTools } from '../bootstrap/spin.mjs';
import { ROWS } from './rows.ts';
import { rowsOf, runSuite } from './suite.ts';

let tools;
beforeAll(() => {
  tools = findModelTools();
});

test('what must hold holds and what must break breaks, in small bounds', async () => {
  const say = (line) => process.stdout.write(`${line}\n`);
  const { results, failed } = await runSuite(rowsOf(ROWS, 'small', ''), 'small', tools, say);
  expect(results.filter(({ ok }) => !ok).map(({ row, verdict }) => ({ row: row.name, verdict }))).toEqual([]);
  expect(failed).toBe(0);
});
