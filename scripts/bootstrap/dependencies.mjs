// Whether what is installed may be shipped. Owns: three looks, of which the first two need no network.
//   lock    package-lock.json answers to package.json, name for name
//   ws      8.23 or later, wherever it is resolved in what is shipped: earlier ones can be made to use memory without bound
//   audit   no fault of severity high or above in what is shipped, as far as the audit service answers
// Invariant: a service that cannot be reached, or answers nonsense, is told and fails nothing: it has shown nothing.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const WS_MIN = [8, 23, 0];
const AUDIT_MS = 20_000;
const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies', 'bin', 'engines'];

/** @returns a sentence for each way in which the lock does not answer to the manifest */
export function lockFaults(manifest, lock) {
  const root = lock.packages?.[''];
  if (root === undefined || lock.lockfileVersion < 3) return ['package-lock.json has no list of packages.'];
  const faults = [];
  for (const kind of KINDS) {
    const [wanted, locked] = [manifest[kind] ?? {}, root[kind] ?? {}];
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(locked)])) {
      if (wanted[name] === locked[name]) continue;
      faults.push(
        `package-lock.json has ${name} as ${locked[name] ?? 'nothing'}, package.json as ${wanted[name] ?? 'nothing'}.`,
      );
    }
  }
  if (manifest.version !== root.version) faults.push('package-lock.json is of another version of this package.');
  const isRange = /dependencies$/i;
  for (const kind of KINDS.filter((one) => isRange.test(one) && one !== 'peerDependencies')) {
    for (const name of Object.keys(manifest[kind] ?? {})) {
      const found = lock.packages[`node_modules/${name}`];
      if (found?.version === undefined) faults.push(`package-lock.json does not resolve ${name}.`);
      else if (found.integrity === undefined && found.link !== true)
        faults.push(`package-lock.json has no hash of ${name}.`);
    }
  }
  for (const [path, { dependencies = {} }] of Object.entries(lock.packages)) {
    if (path === '') continue;
    for (const name of Object.keys(dependencies)) {
      if (!isFoundFrom(path, name, lock.packages))
        faults.push(`package-lock.json does not resolve ${name} of ${path}.`);
    }
  }
  return faults;
}

/** Whether what stands at `path` finds that package, in its own folder or in one above. */
function isFoundFrom(path, name, packages) {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (packages[`${at}${at === '' ? '' : '/'}node_modules/${name}`] !== undefined) return true;
    if (at === '') return false;
  }
}

/** @returns a sentence for each `ws` that would be shipped and is too old */
export function wsFaults(lock) {
  const faults = [];
  let found = 0;
  for (const [path, { name, version, dev }] of Object.entries(lock.packages ?? {})) {
    // What benchmarks compare with, and tests speak to, brings its own. One that is installed under another name says its own.
    if (!(/(^|\/)node_modules\/ws$/.test(path) || (path !== '' && name === 'ws')) || dev === true) continue;
    found += 1;
    if (isBelow(version, WS_MIN)) faults.push(`${path} is ${version}, below ${WS_MIN.join('.')}.`);
  }
  return found === 0 ? ['package-lock.json resolves no ws at all.'] : faults;
}

/** A pre-release counts as what comes before its release. */
function isBelow(version, minimum) {
  const [numbers = '', ...rest] = String(version).split(/[-+]/);
  const parts = numbers.split('.').map(Number);
  for (const [at, least] of minimum.entries()) {
    const part = parts[at] ?? Number.NaN;
    if (part !== least) return !(part > least);
  }
  return rest.length > 0 && String(version).includes('-');
}

/** @param text  what `npm audit --json` printed
 *  @returns faults, or why the service has shown nothing */
export function auditFaults(text) {
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    return { faults: [], unknown: 'npm audit gave no report' };
  }
  const counts = report?.metadata?.vulnerabilities;
  if (counts === undefined) {
    const why = report?.error?.code ?? report?.message ?? 'it gave no counts';
    return { faults: [], unknown: `the audit service does not answer: ${String(why).split('\n')[0]}` };
  }
  if (!(counts.high > 0 || counts.critical > 0)) return { faults: [] };
  const names = Object.values(report.vulnerabilities ?? {})
    .filter(({ severity }) => severity === 'high' || severity === 'critical')
    .map(({ name, severity }) => `${name} (${severity})`);
  return { faults: [`npm audit finds what is shipped at fault: ${names.join(', ') || 'see npm audit --omit=dev'}.`] };
}

function audit(root) {
  return new Promise((resolve) => {
    // Its exit code says no more than its report; a service that hangs is one that does not answer.
    const child = spawn('npm', ['audit', '--omit=dev', '--audit-level=high', '--json', '--fetch-retries=0'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), AUDIT_MS);
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    const done = () => {
      clearTimeout(timer);
      resolve(text);
    };
    child.once('error', done);
    child.once('close', done);
  });
}

/** @returns exit code */
export async function checkDependencies(root) {
  const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));
  const [manifest, lock] = [read('package.json'), read('package-lock.json')];
  const { faults, unknown } = auditFaults(await audit(root));
  if (unknown !== undefined) process.stdout.write(`${unknown}; the lock file alone was checked.\n`);
  const all = [...lockFaults(manifest, lock), ...wsFaults(lock), ...faults];
  for (const fault of all) process.stderr.write(`${fault}\n`);
  return all.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = await checkDependencies(process.argv[2] ?? '.');
}
