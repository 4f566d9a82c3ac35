#!/usr/bin/env node
// The first command on a fresh clone, and the package's `bellhop`. Owns: bringing the checkout into a state in which a verb can run
// (Node's version, dependencies, build) and handing the verb on. Does not know: what a verb does.
// Nothing but Node's own modules may be imported before the dependencies are there, and this file must parse on any Node that
// knows modules, so that a wrong version is told in a sentence.
import { dirname } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const NODE_MIN = [20, 19];
const root = dirname(dirname(fileURLToPath(import.meta.url)));

function isNodeTooOld() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1]);
}

if (isNodeTooOld()) {
  process.stderr.write(
    `bellhop: Node ${NODE_MIN.join('.')} or newer is needed, and this is ${process.versions.node}.\n`,
  );
  process.exitCode = 2;
} else {
  const { runVerb } = await import('./bootstrap/verbs.mjs');
  await runVerb(root, process.argv.slice(2));
}
