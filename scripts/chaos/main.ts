/** `npm run chaos`: faults on a cluster of real processes under load, and what they cost. Owns: the order of parts, what is written where,
 *  and the exit code. Does not know: how a part is carried out (run-part.ts). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { VERSION } from '../../shared/version.ts';
import { ROOT } from '../scenarios/processes.ts';
import { type ChaosOptions, HELP, readOptions } from './options.ts';
import { brokenPromises, type PartResult } from './part.ts';
import { EVIDENCE, partOf } from './parts.ts';
import { evidencePages } from './report/docs.ts';
import { textOf } from './report/text.ts';
import { runPart } from './run-part.ts';
import { PartStore } from './store.ts';

const say = (line: string): void => void process.stderr.write(`chaos: ${line}\n`);

/** @returns exit code */
async function main(argv: readonly string[]): Promise<number> {
  let options: ChaosOptions | 'help';
  try {
    options = readOptions(argv, EVIDENCE);
  } catch (error) {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const store = new PartStore(options.out ?? join(ROOT, '.bellhop', 'chaos'));
  const results = await run(options, store);
  if (options.docs) writeDocs(store.all());
  const broken = results.flatMap((result) => brokenPromises(result).map((text) => `${result.part}: ${text}`));
  const text = options.json ? '' : `${results.map(textOf).join('\n\n')}\n`;
  process.stdout.write(`${text}${JSON.stringify({ broken, parts: results })}\n`);
  return broken.length === 0 ? 0 : 1;
}

const LEFT_MS = 2_000;

async function run(options: ChaosOptions, store: PartStore): Promise<PartResult[]> {
  const results: PartResult[] = [];
  for (const [id, rounds] of options.rounds) {
    const before = options.resume ? store.load(id) : undefined;
    if (before !== undefined) {
      say(`${id} was run before`);
      results.push(before);
      continue;
    }
    say(`${id}, seed ${options.seed}`);
    const result = await runPart({ part: partOf(id, rounds, options), seed: options.seed, say });
    store.save(result);
    say(`done\n${textOf(result)}`);
    results.push(result);
  }
  return results;
}

function writeDocs(results: readonly PartResult[]): void {
  const host = {
    processor: cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: availableParallelism(),
    node: process.versions.node,
    version: VERSION,
  };
  for (const [file, text] of evidencePages(results, host)) {
    const path = join(ROOT, 'docs', file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    say(`wrote docs/${file}`);
  }
}

// Ended from outside, it still takes along what it started: that is done on `exit`.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.exitCode = await main(process.argv.slice(2));
// What a part has left behind is told, and does not keep the command from ending.
setTimeout(() => {
  say(`ends with ${process.getActiveResourcesInfo().join(', ')} left open`);
  process.exit();
}, LEFT_MS).unref();
