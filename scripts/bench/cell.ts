/** One cell: one system under one workload once. Owns: the order of start, load and measurement. Does not know: rounds, tables. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { lineSplitter } from '../lines.ts';
import { type LoadPlan, type LoadResult, planArguments } from './load-plan.ts';
import { cleanEnvironment, keep, machineBusyUs, usageOf } from './processes.ts';
import type { System, SystemId } from './systems.ts';
import type { Missing, Tool } from './tools.ts';
import type { Workload, WorkloadId } from './workloads.ts';

export interface Cell {
  readonly system: SystemId;
  readonly workload: WorkloadId;
  readonly round: number;
  /** The workload's own numbers, so that saved cells of another kind are never mixed in. */
  readonly plan: Workload['load'];
  readonly generator: 'C' | 'Node';
  /** CPU of all server processes for each delivery, microseconds; null where nothing was delivered. */
  readonly cpuPerDeliveryUs: number | null;
  /** Deliveries within the measured seconds, each second. */
  readonly deliveriesPerSecond: number;
  readonly connectsPerSecond: number;
  /** CPU of all server processes for each client that joined, microseconds. */
  readonly cpuPerConnectUs: number;
  /** Resident memory of all server processes that came with the clients, for each of them, bytes. */
  readonly rssPerClientBytes: number;
  readonly result: LoadResult;
  /** Every delivery arrived, once, and no client was lost. */
  readonly isComplete: boolean;
  /** Share of one core that the load generator used. */
  readonly loadCores: number;
  /** Cores that neither the servers nor the load used: other work on this machine, and the kernel's. */
  readonly otherCores: number;
  /** Why this cell says nothing about its system. */
  readonly invalid: string | undefined;
}

/** Above this the generator itself may be what is slow. */
const LOAD_CORES_MAX = 0.8;
const CELL_MS = 240_000;

/** Runs a cell. @throws Error when the system or the load fails */
export async function runCell(system: System, workload: Workload, round: number, tool: Tool | Missing): Promise<Cell> {
  const running = await system.start();
  try {
    const { pids, ports, path, envelope } = running;
    const plan: LoadPlan = { ...workload.load, ports, path, envelope };
    const before = usageOf(pids);
    const load = startLoad(plan, tool);
    try {
      const connected = await load.next('connected');
      const joined = usageOf(pids);
      await load.next('ready');
      const began = usageOf(pids);
      const busy = machineBusyUs();
      const since = performance.now();
      load.go();
      const result = (await load.next('result')) as unknown as LoadResult;
      const ended = usageOf(pids);
      const elapsedUs = (performance.now() - since) * 1_000;
      const cpuUs = ended.cpuUs - began.cpuUs;
      const loadCores = result.seconds > 0.1 ? result.cpuUs / (result.seconds * 1e6) : 0;
      const otherUs = machineBusyUs() - busy - cpuUs - loadCores * elapsedUs;
      return {
        system: system.id,
        workload: workload.id,
        round,
        plan: workload.load,
        generator: load.generator,
        cpuPerDeliveryUs: result.deliveries > 0 ? cpuUs / result.deliveries : null,
        deliveriesPerSecond: result.seconds > 0.1 ? result.inTime / result.seconds : 0,
        connectsPerSecond: plan.clients / Number(connected['seconds']),
        cpuPerConnectUs: (joined.cpuUs - before.cpuUs) / plan.clients,
        rssPerClientBytes: (began.rssBytes - before.rssBytes) / plan.clients,
        result,
        isComplete:
          result.deliveries === result.expected &&
          result.unsent + result.duplicates + result.foreign + result.lost === 0,
        loadCores,
        otherCores: plan.rate > 0 ? Math.max(0, otherUs / elapsedUs) : 0,
        invalid: loadCores > LOAD_CORES_MAX ? `the load used ${Math.round(loadCores * 100)} % of a core` : undefined,
      };
    } finally {
      await load.stop();
    }
  } finally {
    await running.stop();
  }
}

interface Load {
  readonly generator: 'C' | 'Node';
  /** The next line, which must be of this type. */
  next(type: string): Promise<Readonly<Record<string, unknown>>>;
  go(): void;
  stop(): Promise<void>;
}

function startLoad(plan: LoadPlan, tool: Tool | Missing): Load {
  const isC = !('missing' in tool);
  const script = fileURLToPath(new URL('./load-node.js', import.meta.url));
  const [command, args] = isC ? [tool.path, planArguments(plan)] : [process.execPath, [script, ...planArguments(plan)]];
  const child = keep(spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: cleanEnvironment() }));
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const timer = setTimeout(() => child.kill('SIGKILL'), CELL_MS);
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
