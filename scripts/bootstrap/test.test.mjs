import { describe, expect, it } from 'vitest';
import { Sentence } from './sentence.mjs';
import { afterSecondRun, countTests, filesToRunAgain, nameChromium, shareOfLeaks, summary } from './test.mjs';

const report = (changes) => ({ numPassedTests: 5, numFailedTests: 0, testResults: [], ...changes });

describe('countTests', () => {
  it('counts what ran', () => {
    expect(countTests(report({ numPendingTests: 2 }), 0)).toEqual({ passed: 5, failed: 0, skipped: 2 });
    expect(countTests(report({ numFailedTests: 3 }), 1)).toMatchObject({ failed: 3 });
  });

  it('counts a file that could not be loaded', () => {
    const testResults = [{ status: 'failed', assertionResults: [] }];
    expect(countTests(report({ testResults }), 1)).toMatchObject({ failed: 1 });
    const counted = [{ status: 'failed', assertionResults: [{ status: 'failed' }] }];
    expect(countTests(report({ testResults: counted, numFailedTests: 1 }), 1)).toMatchObject({ failed: 1 });
  });

  it('takes a run that failed for no test’s fault, or left no report, for a failure', () => {
    expect(countTests(report({}), 1)).toMatchObject({ passed: 5, failed: 1 });
    expect(countTests(undefined, 1)).toMatchObject({ passed: 0, failed: 1 });
  });
});

describe('the search for planted secrets', () => {
  const unit = { name: 'unit', seconds: 1, passed: 5, failed: 0, skipped: 0 };

  it('25 fails the whole run for each leak, and says where', () => {
    const said = [];
    const leaks = ['the planted ticket secret is in the output of unit'];
    const { lines, failed } = summary([unit, shareOfLeaks(leaks, (line) => said.push(line))]);
    expect(said).toEqual(leaks);
    expect(failed).toBe(1);
    expect(lines.at(-1)).toBe('5 passed, 1 failed');
  });

  it('25 passes where nothing leaked, and does not stand for tests that never ran', () => {
    expect(summary([unit, shareOfLeaks([])]).lines.at(-1)).toBe('6 passed, 0 failed');
    expect(summary([{ ...unit, passed: 0 }, shareOfLeaks([])]).failed).toBe(1);
  });
});

describe('a second run', () => {
  const file = (name, ...statuses) => ({
    name,
    status: statuses.includes('failed') ? 'failed' : 'passed',
    assertionResults: statuses.map((status) => ({ status })),
  });
  const run = (exitCode, ...testResults) => ({ exitCode, json: report({ testResults }) });

  it('is for few files that failed', () => {
    expect(filesToRunAgain(run(1, file('a', 'passed', 'failed'), file('b', 'passed')))).toEqual(['a']);
    expect(filesToRunAgain(run(0, file('a', 'passed')))).toEqual([]);
    const failed = ['a', 'b', 'c'].map((name) => file(name, 'failed'));
    expect(filesToRunAgain(run(1, ...failed))).toEqual([]);
    expect(filesToRunAgain({ exitCode: 1, json: undefined })).toEqual([]);
  });

  it('counts in the place of the first, and is told', () => {
    const first = run(1, file('a', 'passed', 'failed'), file('b', 'passed', 'skipped'));
    const passed = afterSecondRun(first, run(0, file('a', 'passed', 'passed')));
    expect(countTests(passed.json, passed.exitCode)).toEqual({ passed: 3, failed: 0, skipped: 1 });
    expect(passed.second).toEqual(['a']);
    const { lines } = summary([
      { name: 'scenario', seconds: 1, passed: 3, failed: 0, skipped: 0, second: passed.second },
    ]);
    expect(lines[0]).toMatch(/3 passed, 0 failed; passed only at a second run: a$/);
  });

  it('fails what fails twice, or leaves no report', () => {
    const first = run(1, file('a', 'passed', 'failed'), file('b', 'passed'));
    const failed = afterSecondRun(first, run(1, file('a', 'failed', 'passed')));
    expect(countTests(failed.json, failed.exitCode)).toMatchObject({ passed: 2, failed: 1 });
    expect(failed.second).toEqual([]);
    expect(afterSecondRun(first, { exitCode: 1, json: undefined })).toBe(first);
  });
});

describe('summary', () => {
  const share = { name: 'unit', seconds: 1.25, passed: 5, failed: 0, skipped: 0 };

  it('ends with the total', () => {
    const { lines, failed } = summary([share, { ...share, name: 'scenario', failed: 2, skipped: 1 }]);
    expect(lines.at(-1)).toBe('10 passed, 2 failed');
    expect(lines[1]).toMatch(/^scenario +1\.[23] s {2}5 passed, 2 failed, 1 skipped$/);
    expect(failed).toBe(2);
  });

  it('does not take nothing for success', () => {
    expect(summary([{ ...share, passed: 0 }])).toMatchObject({ failed: 1 });
  });
});

describe('nameChromium', () => {
  const none = () => {
    throw new Sentence('Install Chromium.');
  };

  it('keeps what the environment names, and finds one otherwise', () => {
    const given = { BELLHOP_TEST_CHROMIUM_BIN: '/opt/chrome' };
    expect([nameChromium(given, none), given.BELLHOP_TEST_CHROMIUM_BIN]).toEqual([true, '/opt/chrome']);
    const found = {};
    expect([nameChromium(found, () => '/usr/bin/chromium'), found]).toEqual([
      true,
      { BELLHOP_TEST_CHROMIUM_BIN: '/usr/bin/chromium' },
    ]);
  });

  it('says what to install, and leaves the other shares be', () => {
    const said = [];
    expect(nameChromium({}, none, (line) => said.push(line))).toBe(false);
    expect(said).toEqual(['Install Chromium.']);
    expect(() => nameChromium({}, () => null.broken)).toThrow(TypeError);
  });
});
