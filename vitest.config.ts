/** Shares of the test suite. `unit` runs in parallel. `fuzz` gives what is compiled hostile bytes for three quarters of a minute. `model` has Spin search
 *  the models of docs/model in small bounds. A `scenario` starts a cluster of processes from dist/ and needs the machine for itself, so
 *  its files run one after another; `npm test` builds first. A `browser` test does so too, and opens pages in a Chromium. */
import { defineConfig } from 'vitest/config';

const FUZZ = 'scripts/fuzz/*.fuzz.test.ts';
const MODEL = 'scripts/model/*.model.test.mjs';
const NOT_OURS = ['**/node_modules/**', 'dist/**', '.bellhop/**'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/*.test.ts', '**/*.test.mjs'],
          exclude: [...NOT_OURS, '**/*.scenario.test.ts', '**/*.browser.test.ts', FUZZ, MODEL],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'fuzz',
          include: [FUZZ],
          exclude: NOT_OURS,
          testTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'model',
          include: [MODEL],
          exclude: NOT_OURS,
          testTimeout: 1_800_000,
          // Spin may have to be installed first.
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'scenario',
          include: ['**/*.scenario.test.ts'],
          exclude: NOT_OURS,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['**/*.browser.test.ts'],
          exclude: NOT_OURS,
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
