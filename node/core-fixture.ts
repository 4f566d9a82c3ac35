/** Node cores on one directory in memory and one clock, links by hand. Owns: the order in which what was asked is answered, one
 *  thing after another, when the test says so. */
import { ManualClock } from '../shared/clock.ts';
import {
  type Args,
  DirectoryError,
  type NodeRecord,
  type Operation,
  type Reply,
} from '../shared/directory/directory.ts';
import { MemoryDirectory } from '../shared/directory/memory-directory.ts';
import type { LinkMessage, OpenSession } from '../shared/link/messages.ts';
import { Placement } from '../shared/placement.ts';
import { SeededRandom } from '../shared/random.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';
import { payloadOf } from '../shared/websocket-frame.ts';
import { NodeCore } from './core.ts';
import { nodeRecord } from './fixture.ts';
import type { LinkPeer } from './links.ts';
import type { NodeEnd } from './ports.ts';
import type { ProgramFactory } from './program.ts';
import { chat } from './programs/chat.ts';
import { LIMITS } from './room-fixture.ts';

/** What becomes of a call: undefined carries it out and answers. */
export type Fate = 'lost' | 'unavailable' | 'reply-lost' | undefined;

export class Cluster {
  readonly clock = new ManualClock();
  readonly directory = new MemoryDirectory({ runId: 'run-1' });
  readonly random = new SeededRandom(11);
  readonly nodes: TestNode[] = [];
  readonly isDurable: boolean;
  logBytesMax = 1_048_576;
  /** Of nodes that are made from now on. */
  moves = { roomsPerSecond: 50, cooldownMs: 60_000, stepMs: 2_000 };
  recentMax = LIMITS.recentMax;
  recentBytesMax: number | undefined;
  #due: (() => void)[] = [];

  /** @param isDurable  whether rooms have a log; those named `relay…` have none in any case */
  constructor(isDurable = false) {
    this.isDurable = isDurable;
  }

  /** Later, in order. */
  later(step: () => void): void {
    this.#due.push(step);
  }

  /** Lets everything that is due happen, and what follows from it. */
  settle(): void {
    for (let step = this.#due.shift(); step !== undefined; step = this.#due.shift()) step();
  }

  /** Lets time pass in steps in which every node ticks. */
  run(ms: number, stepMs = 20): void {
    for (let past = 0; past < ms; past += stepMs) {
      this.clock.advance(Math.min(stepMs, ms - past));
      for (const node of this.nodes) node.core.tick(this.clock.now());
      this.settle();
    }
  }

  node(name: string, make: ProgramFactory = chat, more: Partial<NodeRecord> = {}): TestNode {
    const node = new TestNode(this, name, make, more);
    this.nodes.push(node);
    return node;
  }

  /** A node that is registered and may claim. */
  livingNode(name: string, make?: ProgramFactory, more?: Partial<NodeRecord>): TestNode {
    const node = this.node(name, make, more);
    this.run(DEFAULT_TIMINGS.graceMs + 500, 50);
    return node;
  }
}

export class TestNode {
  readonly name: string;
  readonly core: NodeCore;
  readonly incarnation: string;
  readonly ended: NodeEnd[] = [];
  readonly logs: string[] = [];
  readonly traced: string[] = [];
  /** Links over which a router was asked how its Redis does. */
  readonly pings: number[] = [];
  /** Whether whoever is asked over a link answers at once. */
  isAnswered = false;
  /** Everything that was sent, by link. */
  readonly sent = new Map<number, LinkMessage[]>();
  /** Decides over each call. */
  fate: (operation: Operation) => Fate = () => undefined;
  /** Whether links take anything. */
  full = false;
  /** What waits for output to leave; undefined while it leaves at once. */
  leaving: (() => void)[] | undefined;
  /** Whether a dial reaches its node. */
  reaches = true;
  readonly #cluster: Cluster;
  readonly #peers = new Map<number, { readonly node: TestNode; readonly link: number }>();
  #links = 0;

  constructor(cluster: Cluster, name: string, make: ProgramFactory, more: Partial<NodeRecord>) {
    this.#cluster = cluster;
    this.name = name;
    this.incarnation = cluster.random.hex(16);
    const { clock, random, directory } = cluster;
    const view = directory.connect(clock);
    this.core = new NodeCore(
      {
        record: nodeRecord(name, this.incarnation, more),
        timings: DEFAULT_TIMINGS,
        limits: { ...LIMITS, recentMax: cluster.recentMax },
        roomIdleMs: 60_000,
        drainDeadlineMs: 20_000,
        moves: cluster.moves,
        placement: new Placement(Buffer.alloc(16, 1)),
        programFor: (room) => (room.startsWith('no') ? undefined : { name: 'chat', make }),
        isDurable: (room) => cluster.isDurable && !room.startsWith('relay'),
        logRules: { keep: { entries: 1_000, ms: 86_400_000 }, sendersMax: 2_000 },
        logBytesMax: cluster.logBytesMax,
        recentBytesMax: cluster.recentBytesMax,
        resumeToken: () => 'token',
        bootstrap: undefined,
        random,
        now: () => clock.now(),
      },
      {
        call: (operation, args, done) => cluster.later(() => this.#call(operation, args, done)),
        useRun: (runId) => view.useRun(runId),
        send: (link, message) => this.#send(link, message),
        dropQueued: () => [],
        afterHandedOver: (_links, done) => {
          if (this.leaving === undefined) cluster.later(done);
          else this.leaving.push(done);
        },
        dial: (node) => this.#dial(node),
        ping: (link) => this.#ping(link),
        end: (how) => this.ended.push(how),
        log: (event) => this.logs.push(event),
        count: () => undefined,
        trace: (act) => {
          this.traced.push(`${act} begins`);
          return (outcome) => this.traced.push(`${act}: ${outcome}`);
        },
        observe: () => undefined,
      },
    );
  }

  #call<K extends Operation>(operation: K, args: Args<K>, done: (result: Reply<K> | DirectoryError) => void): void {
    const fate = this.fate(operation);
    if (fate === 'unavailable') return done(new DirectoryError('unavailable', 'away'));
    if (fate === 'lost') return done(new DirectoryError('timeout', 'lost'));
    const reply = this.#cluster.directory.execute(operation, args, this.#cluster.clock.now().wallMs);
    if (fate === 'reply-lost') return done(new DirectoryError('timeout', 'reply lost'));
    this.#cluster.later(() => done(reply));
  }

