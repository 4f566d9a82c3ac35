/** Bugs planted on purpose: what the simulator must find. Owns: how each is composed around the production cores, which stay as they
 *  are. Does not know: how it is found. Each undoes one rule of DESIGN §4; with the rule in place the same mix of faults is clean. */
import type { RouterPorts } from '../../router/ports.ts';
import type { Holder } from '../../router/route.ts';
import type { Instant } from '../../shared/clock.ts';
import { type Args, DirectoryError, type Operation, type RoomRecord } from '../../shared/directory/directory.ts';
import type { MemoryDirectory } from '../../shared/directory/memory-directory.ts';
import type { Timings } from '../../shared/timing.ts';
import type { Mix } from './faults.ts';
import type { Execute } from './sim-redis.ts';
import type { SimRouter } from './sim-router.ts';
import type { World } from './world.ts';

export interface BugInfo {
  /** What is undone. */
  readonly doc: string;
  /** The invariant that must be seen to break. */
  readonly breaks: RegExp;
  /** Faults that reach it soon. */
  readonly mix: Mix;
  /** States that half of the faults wait for. */
  readonly aims?: readonly string[];
  /** Only rooms of this kind; both where absent. */
  readonly rooms?: 'relay';
  /** The first seed that shows it. */
  readonly seed: number;
}

const LIST = {
  'no-epoch-check': {
    doc: 'claims and transfers are executed whatever the record has become since it was read',
    breaks: /^invariant [156] /,
    seed: 35,
    mix: { 'link-reject': 8, 'join-storm': 8, 'redis-slow': 5, 'redis-late': 3 },
  },
  'dead-below-fence': {
    doc: 'routers declare a node dead before its own deadline has passed',
    breaks: /^invariant [15] /,
    seed: 27,
    mix: { 'node-redis-cut': 6, 'router-redis-cut': 3, 'client-break': 2 },
    rooms: 'relay',
  },
  'gate-by-timer': {
    doc: 'whether the gate is open is looked up on a timer, not at use',
    breaks: /^invariant [15] /,
    seed: 8,
    mix: { 'node-pause': 5, 'router-redis-cut': 4 },
  },
  'router-claims': {
    doc: 'a router that has lost the link to an owner claims the room for another node',
    breaks: /^invariant [135] /,
    seed: 1,
    mix: { 'link-reset': 4, 'router-node-cut': 4 },
  },
  'observer-keeps-timer': {
    doc: 'an observer goes on counting over polls that failed or came late',
    breaks: /^invariant 4 Certificate /,
    seed: 1,
    mix: { 'router-redis-cut': 3, 'redis-pause': 3, 'node-redis-cut': 1 },
  },
  'no-grace': {
    doc: 'a node claims in a new history at once, whoever held the room in the old one',
    breaks: /^invariant [15] /,
    seed: 236,
    mix: {
      'redis-empty': 2,
      'redis-flush': 3,
      'node-redis-cut': 5,
      'router-node-cut': 4,
      'link-reject': 4,
      'node-pause': 1,
    },
  },
  'certificate-on-refused-dial': {
    doc: 'a router takes a refused dial for proof of death',
    breaks: /^invariant [15] /,
    seed: 7,
    mix: { 'link-reject': 6, 'node-pause': 1 },
  },
  'ack-before-append': {
    doc: 'what is said in a durable room is told before its append was answered',
    breaks: /^invariant [34] /,
    seed: 1,
    mix: { 'redis-slow': 1, 'node-crash': 1 },
  },
  'append-unfenced': {
    doc: 'appends are executed whatever triple they name',
    breaks: /^invariant [1234] /,
    seed: 5,
    mix: { 'redis-slow': 6, 'node-crash': 2, 'node-pause': 4, 'node-redis-cut': 4 },
  },
  'rollback-unseen': {
    doc: 'appends are executed though the head is not where their owner left it',
    breaks: /^invariant [1234] /,
    seed: 3,
    mix: { 'redis-rewind': 4, 'client-break': 1 },
  },
  'epoch-reused': {
    doc: 'an owner that claims its room again gets the epoch that it had',
    breaks: /^invariant [15] /,
    seed: 18,
    mix: { move: 6, 'redis-lost': 6, 'redis-late': 4 },
  },
  'no-nonce': {
    doc: 'every change of owner has the same nonce, so that an epoch alone tells histories apart',
    breaks: /^invariant [1345] /,
    seed: 83,
    mix: { 'redis-clock': 10, 'redis-rollback': 8, 'redis-rewind': 6, 'node-crash': 3, move: 10 },
  },
  'dedupe-outside': {
    doc: 'repetitions are told apart in the memory of the owner, not where they are appended',
    breaks: /^invariant [2] /,
    seed: 2,
    mix: { 'node-crash': 3, 'redis-lost': 4, 'redis-late': 3, 'client-break': 4, 'redis-slow': 3 },
  },
  'offline-queue': {
    doc: 'commands wait for a connection, and are sent to whichever run of Redis it reaches',
    breaks: /^invariant 4 Connections /,
    seed: 1,
    mix: { 'redis-restart': 3, 'redis-rollback': 3, 'redis-empty': 1 },
  },
  'replay-after-live': {
    doc: 'a client that comes back is sent what is said now before what it missed',
    breaks: /^invariant 4 /,
    seed: 2,
    mix: { 'client-break': 6, 'join-storm': 1 },
  },
  'presence-unfenced': {
    doc: 'presence is written whatever epoch its writer had',
    breaks: /^invariant 6 /,
    seed: 34,
    mix: { 'node-pause': 6, 'redis-slow': 6, 'node-redis-cut': 4, 'client-break': 4, move: 2 },
  },
  'drain-accepts-claims': {
    doc: 'a node that is about to leave claims rooms',
    breaks: /^invariant 7 /,
    seed: 4,
    mix: { 'drain-storm': 4, 'node-drain': 4, 'join-storm': 6 },
  },
  'unbounded-hops': {
    doc: 'redirections are followed for as long as there are any',
    breaks: /^invariant 4 Routers /,
    seed: 1,
    mix: { 'redis-lost': 4, 'redis-late': 4, 'node-drain': 10, move: 10, 'join-storm': 6 },
    aims: ['seeking'],
  },
  'island-one-router': {
    doc: 'one router that says that Redis does not answer is enough for an islanded node',
    breaks: /^invariant [15] /,
    seed: 21,
    mix: { 'island-cut': 6, 'client-break': 4 },
  },
  'claims-without-grace': {
    doc: 'after an outage a router has rooms claimed at once',
    breaks: /^invariant [15] /,
    seed: 208,
    mix: { 'island-cut': 6, 'redis-flush': 4, 'client-break': 6 },
  },
} as const satisfies Record<string, BugInfo>;

