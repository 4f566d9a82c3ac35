/** Bugs planted on purpose: what the simulator must find. Owns: how each is composed around the production cores, which stay as they
 *  are. Does not know: how it is found. Each undoes one rule of DESIGN §4; with the rule in place the same mix of faults is clean. */
import type { RouterPorts } from '../../router/ports.ts';
import type { Holder } from '../../router/route.ts';
import type { Instant } from '../../shared/clock.ts';
import { type Args, DirectoryError, type Operation } from '../../shared/directory/directory.ts';
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
}

export const BUGS = {
  'no-epoch-check': {
    doc: 'claims and transfers are executed whatever the record has become since it was read',
    breaks: /^invariant [15] /,
    mix: { 'node-crash': 3, 'redis-slow': 6, 'node-pause': 2, 'node-redis-cut': 1, move: 2 },
  },
  'dead-below-fence': {
    doc: 'routers declare a node dead before its own deadline has passed',
    breaks: /^invariant [15] /,
    mix: { 'node-redis-cut': 2, 'client-break': 2, 'router-node-cut': 3 },
  },
  'gate-by-timer': {
    doc: 'whether the gate is open is looked up on a timer, not at use',
    breaks: /^invariant [15] /,
    mix: { 'node-pause': 5, 'router-redis-cut': 4 },
  },
  'router-claims': {
    doc: 'a router that has lost the link to an owner claims the room for another node',
    breaks: /^invariant [15] /,
    mix: { 'link-reset': 4, 'router-node-cut': 4 },
  },
  'observer-keeps-timer': {
    doc: 'an observer goes on counting over polls that failed or came late',
    breaks: /^invariant 4 Certificate /,
    mix: { 'router-redis-cut': 3, 'redis-pause': 3, 'node-redis-cut': 1 },
  },
  'no-grace': {
    doc: 'a node claims in a new history at once, whoever held the room in the old one',
    breaks: /^invariant [15] /,
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
    mix: { 'link-reject': 6, 'node-pause': 1 },
  },
  'island-one-router': {
    doc: 'one router that says that Redis does not answer is enough for an islanded node',
    breaks: /^invariant [15] /,
    mix: { 'island-cut': 6, 'client-break': 4 },
  },
  'claims-without-grace': {
    doc: 'after an outage a router has rooms claimed at once',
    breaks: /^invariant [15] /,
    mix: { 'island-cut': 6, 'redis-flush': 4, 'client-break': 6 },
  },
} as const satisfies Record<string, BugInfo>;

export type Bug = keyof typeof BUGS;

export function isBug(text: string): text is Bug {
  return Object.hasOwn(BUGS, text);
}

/** How Redis executes operations, with or without the bug. */
export function executeWith(bug: Bug | undefined): Execute {
  return (directory, operation, args, nowMs) => {
    if (bug === 'no-epoch-check' && (operation === 'claim' || operation === 'transfer') && 'room' in args) {
      const read = directory.execute('readRoom', { room: args.room }, nowMs);
      const record = read.kind === 'record' ? read.record : undefined;
      const seen = record && { incarnation: record.owner?.incarnation, epoch: record.epoch, nonce: record.nonce };
      return directory.execute(operation, { ...args, ...('seen' in args ? { seen } : {}) }, nowMs);
    }
    return directory.execute(operation, args, nowMs);
  };
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
