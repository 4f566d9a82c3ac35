/** A cluster for scripted scenarios: nothing goes wrong and nobody acts but as the script says. Owns: waiting for what a script waits
 *  for, and the verdict. Does not know: any scenario.
 *  Invariant: as in every run of the simulator, each step is held to the invariants of DESIGN §4. */
import { type RoomRecord, tagOf } from '../../shared/directory/directory.ts';
import type { SimClient } from './sim-client.ts';
import type { SimNode } from './sim-node.ts';
import type { SimRouter } from './sim-router.ts';
import { World } from './world.ts';

/** Nodes have registered and routers have seen them by then. */
const BEGIN_MS = 400;

export class Stage {
  readonly world: World;
  /** A durable room, in which the clients meet. */
  readonly room = 'log-0';

  /** @param isStill  whether owners leave rooms where they are when placement changes */
  constructor(seed: number, isStill = true) {
    this.world = new World({ seed, isScripted: true, isStill });
    this.run(BEGIN_MS);
  }

  run(ms: number): this {
    const { queue, trace } = this.world;
    queue.run(queue.nowMs + ms, () => trace.violation !== undefined);
    return this;
  }

  /** Lets time pass until `isSo`. @throws when it does not come to that within `ms`, or something broke before */
  until(what: string, isSo: () => boolean, ms = 15_000): this {
    const { queue, trace } = this.world;
    const endMs = queue.nowMs + ms;
    while (!isSo()) {
      if (this.broken !== undefined || queue.nowMs >= endMs) {
        throw new Error(`${this.broken ?? `it did not come to this: ${what}`}\n${trace.lines.slice(-40).join('\n')}`);
      }
      this.run(1);
    }
    return this;
  }

  get broken(): string | undefined {
    const { violation } = this.world.trace;
    return violation && `invariant ${violation.rule} broken: ${violation.text}`;
  }

  get record(): RoomRecord | undefined {
    const { redis } = this.world;
    const read = redis.directory.execute('readRoom', { room: this.room }, redis.wallMs);
    return read.kind === 'record' ? read.record : undefined;
  }

  /** The node that the room's record names, if it lives and holds the room under that very tag. */
  get owner(): SimNode | undefined {
    const { record } = this;
    const node = this.world.livingNodes().find((one) => one.incarnation === record?.owner?.incarnation);
    const held = node?.core.rooms.held(this.room);
    return held !== undefined && record !== undefined && tagOf(held.triple) === tagOf(record) ? node : undefined;
  }

  router(at: 0 | 1): SimRouter {
    const router = this.world.routers[at];
    if (router === undefined) throw new Error('there are two routers');
    return router;
  }

  /** Seats the first clients in the room, one at each router. @returns them and the owner */
  seated(): { readonly clients: readonly [SimClient, SimClient]; readonly owner: SimNode } {
    const [first, second] = this.world.clients;
    if (first === undefined || second === undefined) throw new Error('there are clients');
    first.enter(this.room, this.router(0));
    second.enter(this.room, this.router(1));
    this.until('both are seated', () => first.open !== undefined && second.open !== undefined);
    const { owner } = this;
    if (owner === undefined) throw new Error('a room with clients has an owner');
    this.speak(first, second);
    return { clients: [first, second], owner };
  }

  /** Each says something, and all of it has an outcome. */
  speak(...clients: readonly SimClient[]): this {
    for (const client of clients) client.publish();
    return this.until('every publish has an outcome', () => clients.every(({ pending }) => pending === 0));
  }

  /** Waits until somebody else than `node` owns the room. */
  takenFrom(node: SimNode): SimNode {
    this.until('another node owns the room', () => this.owner !== undefined && this.owner !== node);
    return this.owner as SimNode;
  }

  hasSaid(text: string): boolean {
    return this.world.trace.lines.some((line) => line.includes(text));
  }

  /** After all is well again: everybody is seated, one node owns the room, whatever is said is logged and heard, and what clients were
   *  told is in the log. @returns what is broken */
  verdict(...clients: readonly SimClient[]): string | undefined {
    this.until('all is well', () => this.owner !== undefined && clients.every((one) => one.open !== undefined));
    this.speak(...clients);
    this.run(5_000).speak(...clients);
    for (const client of clients) client.open?.deliveries.settle();
    return this.broken;
  }
}
