import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { auditFaults, lockFaults, wsFaults } from './dependencies.mjs';

const read = (name) => JSON.parse(readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), 'utf8'));
const lockOf = (dependencies, packages) => ({ lockfileVersion: 3, packages: { '': { dependencies }, ...packages } });

describe('54 what is installed', () => {
  test('54 is what package.json asks for, with a ws that is young enough', () => {
    expect(lockFaults(read('package.json'), read('package-lock.json'))).toEqual([]);
    expect(wsFaults(read('package-lock.json'))).toEqual([]);
  });

  test('54 fails where the lock file does not match', () => {
    const ws = { 'node_modules/ws': { version: '8.23.0', integrity: 'sha512-x' } };
    const manifest = { dependencies: { ws: '^8.23.0' } };
    expect(lockFaults(manifest, lockOf({ ws: '^8.23.0' }, ws))).toEqual([]);
    expect(lockFaults(manifest, lockOf({ ws: '^8.0.0' }, ws))).toHaveLength(1);
    expect(lockFaults(manifest, lockOf({}, ws))).toHaveLength(1);
    expect(lockFaults({ dependencies: {} }, lockOf({ ws: '^8.23.0' }, ws))).toHaveLength(1);
    expect(lockFaults(manifest, lockOf({ ws: '^8.23.0' }, {}))[0]).toContain('does not resolve ws');
    expect(lockFaults(manifest, lockOf({ ws: '^8.23.0' }, { 'node_modules/ws': { version: '8.23.0' } }))).toHaveLength(
      1,
    );
    expect(lockFaults(manifest, { lockfileVersion: 1 })).toHaveLength(1);
    const needs = { ...ws, 'node_modules/a': { dependencies: { b: '^1.0.0' } } };
    expect(lockFaults(manifest, lockOf({ ws: '^8.23.0' }, needs))[0]).toContain('does not resolve b of node_modules/a');
    for (const path of ['node_modules/b', 'node_modules/a/node_modules/b']) {
      expect(lockFaults(manifest, lockOf({ ws: '^8.23.0' }, { ...needs, [path]: {} }))).toEqual([]);
    }
  });

  test.each([
    ['8.22.9', 1],
    ['7.99.99', 1],
    ['8.23.0-rc.1', 1],
    ['odd', 1],
    [undefined, 1],
    ['8.23.0', 0],
    ['8.100.0', 0],
    ['9.0.0', 0],
  ])('54 fails on a resolved ws below 8.23, also of a dependency: %s', (version, faults) => {
    const packages = { 'node_modules/ws': { version: '8.23.0' }, 'node_modules/a/node_modules/ws': { version } };
    expect(wsFaults(lockOf({}, packages))).toHaveLength(faults);
    const ofTests = { ...packages, 'node_modules/a/node_modules/ws': { version, dev: true } };
    expect(wsFaults(lockOf({}, ofTests))).toEqual([]);
    const renamed = { 'node_modules/ws': { version: '8.23.0' }, 'node_modules/sockets': { name: 'ws', version } };
    expect(wsFaults(lockOf({}, renamed))).toHaveLength(faults);
    expect(wsFaults(lockOf({}, { 'node_modules/ws-other': { version } }))).toEqual([
      'package-lock.json resolves no ws at all.',
    ]);
  });

  test('54 fails on what the audit service calls high or worse, and on nothing where it does not answer', () => {
    const report = (counts, vulnerabilities = {}) =>
      JSON.stringify({ metadata: { vulnerabilities: counts }, vulnerabilities });
    expect(auditFaults(report({ high: 0, critical: 0, moderate: 9 }))).toEqual({ faults: [] });
    const found = auditFaults(
      report({ high: 1, critical: 0 }, { a: { name: 'a', severity: 'high' }, b: { name: 'b', severity: 'low' } }),
    );
    expect(found.faults).toEqual(['npm audit finds what is shipped at fault: a (high).']);
    expect(auditFaults(report({ high: 0, critical: 2 })).faults).toHaveLength(1);
    for (const text of ['', 'not JSON', '{"error":{"code":"ENOTFOUND"}}', '{"message":"404 Not Found"}', 'null']) {
      expect(auditFaults(text)).toMatchObject({ faults: [], unknown: expect.any(String) });
    }
  });
});
