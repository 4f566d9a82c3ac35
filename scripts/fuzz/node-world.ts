/** A node's core for the fuzzer: the production class on a directory in memory and a manual clock. Owns: what the sockets and Redis are
 *  to it. Does not know: who speaks to it. */
import { NodeCalls } from '../../node/calls.ts';
import { NodeCore } from '../../node/core.ts';
import type { NodeEnd, NodePorts } from '../../node/ports.ts';
import { chat } from '../../node/programs/chat.ts';
import { ManualClock } from '../../shared/clock.ts';
import {
  type Args,
  DirectoryError,
  type NodeRecord,
  type Operation,
  type Reply,
} from '../../shared/directory/directory.ts';
import { MemoryDirectory } from '../../shared/directory/memory-directory.ts';
import { Placement } from '../../shared/placement.ts';
import { SeededRandom } from '../../shared/random.ts';
import { nodeRecord } from '../../shared/testing/records.ts';
import { DEFAULT_TIMINGS } from '../../shared/timing.ts';
import { INCARNATIONS } from './records.ts';

/** What the links are to the core. */
export type NodeLinks = Pick<NodePorts, 'ping' | 'send' | 'lanes' | 'dropQueued' | 'afterHandedOver' | 'dial'>;

/** Short, so that what was left behind is over within a few seconds of virtual time. */
const LEAVE_MS = 1_000;
const RESUME_MS = 2_000;
const ROOM_IDLE_MS = 2_000;
/** All of the above, the state that a handover has left included. */
const FORGET_MS = 25_000;

export class NodeWorld {
  readonly clock = new ManualClock();
  readonly core: NodeCore;
  readonly calls: NodeCalls;
  ended: NodeEnd | undefined;
  readonly #directory = new MemoryDirectory({ runId: 'run-1' });
  #due: (() => void)[] = [];

  /** @param other  where another node of the cluster is said to listen: rooms can be moved there */
  constructor(incarnation: string, links: NodeLinks, other = '127.0.0.1:1') {
    const random = new SeededRandom(5);
    this.core = new NodeCore(
      {
        record: nodeRecord('n1', incarnation, { link: 'n1:1' }),
        timings: DEFAULT_TIMINGS,
        limits: {
          recentMax: 10,
          sessionsMax: 1_000,
          namedMembersMax: 3,
          presenceMembersMax: 500,
          leaveBrokenMs: LEAVE_MS,
          leaveRouterLostMs: LEAVE_MS,
          resumeMs: RESUME_MS,
          payloadBytesMax: 32_768,
          messageRate: 0,
          pingIntervalMs: 30_000,
          retryWindowMs: () => 5_000,
        },
        roomIdleMs: ROOM_IDLE_MS,
        drainDeadlineMs: 20_000,
        moves: { roomsPerSecond: 50, cooldownMs: 60_000, stepMs: 2_000 },
        placement: new Placement(Buffer.alloc(16, 1)),
        programFor: (room) => (room.startsWith('no') ? undefined : { name: 'chat', make: chat }),
        isDurable: (room) => room.length % 2 === 0,
        logRules: { keep: { entries: 100, ms: 86_400_000 }, sendersMax: 2_000 },
        logBytesMax: 1_048_576,
        resumeToken: () => 'token',
        bootstrap: undefined,
        random,
        now: () => this.clock.now(),
      },
      {
        ...links,
        call: (operation, args, done) => this.#due.push(() => this.#execute(operation, args, done)),
        useRun: () => undefined,
        end: (how) => {
          this.ended = how;
        },
        log: () => undefined,
        count: () => undefined,
        observe: () => undefined,
      },
    );
    this.calls = new NodeCalls(this.core, () => this.clock.now());
    this.run(DEFAULT_TIMINGS.graceMs + 1_000, 50);
    this.#register(nodeRecord('n2', INCARNATIONS.good, { link: other }));
    this.#register(nodeRecord('n3', INCARNATIONS.router, { link: 'no address' }));
    this.run(2_000, 50);
  }

  #register(record: NodeRecord): void {
    this.#directory.execute('register', { record, runId: 'run-1', newGen: 'gen' }, this.now.wallMs);
  }

  get now() {
    return this.clock.now();
  }

  /** Answers what was asked of the directory, and what follows from the answers. */
  settle(): void {
    for (let step = this.#due.shift(); step !== undefined; step = this.#due.shift()) step();
  }

  run(ms: number, stepMs = 100): void {
    for (let past = 0; past < ms; past += stepMs) {
      this.clock.advance(stepMs);
      this.core.tick(this.now);
      this.settle();
    }
  }

  /** Lets so much time pass that nothing of those who have gone may be left. */
  forget(): void {
    this.run(FORGET_MS, 200);
  }

  #execute<K extends Operation>(operation: K, args: Args<K>, done: (result: Reply<K> | DirectoryError) => void): void {
    const reply = this.#reply(operation, args);
    this.#due.push(() => done(reply));
  }

  /** As node.ts does: what no record can hold is refused, and is no reason to end the node. */
  #reply<K extends Operation>(operation: K, args: Args<K>): Reply<K> | DirectoryError {
    try {
      return this.#directory.execute(operation, args, this.now.wallMs);
    } catch (error) {
      if (error instanceof RangeError) return new DirectoryError('bad-reply', error.message, { cause: error });
      throw error;
    }
  }
}
