/** What the tests of a node's parts are set upon: records, a lease that is told when to live. Owns: those shapes. */
import { ManualClock } from '../shared/clock.ts';
import type { NodeRecord, Triple } from '../shared/directory/directory.ts';
import { SeededRandom } from '../shared/random.ts';
import { nodeRecord } from '../shared/testing/records.ts';
import { ScriptedDirectory } from '../shared/testing/scripted-directory.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';
import { Lease, type LeaseEvent } from './lease.ts';

export { nodeRecord };

export const { fenceMs: FENCE, deadMs: DEAD, graceMs: GRACE, heartbeatMs: BEAT } = DEFAULT_TIMINGS;
export const ME = 'a'.repeat(32);
export const OTHER = 'b'.repeat(32);
export const RUN = 'run-1';
export const GEN = 'gen-1';

export function triple(epoch: number, nonce = String(epoch % 10).repeat(16), incarnation = ME): Triple {
  return { incarnation, epoch, nonce };
}

/** A lease on a scripted directory: each step is a call that the test answers. */
export class LeaseBench {
  readonly clock = new ManualClock();
  readonly directory = new ScriptedDirectory();
  readonly events: LeaseEvent[] = [];
  readonly runs: string[] = [];
  /** Each time, which routers were asked. */
  readonly asked: string[][] = [];
  readonly lease: Lease;
  #counter = 0;

  constructor(options: { readonly bootstrap?: string; readonly random?: SeededRandom } = {}) {
    this.lease = new Lease({
      record: nodeRecord('n1', ME),
      registerAs: () => nodeRecord('n1', ME),
      observed: () => undefined,
      timings: DEFAULT_TIMINGS,
      random: options.random ?? new SeededRandom(1),
      bootstrap: options.bootstrap,
      call: this.directory.call,
      useRun: (runId) => this.runs.push(runId),
      load: () => ({ rooms: 0, sessions: 0 }),
      ask: (incarnations) => this.asked.push([...incarnations]),
      on: (event) => this.events.push(event),
      now: () => this.clock.now(),
    });
  }

  get kinds(): string[] {
    return this.events.map((event) => event.kind);
  }

  get open(): boolean {
    return this.lease.gateOpen(this.clock.now());
  }

  mayClaim(unbroken = false): boolean {
    return this.lease.mayClaim(this.clock.now(), unbroken);
  }

  /** Lets time pass and ticks once. */
  tick(ms = 0): void {
    this.clock.advance(ms);
    this.lease.tick(this.clock.now());
  }

  cluster(
    more: {
      runId?: string;
      gen?: string | undefined;
      ver?: number;
      nodes?: NodeRecord[];
      counters?: Record<string, number>;
    } = {},
  ) {
    const nodes = more.nodes ?? [];
    const beats = Object.fromEntries(
      nodes.map(({ node, incarnation }) => [
        node,
        { incarnation, counter: more.counters?.[node] ?? 0, load: { rooms: 0, sessions: 0 } },
      ]),
    );
    const gen = 'gen' in more ? more.gen : GEN;
    return { runId: more.runId ?? RUN, gen, ver: more.ver ?? 1, beats, nodes, routers: [] };
  }

  /** Goes through observation and registration; the first heartbeat waits for its answer. */
  register(gen = GEN): void {
    this.tick();
    this.directory.answer('readCluster', this.cluster({ gen }));
    if (this.lease.state.kind === 'observing') {
      this.tick(GRACE);
      this.directory.answer('readCluster', this.cluster({ gen }));
    }
    this.directory.answer('register', { kind: 'registered', gen, ver: 1, first: true });
  }

  beat(counter = this.#counter + 1): void {
    this.#counter = counter;
    this.directory.answer('heartbeat', { kind: 'ok', counter, ver: 1 });
  }

  /** Registered, and its first heartbeat has counted. */
  live(): this {
    this.register();
    this.beat();
    return this;
  }
}
