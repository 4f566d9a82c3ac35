// Planted secrets: values that the tests give to processes, and show as clients, and that nobody may say again. Owns: their making, and the search
// for them in what a whole test run put out. Does not know: which test uses which.
// Invariant: a secret is found also where two chunks of a stream cut it, and however it is encoded in a URL.
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** Token and ticket of clients, cookie of their browsers, token of the API, secret of the cluster, password of Redis, secret of access tokens. */
const KINDS = ['bearer', 'ticket', 'cookie', 'api', 'cluster', 'redis', 'jwt'];
/** A ticket has this many characters of base64url; all are alike, so that nobody refuses one for its form. */
const CHARS = 43;
const READ_BYTES = 1 << 20;

/** @param env      of the tests: told the secrets, and where their processes' output goes
 *  @param folder   for that output
 *  @returns the secrets by kind */
export function plant(env, folder) {
  const secrets = Object.fromEntries(
    KINDS.map((kind) => [kind, `planted-${kind}-${randomBytes(32).toString('hex')}`.slice(0, CHARS)]),
  );
  const output = join(folder, 'output');
  mkdirSync(output, { recursive: true });
  env.BELLHOP_TEST_PLANTED = JSON.stringify(secrets);
  env.BELLHOP_TEST_OUTPUT = output;
  return secrets;
}

/** Looks through a stream chunk by chunk. */
export class Search {
  #secrets;
  #keep;
  #rest = '';
  found = new Set();

  constructor(secrets) {
    this.#secrets = Object.entries(secrets);
    this.#keep = Math.max(0, ...this.#secrets.map(([, secret]) => secret.length - 1));
  }

  push(chunk) {
    // Every secret is ASCII, so that a character cut in two spoils none.
    const text = this.#rest + chunk.toString('latin1');
    for (const [kind, secret] of this.#secrets) if (text.includes(secret)) this.found.add(kind);
    this.#rest = this.#keep === 0 ? '' : text.slice(-this.#keep);
  }
}

/** @returns a sentence for each secret in each file of the folder */
export function searchFiles(secrets, folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      const search = new Search(secrets);
      const file = openSync(join(entry.parentPath ?? entry.path, entry.name), 'r');
      const buffer = Buffer.alloc(READ_BYTES);
      for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer))
        search.push(buffer.subarray(0, read));
      closeSync(file);
      return sentences(search, entry.name);
    });
}

/** @returns a sentence for each secret that was found in what `where` names */
export function sentences(search, where) {
  return [...search.found].map((kind) => `the planted ${kind} secret is in the output of ${where}`);
}
