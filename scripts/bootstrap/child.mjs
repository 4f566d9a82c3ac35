// Child processes of `test` and `check`. Owns: that none outlives this process when it is told to end.
import { spawn } from 'node:child_process';
import process from 'node:process';

const running = new Set();
let hooked = false;

/** What a command says becomes this process' own words. */
const OWN = { stdout: (chunk) => process.stdout.write(chunk), stderr: (chunk) => process.stderr.write(chunk) };

/** Runs a command with this process' own output. `hear` is given each chunk of it as well.
 *  @returns exit code; 1 for one that was killed or could not be started */
export function run(command, args, { hear, show = OWN, ...options } = {}) {
  hook();
  return new Promise((resolve) => {
    const stdio = hear === undefined ? 'inherit' : ['inherit', 'pipe', 'pipe'];
    const child = spawn(command, args, { stdio, ...options });
    running.add(child);
    for (const name of ['stdout', 'stderr']) {
      child[name]?.on('data', (chunk) => {
        hear(chunk);
        show[name](chunk);
      });
    }
    const done = (code) => {
      running.delete(child);
      resolve(code);
    };
    child.once('error', (error) => {
      process.stderr.write(`bellhop: ${command}: ${error.message}\n`);
      done(1);
    });
    // Not before all that it said was heard.
    child.once(hear === undefined ? 'exit' : 'close', (code) => done(code ?? 1));
  });
}

/** Runs a JavaScript program of a dependency. */
export function runNode(script, args, options) {
  return run(process.execPath, [script, ...args], options);
}

function hook() {
  if (hooked) return;
  hooked = true;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => {
      for (const child of running) child.kill(signal);
      process.exit(code);
    });
  }
}