  #ping(link: number): void {
    this.pings.push(link);
    const askedAt = this.#cluster.clock.now();
    if (!this.isAnswered) return;
    this.#cluster.later(() => this.core.pong(link, askedAt, 'answered', this.#cluster.clock.now()));
  }

  #send(link: number, message: LinkMessage): boolean {
    if (this.full) return false;
    this.sent.set(link, [...(this.sent.get(link) ?? []), message]);
    const peer = this.#peers.get(link);
    if (peer !== undefined) {
      this.#cluster.later(() => {
        if (this.#peers.has(link)) peer.node.core.message(peer.link, message, this.#cluster.clock.now());
      });
    }
    return true;
  }

  #dial(name: string): number {
    const link = ++this.#links;
    this.#cluster.later(() => {
      const node = this.#cluster.nodes.find((one) => one.core.lease.state.kind === 'living' && one.name === name);
      if (node === undefined || !this.reaches) return this.core.linkDown(link, this.#cluster.clock.now());
      const other = node.accept({ role: 'node', id: this.name, incarnation: this.incarnation });
      this.#peers.set(link, { node, link: other });
      node.#peers.set(other, { node: this, link });
      this.core.linkUp(link, { role: 'node', id: node.name, incarnation: node.incarnation });
    });
    return link;
  }

  /** A link that somebody dialled is up. @returns its number */
  accept(peer: LinkPeer): number {
    const link = ++this.#links;
    this.core.linkUp(link, peer);
    return link;
  }

  router(id = 'r1'): TestRouter {
    return new TestRouter(this, this.#cluster, id);
  }

  /** Breaks every link to other nodes. */
  cutPeers(): void {
    for (const [link, { node, link: other }] of this.#peers) {
      this.#peers.delete(link);
      node.#peers.delete(other);
      this.core.linkDown(link, this.#cluster.clock.now());
      node.core.linkDown(other, this.#cluster.clock.now());
    }
  }
}

/** A router's end of one link to one node. */
export class TestRouter {
  readonly link: number;
  readonly incarnation: string;
  readonly #node: TestNode;
  readonly #cluster: Cluster;
  #read = 0;

  constructor(node: TestNode, cluster: Cluster, id: string) {
    this.#node = node;
    this.#cluster = cluster;
    this.incarnation = cluster.random.hex(16);
    this.link = node.accept({ role: 'router', id, incarnation: this.incarnation });
  }

  say(message: LinkMessage): void {
    this.#node.core.message(this.link, message, this.#cluster.clock.now());
    this.#node.core.turnEnd();
    this.#cluster.settle();
    // Acks of what was logged meanwhile leave at a turn's end.
    this.#node.core.turnEnd();
  }

  open(
    room: string,
    sessions: readonly (Partial<OpenSession> & { session: string })[],
    more: { floor?: number; cursor?: { seq: number; tag: string }; heldOnly?: boolean } = {},
  ): void {
    const whole = sessions.map((one, at) => ({
      handle: at + 1,
      user: `u-${one.session}`,
      seat: 1,
      kind: 'join' as const,
      since: 1,
      ...one,
    }));
    this.say({
      type: 'open',
      room,
      floor: more.floor ?? 0,
      sessions: whole,
      ...(more.cursor === undefined ? {} : { cursor: more.cursor }),
      ...(more.heldOnly === undefined ? {} : { heldOnly: more.heldOnly }),
    });
  }

  frame(handle: number, cseq: number, data: unknown, id = cseq, resent = false): void {
    const payload = Buffer.from(JSON.stringify({ type: 'publish', id, data }));
    this.say({ type: 'client-frame', session: handle, cseq, resent, payload });
  }

  /** What came since this was last asked. */
  take(): LinkMessage[] {
    const all = this.#node.sent.get(this.link) ?? [];
    const fresh = all.slice(this.#read);
    this.#read = all.length;
    return fresh;
  }

  takeTypes(): string[] {
    return this.take().map((one) => one.type);
  }
}

/** The JSON in the frames of these messages. */
export function texts(messages: readonly LinkMessage[]): Record<string, unknown>[] {
  return messages.flatMap((one) =>
    'frame' in one ? [JSON.parse(payloadOf(one.frame).toString('utf8')) as Record<string, unknown>] : [],
  );
}

/** The room of `oneNode`. */
export const ROOM = 'room';

/** One living node whose durable room has `sessions` seated, all through one router. */
export function oneNode(sessions: readonly string[] = ['a'], make?: ProgramFactory, logBytesMax?: number) {
  const cluster = new Cluster(true);
  if (logBytesMax !== undefined) cluster.logBytesMax = logBytesMax;
  const node = cluster.livingNode('n1', make);
  const router = node.router();
  router.open(
    ROOM,
    sessions.map((session) => ({ session })),
  );
  router.take();
  return { cluster, node, router };
}
