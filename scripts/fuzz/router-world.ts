/** A router's core for the fuzzer: the production class, a manual clock, and a directory that knows who owns two rooms. Owns: what Redis
 *  is to it. Does not know: how its links and its clients are reached. */
import { RouterCore } from '../../router/core.ts';
import { Membership } from '../../router/membership.ts';
import type { ClientOutput, RouterPorts } from '../../router/ports.ts';
import type { Holder } from '../../router/route.ts';
import { ManualClock } from '../../shared/clock.ts';
import type { Args, DirectoryError, Operation, Reply } from '../../shared/directory/directory.ts';
import { MemoryDirectory } from '../../shared/directory/memory-directory.ts';
import { Placement } from '../../shared/placement.ts';
import { SeededRandom } from '../../shared/random.ts';
import { nodeRecord } from '../../shared/testing/records.ts';
import { DEFAULT_TIMINGS } from '../../shared/timing.ts';

export interface RouterSurroundings {
  readonly nodes: readonly Holder[];
  /** Room → who owns it by the directory. */
  readonly owners: Readonly<Record<string, Holder>>;
  readonly output: ClientOutput;
  readonly send: RouterPorts['send'];
}

export class RouterWorld {
  readonly clock = new ManualClock();
  readonly core: RouterCore;
  readonly #directory = new MemoryDirectory({ runId: 'run-1' });
  readonly #owners: RouterSurroundings['owners'];
  #due: (() => void)[] = [];

  constructor({ nodes, owners, output, send }: RouterSurroundings) {
    this.#owners = owners;
    const membership = new Membership();
    const records = nodes.map(({ node, incarnation }) => nodeRecord(node, incarnation, { link: `${node}:1` }));
    const load = { rooms: 0, sessions: 0 };
    const beats = Object.fromEntries(nodes.map(({ node, incarnation }) => [node, { incarnation, counter: 1, load }]));
    const view = { runId: 'run-1', gen: 'gen-1', ver: 1, beats, nodes: records, routers: [] };
    membership.update(view, this.now.monoMs);
    this.core = new RouterCore(
      {
        timings: DEFAULT_TIMINGS,
        placement: new Placement(Buffer.alloc(16, 1)),
        random: new SeededRandom(3),
        now: () => this.now,
        membership,
        redisFailed: () => false,
        mayCauseClaims: () => true,
        pollSoon: () => undefined,
      },
      {
        join: (group, handle) => output.join(group, handle),
        leave: (group, handle) => output.leave(group, handle),
        cast: (group, frame, excluded, frameClass) => output.cast(group, frame, excluded, frameClass),
        direct: (handle, frame, ephemeral) => output.direct(handle, frame, ephemeral),
        close: (handle, how) => output.close(handle, how),
        setReading: (handle, reading) => output.setReading(handle, reading),
        send,
        keepLink: () => undefined,
        dropLink: () => undefined,
        call: (operation, args, done) => this.#due.push(() => this.#answer(operation, args, done)),
        useRun: () => undefined,
        log: () => undefined,
        count: () => undefined,
        observe: () => undefined,
      },
    );
  }

  get now() {
    return this.clock.now();
  }

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

  #answer<K extends Operation>(operation: K, args: Args<K>, done: (result: Reply<K> | DirectoryError) => void): void {
    const owner = operation === 'readRoom' && 'room' in args ? this.#owners[String(args.room)] : undefined;
    const record = { kind: 'record', record: { owner, epoch: 1, nonce: 'aaaa', head: 0, tags: [] } };
    // Only `readRoom` is answered from the table, in the shape that it has.
    const reply =
      owner === undefined ? this.#directory.execute(operation, args, this.now.wallMs) : (record as Reply<K>);
    done(reply);
  }
}
