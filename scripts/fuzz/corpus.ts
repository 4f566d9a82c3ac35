/** Inputs kept in files. Owns: where, and in which order they are read. One line an input, so that a diff shows what came. */

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FuzzInput, readInputs, writeInput } from './input.ts';

/** The corpus beside this file: in a checkout that of the sources, in a build its copy. */
const FOLDER = fileURLToPath(new URL('./corpus/', import.meta.url));

/** The committed corpus, in the order of its files' names. */
export function readCorpus(): FuzzInput[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => readInputs(readFileSync(join(FOLDER, name), 'utf8')));
}

export function writeCorpus(file: string, inputs: readonly FuzzInput[]): void {
  writeFileSync(file, `[\n${inputs.map(writeInput).join(',\n')}\n]\n`);
}

/** Writes an input that failed. @returns its file */
export function keepFailure(folder: string, input: FuzzInput): string {
  mkdirSync(folder, { recursive: true });
  const text = writeInput(input);
  const file = join(folder, `${input.target}-${createHash('sha256').update(text).digest('hex').slice(0, 12)}.json`);
  writeFileSync(file, `${text}\n`);
  return file;
}
