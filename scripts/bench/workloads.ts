/** What is asked of every system. Owns: the table of workloads. */
import type { LoadPlan } from './load-plan.ts';
import type { SystemId } from './systems.ts';

export type WorkloadId = 'broadcast' | 'rooms' | 'saturation' | 'saturation-600k' | 'echo' | 'idle' | 'connect';

export interface Workload {
  readonly id: WorkloadId;
  readonly says: string;
  /** Systems that are measured under this workload alone. */
  readonly also?: readonly SystemId[];
  readonly load: Omit<LoadPlan, 'ports' | 'path' | 'envelope'>;
}

/** Where flags of Node's matter, a bare server runs under Bellhop's as well. */
const FLAGS_TOO: readonly SystemId[] = ['ws-flags'];

const COMMON = { bytes: 128, seconds: 10, warm: 2, settle: 1_500, drain: 10, concurrency: 64, tick: 500 } as const;

export const WORKLOADS: readonly Workload[] = [
  {
    id: 'broadcast',
    says: '1,000 clients in 1 room, 50 messages/s of 128 B (50,000 deliveries/s)',
    also: FLAGS_TOO,
    load: { ...COMMON, clients: 1_000, members: 1_000, rate: 50 },
  },
  {
    id: 'rooms',
    says: '50 rooms of 20 clients, 5,000 messages/s of 128 B (100,000 deliveries/s)',
    also: FLAGS_TOO,
    load: { ...COMMON, clients: 1_000, members: 20, rate: 5_000 },
  },
  {
    id: 'saturation',
    says: '50 rooms of 20 clients, 15,000 messages/s of 128 B offered (300,000 deliveries/s)',
    // What is late here is late by seconds: a coarser tick costs no truth and halves the load's own price.
    load: { ...COMMON, clients: 1_000, members: 20, rate: 15_000, drain: 15, tick: 2_000 },
  },
  {
    id: 'saturation-600k',
    says: 'the same, 30,000 messages/s offered (600,000 deliveries/s): as much as the fastest here delivers, or more',
    // What is late is late by as long as it was offered: that is kept short, and waited for longer.
    load: { ...COMMON, clients: 1_000, members: 20, rate: 30_000, seconds: 6, drain: 30, tick: 2_000 },
  },
  {
    id: 'echo',
    says: '500 rooms of 1 client, 20,000 messages/s of 128 B, each back to its sender',
    also: FLAGS_TOO,
    load: { ...COMMON, clients: 500, members: 1, rate: 20_000 },
  },
  {
    id: 'idle',
    says: '8,000 clients in rooms of 20 that say nothing: memory',
    // Most of what a flag of Node's saves is garbage not collected yet: a peer may have that flag too.
    also: FLAGS_TOO,
    load: { ...COMMON, clients: 8_000, members: 20, rate: 0, seconds: 0, warm: 0, settle: 5_000, drain: 0 },
  },
  {
    id: 'connect',
    says: '4,000 clients in rooms of 20, 64 handshakes at a time, until each has joined its room',
    load: { ...COMMON, clients: 4_000, members: 20, rate: 0, seconds: 0, warm: 0, settle: 200, drain: 0 },
  },
];