export type Bug = keyof typeof LIST;

export const BUGS: Readonly<Record<Bug, BugInfo>> = LIST;

export function isBug(text: string): text is Bug {
  return Object.hasOwn(BUGS, text);
}

/** How Redis executes operations, with or without the bug. */
export function executeWith(bug: Bug | undefined): Execute {
  const honest: Execute = (directory, operation, args, nowMs) => directory.execute(operation, args, nowMs);
  switch (bug) {
    case 'no-epoch-check':
      return (directory, operation, args, nowMs) => {
        if ((operation !== 'claim' && operation !== 'transfer') || !('room' in args))
          return directory.execute(operation, args, nowMs);
        const record = recordOf(directory, args.room, nowMs);
        if (record === undefined) return directory.execute(operation, args, nowMs);
        const { epoch, nonce, owner } = record;
        const now = { incarnation: owner?.incarnation, epoch, nonce };
        return directory.execute(operation, { ...args, ...('seen' in args ? { seen: now } : { triple: now }) }, nowMs);
      };
    case 'append-unfenced':
    case 'rollback-unseen':
    case 'dedupe-outside':
      return (directory, operation, args, nowMs) => {
        if (operation !== 'append' || !('items' in args)) return directory.execute(operation, args, nowMs);
        return directory.execute(
          operation,
          { ...args, ...undone(bug, args, recordOf(directory, args.room, nowMs)) },
          nowMs,
        );
      };
    case 'presence-unfenced':
      return (directory, operation, args, nowMs) => {
        if (operation !== 'writePresence' || !('asOf' in args)) return directory.execute(operation, args, nowMs);
        const { head } = directory.execute('readPresence', { room: args.room, limit: 0 }, nowMs);
        return directory.execute(operation, { ...args, epoch: Math.max(args.epoch, head?.epoch ?? 0) }, nowMs);
      };
    case 'epoch-reused':
      return (directory, operation, args, nowMs) => {
        const before = operation === 'claim' && 'room' in args ? recordOf(directory, args.room, nowMs) : undefined;
        const reply = directory.execute(operation, args, nowMs);
        if (!('seen' in args) || !('record' in reply) || !('kind' in reply) || reply.kind !== 'owned') return reply;
        if (before?.owner?.incarnation !== args.incarnation || reply.record === undefined) return reply;
        const record = { ...reply.record, epoch: before.epoch };
        const { state } = directory.snapshot();
        const stored = state.rooms.get(args.room);
        if (stored !== undefined) stored.record = record;
        directory.restore({ state });
        return { ...reply, record };
      };
    default:
      return honest;
  }
}

