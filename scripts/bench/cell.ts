/** One cell: one system under one workload once. Owns: the order of start, load and measurement. Does not know: rounds, tables. */
import type { LoadPlan, LoadResult } from './load-plan.ts';
import { startLoad, tooBusy } from './load-process.ts';
import { machineBusyUs, usageOf } from './processes.ts';
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

/** Runs a cell. @throws Error when the system or the load fails */
export async function runCell(system: System, workload: Workload, round: number, tool: Tool | Missing): Promise<Cell> {
  // Memory is no matter of time: where clients only sit there, a busy generator spoils nothing.
  const isAboutConnects = workload.id === 'connect';
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
      const connectCores = Number(connected['cpuUs']) / (Number(connected['seconds']) * 1e6);
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
        loadCores: isAboutConnects ? connectCores : loadCores,
        otherCores: plan.rate > 0 ? Math.max(0, otherUs / elapsedUs) : 0,
        invalid: tooBusy(isAboutConnects ? connectCores : loadCores),
      };
    } finally {
      await load.stop();
    }
  } finally {
    await running.stop();
  }
}
