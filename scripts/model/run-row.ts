/** Runs one row: Spin makes a C program of the model, the compiler builds it, and it searches, in a folder that is removed afterwards.
 *  Owns: the child processes and their limits. Does not know: the table.
 *  Invariant: when it returns, and when this process exits, none of its processes and files is left. */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PanReport, readPan } from './pan.ts';
import { flagsOf, type Row, type Size } from './rows.ts';

export interface ModelTools {
  readonly spin: string;
  readonly compiler: string;
}

export interface RowResult extends PanReport {
  readonly row: Row;
  readonly flags: readonly string[];
  readonly seconds: number;
  /** Whether the answer is the wanted one. */
  readonly ok: boolean;
  /** What happened in the trace that breaks it, one event a line. */
  readonly trace: readonly string[];
}

interface Limits {
  /** Of the search, of which the rest is compiling. */
  readonly ms: number;
  readonly megabytes: number;
  readonly optimize: string;
}

/** A small search takes less time than an optimizer. */
const LIMITS: Readonly<Record<Size, Limits>> = {
  small: { ms: 300_000, megabytes: 1_024, optimize: '-O0' },
  full: { ms: 1_200_000, megabytes: 6_000, optimize: '-O2' },
};
/** Seconds on a free machine, minutes where much else runs. */
const COMPILE_MS = 600_000;
const DEPTH_MAX = 1_000_000;
/** Two to the power of this many places in the hash table at first; it grows. */
const HASH_BITS = 20;
const OUTPUT_MAX = 4 * 1_048_576;

/** @param models  folder of the models
 *  @param traced  whether to replay what breaks also where it is to break
 *  @returns undefined where the row is not in a run of this size
 *  @throws Error when Spin or the compiler does not take the model */
export async function runRow(
  row: Row,
  size: Size,
  tools: ModelTools,
  models: string,
  traced: boolean,
): Promise<RowResult | undefined> {
  const flags = flagsOf(row, size);
  if (flags === undefined) return undefined;
  const limits = LIMITS[size];
  const folder = mkdtempSync(join(tmpdir(), 'bellhop-model-'));
  // An exit, as that behind a signal, runs no `finally`.
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  process.once('exit', remove);
  const began = performance.now();
  try {
    const file = `${row.model}.pml`;
    copyFileSync(join(models, file), join(folder, file));
    await demand(tools.spin, ['-a', ...flags, file], folder);
    // A broken twin is shown by its shortest trace: breadth first. Full states always: nothing is hashed away, nothing reduced.
    const search = row.live === true ? ['-DNFAIR=4'] : ['-DSAFETY', ...(row.expect === 'breaks' ? ['-DBFS'] : [])];
    const bounds = ['-DNOREDUCE', `-DMEMLIM=${limits.megabytes}`];
    await demand(tools.compiler, [limits.optimize, '-w', ...bounds, ...search, '-o', 'pan', 'pan.c'], folder);
    const args = [`-m${DEPTH_MAX}`, `-w${HASH_BITS}`, ...(row.live === true ? ['-a', '-f'] : ['-E'])];
    const ran = await run(join(folder, 'pan'), args, folder, limits.ms);
    const report = readPan(ran.output, ran);
    const ok = report.verdict.kind === row.expect;
    const trace = report.verdict.kind === 'breaks' && (traced || !ok) ? await traceOf(tools, flags, file, folder) : [];
    const seconds = (performance.now() - began) / 1_000;
    return { row, flags, ...report, seconds, ok, trace };
  } finally {
    process.off('exit', remove);
    remove();
  }
}

/** Replays the trace that pan left: the models print a line that begins with EV for each event. */
async function traceOf(tools: ModelTools, flags: readonly string[], file: string, folder: string): Promise<string[]> {
  const { output } = await run(tools.spin, ['-t', '-T', ...flags, file], folder, COMPILE_MS);
  return output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('EV '))
    .map((line) => line.slice('EV '.length));
}

async function demand(command: string, args: readonly string[], folder: string): Promise<void> {
  const { code, timedOut, output } = await run(command, args, folder, COMPILE_MS);
  if (timedOut) throw new Error(`${command} ${args.join(' ')} did not end within ${COMPILE_MS / 1_000} s`);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with exit code ${code}:\n${output}`);
}

interface Ran {
  readonly code: number | null;
  readonly timedOut: boolean;
  readonly output: string;
}

function run(command: string, args: readonly string[], cwd: string, ms: number): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const kill = () => child.kill('SIGKILL');
    // Before the folder goes: a child that still writes would fill it again.
    process.prependOnceListener('exit', kill);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        if (output.length < OUTPUT_MAX) output += chunk.toString();
      });
    }
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, ms);
    const end = () => {
      clearTimeout(timer);
      process.off('exit', kill);
    };
    child.once('error', (error) => {
      end();
      reject(error);
    });
    child.once('close', (code) => {
      end();
      resolve({ code, timedOut, output });
    });
  });
}