function recordOf(directory: MemoryDirectory, room: string, nowMs: number): RoomRecord | undefined {
  const read = directory.execute('readRoom', { room }, nowMs);
  return read.kind === 'record' ? read.record : undefined;
}

/** What of an append is put in place of what its sender said, so that no check finds anything. */
function undone(
  bug: 'append-unfenced' | 'rollback-unseen' | 'dedupe-outside',
  args: Args<'append'>,
  record: RoomRecord | undefined,
): Partial<Args<'append'>> {
  if (record?.owner === undefined) return {};
  const { head, epoch, nonce, owner } = record;
  switch (bug) {
    case 'append-unfenced':
      return { triple: { incarnation: owner.incarnation, epoch, nonce }, head };
    case 'rollback-unseen':
      return { head };
    case 'dedupe-outside':
      // To the script everybody is somebody new.
      return {
        items: args.items.map((item, at) => ({ ...item, isResumed: false, sender: `${head}.${at}.${item.sender}` })),
      };
    default:
      return bug satisfies never;
  }
}

/** A router's share in planted bugs. */
export class RouterBugs {
  readonly #world: World;
  readonly #router: SimRouter;

  constructor(world: World, router: SimRouter) {
    this.#world = world;
    this.#router = router;
  }

  get #bug(): Bug | undefined {
    return this.#world.options.bug;
  }

  watchTimings(timings: Timings): Timings {
    return this.#bug === 'observer-keeps-timer' ? { ...timings, pollMs: 1e9 } : timings;
  }

  mayCauseClaims(): boolean {
    return this.#bug === 'claims-without-grace';
  }

  wrap(ports: RouterPorts): RouterPorts {
    if (this.#bug !== 'observer-keeps-timer') return ports;
    const again = <K extends Operation>(operation: K, args: Args<K>, done: Parameters<typeof ports.call<K>>[2]): void =>
      ports.call(operation, args, (result) => {
        const isSwallowed =
          operation === 'readCluster' && result instanceof DirectoryError && result.code !== 'other-run';
        if (isSwallowed) this.#router.process.timer(50, () => again(operation, args, done));
        else done(result);
      });
    return { ...ports, call: again };
  }

  tick(now: Instant): void {
    if (this.#bug === 'observer-keeps-timer') this.#router.watch.pollSoon(now);
  }

  dialRefused({ node, incarnation }: Holder): void {
    if (this.#bug !== 'certificate-on-refused-dial') return;
    const { directory } = this.#router;
    directory.call('standing', { node, incarnation }, (reply) => {
      if (reply instanceof DirectoryError || reply.gen === undefined) return;
      const by = { kind: 'proof', how: 'its port refused' } as const;
      directory.call('certify', { node, incarnation, by, runId: reply.runId, gen: reply.gen }, () => undefined);
    });
  }

  linkDown(at: Holder): void {
    if (this.#bug !== 'router-claims') return;
    for (const room of this.#world.rooms) this.#claimFrom(room, at);
  }

  #claimFrom(room: string, at: Holder): void {
    const { directory, watch } = this.#router;
    directory.call('readRoom', { room }, (read) => {
      const record = read instanceof DirectoryError || read.kind === 'missing' ? undefined : read.record;
      const other = watch.membership.living().find((one) => one.incarnation !== at.incarnation);
      const { runId } = watch;
      if (record?.owner?.incarnation !== at.incarnation || other === undefined || runId === undefined) return;
      const seen = { incarnation: at.incarnation, epoch: record.epoch, nonce: record.nonce };
      const { node, incarnation } = other;
      const nonce = this.#world.random.hex(8);
      const numbering = { kind: 'restart' } as const;
      directory.call('claim', { room, seen, node, incarnation, nonce, floor: 0, numbering, runId }, () => undefined);
    });
  }
}
