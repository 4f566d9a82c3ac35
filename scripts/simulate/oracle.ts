/** What must hold of ownership, whatever happens: the invariants 1 and 5 of DESIGN §4, and the rule that a certificate by patience
 *  rests on an unbroken observation. Owns: the order in which Redis granted tags. Does not know: how the parties came to act.
 *  Everything is told to it where it happens: what Redis executed, what a node handed to its kernel, what a client was shown. */
import { type Args, type Operation, type Reply, type RoomRecord, tagOf } from '../../shared/directory/directory.ts';
import type { Speaks } from './sim-link.ts';
import type { Trace } from './trace.ts';

interface Granted {
  readonly incarnation: string;
  readonly epoch: number;
  /** Position among all grants, in the order in which Redis executed them; never rolled back. */
  readonly order: number;
}

interface RoomLine {
  readonly granted: Map<string, Granted>;
  /** Granted last, of what Redis still knows. */
  newest: { tag: string; granted: Granted; atMs: number } | undefined;
  /** Newest tag that has emitted gated output. */
  emitted: { tag: string; granted: Granted } | undefined;
}

export class Oracle {
  readonly #trace: Trace;
  readonly #rooms = new Map<string, RoomLine>();
  /** Claims of rooms whose record named another incarnation. */
  takeovers = 0;
  #grants = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** Redis is about to execute a claim: whose room was it? */
  before(owner: string | undefined, claimant: string): void {
    if (owner !== undefined && owner !== claimant) this.takeovers++;
  }

  executed<K extends Operation>(by: string, operation: K, args: Args<K>, reply: Reply<K>): void {
    if (!('kind' in reply) || !('room' in args)) return;
    if ((reply.kind === 'owned' || reply.kind === 'moved') && 'record' in reply && reply.record !== undefined) {
      this.#grant(args.room, reply.record);
    }
    if (reply.kind === 'owned' || reply.kind === 'moved' || reply.kind === 'changed' || reply.kind === 'released') {
      const record = 'record' in reply ? reply.record : undefined;
      const owner = record?.owner?.incarnation.slice(0, 6);
      this.#trace.say('redis', `${operation} of ${args.room} by ${by}: ${reply.kind}`, {
        owner,
        tag: record && tagOf(record),
      });
    }
  }

  #grant(room: string, record: RoomRecord): void {
    const line = this.#line(room);
    const tag = tagOf(record);
    const incarnation = record.owner?.incarnation ?? '';
    const known = line.granted.get(tag);
    if (known !== undefined) return this.#trace.violate('1', `tag ${tag} of ${room} was granted twice`);
    const granted = { incarnation, epoch: record.epoch, order: ++this.#grants };
    const { newest } = line;
    if (newest !== undefined && newest.granted.epoch >= record.epoch) {
      this.#trace.violate('1', `tags of ${room} went back: ${tag} was granted after ${newest.tag}`);
    }
    line.granted.set(tag, granted);
    line.newest = { tag, granted, atMs: this.#trace.nowMs };
  }

  /** Redis holds other data than it did: what was granted since is lost, and whoever the record names now is the owner again, though it may
   *  be dead. @param namedIn  the tag in a room's record as it is now */
  lost(namedIn: (room: string) => string | undefined): void {
    for (const [room, line] of this.#rooms) {
      const tag = namedIn(room);
      const granted = tag === undefined ? undefined : line.granted.get(tag);
      if (tag === undefined || granted === undefined) line.newest = undefined;
      else if (line.newest?.tag !== tag) line.newest = { tag, granted, atMs: this.#trace.nowMs };
    }
  }

  /** An entry was appended under this tag. */
  logged(room: string, tag: string, incarnation: string): void {
    const line = this.#line(room);
    const granted = line.granted.get(tag);
    if (granted?.incarnation !== incarnation) {
      this.#trace.violate('1', `${room} is appended to under ${tag}, which is not its writer's`);
    } else if (granted.order !== line.newest?.granted.order) {
      this.#trace.violate('1', `${room} is appended to under ${tag}, and is ${line.newest?.tag ?? "nobody's"}`);
    }
  }

  /** A node hands gated output to its kernel. */
  emitted(node: string, incarnation: string, what: string, { room, tag }: Speaks): void {
    const line = this.#line(room);
    const granted = line.granted.get(tag);
    if (granted === undefined)
      return this.#trace.violate('1', `${node} speaks for ${room} under ${tag}, which was never granted`);
    if (granted.incarnation !== incarnation) {
      return this.#trace.violate('1', `${node} speaks for ${room} under ${tag}, which is another's`);
    }
    const { emitted } = line;
    if (emitted !== undefined && granted.order < emitted.granted.order) {
      this.#trace.violate('5', `${node} emits ${what} of ${room} under ${tag} after ${emitted.tag} has emitted`);
    }
    if (emitted === undefined || granted.order > emitted.granted.order) line.emitted = { tag, granted };
  }

  /** When the room's owner of now was granted it. */
  ownedSinceMs(room: string): number {
    return this.#rooms.get(room)?.newest?.atMs ?? 0;
  }

  /** Position of a tag among all grants; undefined for one that was never granted. */
  orderOf({ room, tag }: Speaks): number | undefined {
    return this.#rooms.get(room)?.granted.get(tag)?.order;
  }

  #line(room: string): RoomLine {
    let line = this.#rooms.get(room);
    if (line === undefined) {
      line = { granted: new Map(), newest: undefined, emitted: undefined };
      this.#rooms.set(room, line);
    }
    return line;
  }
}

/** Whether one router's observation was unbroken for as long as its certificates by patience say. */
export class ObservationOracle {
  readonly #deadMs: number;
  readonly #pollMs: number;
  /** When the observation last began anew, on the router's monotonic clock. */
  #brokenMs = 0;
  #sentMs: number | undefined;

  constructor(timings: { readonly deadMs: number; readonly pollMs: number }) {
    this.#deadMs = timings.deadMs;
    this.#pollMs = timings.pollMs;
  }

  polled(sentMs: number, nowMs: number, ok: boolean): void {
    if (!ok || (this.#sentMs !== undefined && sentMs - this.#sentMs > 2 * this.#pollMs)) this.#brokenMs = nowMs;
    this.#sentMs = ok ? sentMs : undefined;
  }

  /** @returns a sentence when a certificate by patience must not be written now */
  objection(nowMs: number): string | undefined {
    const heldMs = nowMs - this.#brokenMs;
    if (heldMs >= this.#deadMs) return undefined;
    return `certifies by patience, but its observation was broken ${Math.round(heldMs)} ms ago`;
  }
}
