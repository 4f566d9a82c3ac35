/** A load generator as a child. Owns: its start, the lines it says, and when it was too busy to be believed. Does not know: plans'
 *  meaning, servers. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { lineSplitter } from '../lines.ts';
import { type LoadPlan, planArguments } from './load-plan.ts';
import { cleanEnvironment, keep } from './processes.ts';
import type { Missing, Tool } from './tools.ts';

/** Above this the generator itself may be what is slow. */
const LOAD_CORES_MAX = 0.8;
const LOAD_MS = 240_000;

/** @param cores  share of one core that a generator used
 *  @returns why what it measured does not count; undefined where it does */
export function tooBusy(cores: number): string | undefined {
  return cores > LOAD_CORES_MAX ? `the load used ${Math.round(cores * 100)} % of a core` : undefined;
}

export interface Load {
  readonly pid: number;
  readonly generator: 'C' | 'Node';
  /** The next line, which must be of this type. */
  next(type: string): Promise<Readonly<Record<string, unknown>>>;
  go(): void;
  stop(): Promise<void>;
}

/** Starts a generator, which begins to connect at once. It is ended after `limitMs` whatever it does. */
export function startLoad(plan: LoadPlan, tool: Tool | Missing, limitMs = LOAD_MS): Load {
  const isC = !('missing' in tool);
  const script = fileURLToPath(new URL('./load-node.js', import.meta.url));
  const [command, args] = isC ? [tool.path, planArguments(plan)] : [process.execPath, [script, ...planArguments(plan)]];
  const child = keep(spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: cleanEnvironment() }));
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const lines: Readonly<Record<string, unknown>>[] = [];
  let wake: (() => void) | undefined;
  let hasEnded = false;
  const splitter = lineSplitter((line) => {
    lines.push(JSON.parse(line) as Readonly<Record<string, unknown>>);
    wake?.();
  });
  child.stdout?.on('data', splitter.push);
  child.stdin?.on('error', () => {});
  child.once('close', () => {
    clearTimeout(timer);
    hasEnded = true;
    wake?.();
  });
  return {
    pid: child.pid ?? 0,
    generator: isC ? 'C' : 'Node',
    async next(type) {
      while (lines.length === 0 && !hasEnded) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const line = lines.shift();
      if (line?.['type'] !== type) throw new Error(`the load generator ended before it was ${type}`);
      return line;
    },
    go: () => void child.stdin?.write('go\n'),
    async stop() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}
