/** A node's right to exist and to speak: registration, heartbeat, gate, suspension, and what a change of history means for them.
 *  Owns: which history (run id, gen) this incarnation lives in, its deadline, and how long it has observed that history.
 *  Does not know: rooms, links, or how a certificate comes about.
 *  Invariants: `leaseOpen` is true only while less than `fence` has passed, on the faster of both clocks, since the sending of a
 *  heartbeat that was counted. `gateOpen` is true only then, or while islanding.ts has prolonged that very lease without a gap. Both
 *  are checks at use; no timer takes part, since timers do not fire in a stopped process.
 *  @see DESIGN §4 Heartbeat, Gate, History changes, Redis is away */
import { elapsedMs, type Instant } from '../shared/clock.ts';
import {
  type Args,
  type Beat,
  type Cluster,
  DirectoryError,
  type NodeLoad,
  type NodeRecord,
  type Reply,
} from '../shared/directory/directory.ts';
import { jittered, type RandomSource } from '../shared/random.ts';
import { ISLAND_MS, incompatibleTimings, type Timings } from '../shared/timing.ts';
import { Islanding } from './islanding.ts';
import type { CallDirectory } from './ports.ts';

/** Where an incarnation stands. Data exists only where it is valid.
 *  observing → registering → living ⇄ (history changed) rejoining → living; any → certified, refused, gone. */
export type LeaseState =
  /** Has read Redis (or not yet, `since` undefined) and waits out the grace before it registers. */
  | { readonly kind: 'observing'; readonly since: number | undefined }
  | { readonly kind: 'registering' }
  /** A namesake stands in the table and is not certified: its counter is watched from `since` on. */
  | {
      readonly kind: 'watching';
      readonly incarnation: string;
      readonly counter: number;
      readonly since: number;
    }
  | { readonly kind: 'living' }
  /** Met another history: registers there under the same incarnation. */
  | { readonly kind: 'rejoining' }
  | { readonly kind: 'certified' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'gone' };

export type LeaseEvent =
  | { readonly kind: 'registered' }
  /** Another history is in force. `unbroken`: the lease still ran when it was met, so that what was held may be claimed again at once. */
  | { readonly kind: 'history'; readonly unbroken: boolean }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'resumed' }
  /** The lease has run out, and every registered router says that Redis does not answer it: the gate stays open. */
  | { readonly kind: 'islanded' }
  | { readonly kind: 'certified' }
  | { readonly kind: 'refused'; readonly message: string };

export interface LeaseOptions {
  readonly record: NodeRecord;
  /** What is registered of it now. */
  readonly registerAs: () => NodeRecord;
  /** The cluster was read before this node is part of it. */
  readonly observed: (cluster: Cluster) => void;
  readonly timings: Timings;
  readonly random: RandomSource;
  /** A gen that the supervisor made in its own fresh Redis: while it is in force, no grace is needed. */
  readonly bootstrap: string | undefined;
  readonly call: CallDirectory;
  readonly useRun: (runId: string) => void;
  readonly load: () => NodeLoad;
  /** Asks these routers, by incarnation, whether their last poll of Redis failed; `routerSaid` brings each answer. */
  readonly ask: (incarnations: Iterable<string>) => void;
  readonly on: (event: LeaseEvent, now: Instant) => void;
  /** Reads the clocks: replies arrive in later turns. */
  readonly now: () => Instant;
}

export class Lease {
  readonly #options: LeaseOptions;
  #state: LeaseState = { kind: 'observing', since: undefined };
  #runId: string | undefined;
  #gen: string | undefined;
  /** When the heartbeat that was last counted was sent. */
  #renewedAt: Instant | undefined;
  /** Last counter that a counted heartbeat reported. */
  #counter = -1;
  #ver = 0;
  /** When this process first observed the history in force. */
  #historyMs = 0;
  /** The deadline had passed when the history in force was met: no gate, no claim, for `grace`. */
  #lapsed = false;
  /** What was read last, while nothing is registered. */
  #observed: Cluster | undefined;
  /** No grace is needed in the history in force: it was made for this very node. */
  #bootstrapped = false;
  /** Outcomes of calls made before this number are void. */
  #round = 0;
  #busy = false;
  #nextAtMs = 0;
  /** The last question to Redis failed: routers are asked. */
  #failing = false;
  #nextAskMs = 0;
  readonly #islanding: Islanding;
  #told: 'suspended' | 'resumed' | 'islanded' = 'suspended';

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#islanding = new Islanding(options.timings.fenceMs);
  }

  get state(): LeaseState {
    return this.#state;
  }

  get runId(): string | undefined {
    return this.#runId;
  }

  get gen(): string | undefined {
    return this.#gen;
  }

  /** Membership version as of the heartbeat that was last counted. */
  get ver(): number {
    return this.#ver;
  }

  get counter(): number {
    return this.#counter;
  }

  /** Whether output that Redis does not fence may leave now. */
  gateOpen(now: Instant): boolean {
    return this.leaseOpen(now) || this.#isIslanded(now);
  }

  /** Whether it may only by what routers say: the lease has run out. */
  islanded(now: Instant): boolean {
    return this.gateOpen(now) && !this.leaseOpen(now);
  }

  /** Whether Redis itself has granted that by a renewal: what is to be written there may be begun. */
  leaseOpen(now: Instant): boolean {
    return (
      (this.#state.kind === 'living' || this.#state.kind === 'rejoining') &&
      this.#leaseRuns(now) &&
      !this.#heldBack(now)
    );
  }

  /** Whether the last question to Redis failed. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Whether a claim may be sent now. `unbroken`: of a room held in memory under a lease that was not broken. */
  mayClaim(now: Instant, unbroken: boolean): boolean {
    if (this.#state.kind !== 'living' || !this.leaseOpen(now)) return false;
    return unbroken || this.graceOver(now);
  }

  /** Whether this process has observed the history in force long enough to trust what it reads of others there. */
  graceOver(now: Instant): boolean {
    return this.#bootstrapped || now.monoMs - this.#historyMs >= this.#options.timings.graceMs;
  }

  /** Advances whatever is due. Called every few tens of milliseconds; late calls are safe. */
  tick(now: Instant): void {
    this.#reportGate(now);
    this.#askRouters(now);
    if (this.#busy || now.monoMs < this.#nextAtMs) return;
    switch (this.#state.kind) {
      case 'observing':
        this.#observe();
        return;
      case 'registering':
      case 'rejoining':
        this.#register();
        return;
      case 'watching':
        this.#watch(this.#state);
        return;
      case 'living':
        if (this.#leaseRuns(now) || this.#renewedAt === undefined) this.#heartbeat(now);
        else this.#probe();
        return;
      case 'certified':
      case 'refused':
      case 'gone':
        return;
      default:
        this.#state satisfies never;
    }
  }

  /** Another part of the process found another run of Redis behind its connection. */
  metRun(runId: string, now: Instant): void {
    if (!this.#final() && this.#runId !== undefined && runId !== this.#runId) this.#foundRun(runId, now);
  }

  /** Another part of the process read which history is in force. */
  metHistory(runId: string, gen: string | undefined, now: Instant): void {
    if (this.#final() || this.#runId === undefined) return;
    if (runId !== this.#runId || gen !== this.#gen) this.#changeHistory(runId, gen, now);
  }

  /** A head or a record that was written went back: Redis was restored under the same run id. */
  wentBack(now: Instant): void {
    if (this.#state.kind === 'living' && this.#runId !== undefined) this.#changeHistory(this.#runId, this.#gen, now);
  }

  /** Another part of the process read the cluster. @returns whether that was in the history in force */
  sawCluster({ runId, gen, ver, routers }: Cluster): boolean {
    if (runId !== this.#runId || gen === undefined || gen !== this.#gen) return false;
    if (routers !== undefined)
      this.#islanding.read(
        ver,
        routers.map((one) => one.incarnation),
      );
    return true;
  }

  /** A router answered a question that was sent at `askedAt`. What has lapsed is not revived by it. */
  routerSaid(incarnation: string, askedAt: Instant, redis: 'unknown' | 'answered' | 'failed', now: Instant): void {
    if (redis === 'failed' && this.gateOpen(now)) this.#islanding.saidYes(incarnation, askedAt);
  }

  /** Another part of the process learned that this incarnation is certified. */
  certified(now: Instant): void {
    if (this.#state.kind === 'certified' || this.#state.kind === 'gone') return;
    this.#to({ kind: 'certified' });
    this.#options.on({ kind: 'certified' }, now);
  }

  /** The node has left by itself: no more heartbeats. */
  stop(): void {
    this.#to({ kind: 'gone' });
  }

  #leaseRuns(now: Instant): boolean {
    return this.#renewedAt !== undefined && elapsedMs(this.#renewedAt, now) < this.#options.timings.fenceMs;
  }

  #isIslanded(now: Instant): boolean {
    return (
      this.#state.kind === 'living' &&
      this.#renewedAt !== undefined &&
      elapsedMs(this.#renewedAt, now) < ISLAND_MS &&
      !this.#heldBack(now) &&
      this.#islanding.holds(now)
    );
  }

  /** From the first heartbeat that failed, as long as an answer can still count. */
  #askRouters(now: Instant): void {
    if (!this.#failing || now.monoMs < this.#nextAskMs || this.#state.kind !== 'living' || !this.gateOpen(now)) return;
    this.#nextAskMs = now.monoMs + jittered(this.#options.random, this.#options.timings.heartbeatMs);
    this.#options.ask(this.#islanding.routers);
  }

  #heldBack(now: Instant): boolean {
    return this.#lapsed && !this.graceOver(now);
  }

  #final(): boolean {
    return this.#state.kind === 'certified' || this.#state.kind === 'refused' || this.#state.kind === 'gone';
  }

  #to(state: LeaseState): void {
    this.#state = state;
    this.#round++;
    this.#busy = false;
  }

  /** Tells of a gate that opened or shut. Reporting only: nothing depends on when, or whether, this runs. */
  #reportGate(now: Instant): void {
    const kind = this.leaseOpen(now) ? 'resumed' : this.#isIslanded(now) ? 'islanded' : 'suspended';
    if (kind === this.#told) return;
    this.#told = kind;
    this.#options.on({ kind }, now);
  }

  #call<K extends 'readCluster' | 'register' | 'heartbeat' | 'standing' | 'certify'>(
    operation: K,
    args: Args<K>,
    done: (reply: Reply<K>, now: Instant) => void,
  ): void {
    const round = this.#round;
    this.#busy = true;
    this.#options.call(operation, args, (result) => {
      if (round !== this.#round) return;
      this.#busy = false;
      const now = this.#options.now();
      if (!(result instanceof DirectoryError)) {
        done(result, now);
      } else if (result.code === 'other-run' && result.runId !== undefined) {
        this.#foundRun(result.runId, now);
      } else {
        this.#failing = true;
        // What was not seen to stand still all the time is watched anew.
        if (this.#state.kind === 'watching') this.#state = { ...this.#state, since: now.monoMs };
        this.#again(now);
      }
    });
  }

  #again(now: Instant): void {
    this.#nextAtMs = now.monoMs + jittered(this.#options.random, this.#options.timings.heartbeatMs);
  }

  #foundRun(runId: string, now: Instant): void {
    if (this.#runId === undefined) this.#enterHistory(runId, undefined, now);
    else if (runId !== this.#runId) this.#changeHistory(runId, undefined, now);
    this.#nextAtMs = now.monoMs;
  }

  #enterHistory(runId: string, gen: string | undefined, now: Instant): void {
    this.#runId = runId;
    this.#gen = gen;
    this.#historyMs = now.monoMs;
    this.#counter = -1;
    this.#ver = 0;
    this.#islanding.forget();
    this.#options.useRun(runId);
  }

  /** Another history is in force. What the lease was is judged first, before any renewal in the new one can count. */
  #changeHistory(runId: string, gen: string | undefined, now: Instant): void {
    const neverRegistered =
      this.#state.kind === 'observing' || this.#state.kind === 'registering' || this.#state.kind === 'watching';
    // Not one that routers have prolonged: they know as little of this history as the node did.
    const unbroken = this.leaseOpen(now);
    this.#enterHistory(runId, gen, now);
    this.#bootstrapped = false;
    if (neverRegistered) {
      this.#to({ kind: 'observing', since: now.monoMs });
    } else {
      this.#lapsed = !unbroken;
      this.#to({ kind: 'rejoining' });
      this.#options.on({ kind: 'history', unbroken }, now);
    }
    this.#nextAtMs = now.monoMs;
  }

  #observe(): void {
    this.#call('readCluster', {}, (cluster, at) => {
      if (this.#runId === undefined) this.#enterHistory(cluster.runId, cluster.gen, at);
      // An empty history that is given its name is the one that was observed all along.
      else if (this.#gen === undefined && cluster.runId === this.#runId) this.#gen = cluster.gen;
      else if (cluster.runId !== this.#runId || cluster.gen !== this.#gen)
        this.#changeHistory(cluster.runId, cluster.gen, at);
      // Redis was taken back under the same run id: whoever has spoken since is not in there, and has yet to notice.
      else if (hasGoneBack(this.#observed, cluster)) this.#changeHistory(cluster.runId, cluster.gen, at);
      this.#observed = cluster;
      this.sawCluster(cluster);
      this.#options.observed(cluster);
      const others = [...(cluster.nodes ?? []), ...(cluster.routers ?? [])].filter(
        (one) => !('state' in one) || isLiving(one),
      );
      const conflict = incompatibleTimings(
        this.#options.timings,
        others.filter((one) => one.incarnation !== this.#options.record.incarnation).map((one) => one.timings),
      );
      if (conflict !== undefined) return this.#refuse(conflict, at);
      this.#bootstrapped = this.#options.bootstrap !== undefined && cluster.gen === this.#options.bootstrap;
      if (!this.graceOver(at)) {
        this.#state = { kind: 'observing', since: this.#historyMs };
        return this.#again(at);
      }
      this.#to({ kind: 'registering' });
      this.#register();
    });
  }

  #refuse(message: string, now: Instant): void {
    this.#to({ kind: 'refused' });
    this.#options.on({ kind: 'refused', message }, now);
  }

  #register(): void {
    const runId = this.#runId;
    if (runId === undefined) return;
    const { registerAs, random } = this.#options;
    this.#call('register', { record: registerAs(), runId, newGen: random.hex(16) }, (reply, now) => {
      switch (reply.kind) {
        case 'registered': {
          this.#observed = undefined;
          if (this.#state.kind === 'registering' && !reply.first) this.#bootstrapped = false;
          if (this.#gen !== undefined && reply.gen !== this.#gen) {
            // The history got another name between two reads: what was observed of it does not count.
            this.#historyMs = now.monoMs;
            this.#bootstrapped = false;
            this.#islanding.forget();
          }
          this.#gen = reply.gen;
          this.#to({ kind: 'living' });
          this.#options.on({ kind: 'registered' }, now);
          this.#nextAtMs = now.monoMs;
          this.#heartbeat(now);
          return;
        }
        case 'living':
          // In a history of another name nothing was observed yet, whoever stands there.
          if (this.#gen !== undefined && reply.gen !== this.#gen) return this.#changeHistory(runId, reply.gen, now);
          this.#to({ kind: 'watching', incarnation: reply.incarnation, counter: reply.counter, since: now.monoMs });
          this.#gen = reply.gen;
          return this.#again(now);
        case 'certified':
          return this.certified(now);
        case 'other-run':
          return this.#foundRun(reply.runId, now);
        default:
          reply satisfies never;
      }
    });
  }

  /** A namesake that is not certified: if its counter moves this process refuses to start; if it stands still for `dead`, it is
   *  certified by compare-and-set on that counter. */
  #watch(watched: Extract<LeaseState, { kind: 'watching' }>): void {
    const { record, timings } = this.#options;
    const askedAt = this.#options.now().monoMs;
    this.#call('readCluster', {}, (cluster, now) => {
      const beat = cluster.beats[record.node];
      if (cluster.runId !== this.#runId || cluster.gen !== this.#gen)
        return this.#changeHistory(cluster.runId, cluster.gen, now);
      const standing = cluster.nodes?.find((one) => one.node === record.node);
      if (standing === undefined || !isLiving(standing)) {
        this.#to({ kind: 'registering' });
        this.#nextAtMs = now.monoMs;
        return;
      }
      const counter = beat?.incarnation === standing.incarnation ? beat.counter : 0;
      if (standing.incarnation !== watched.incarnation || counter !== watched.counter) {
        const where = `${standing.host}, pid ${standing.pid}`;
        return this.#refuse(
          `a node named ${record.node} is alive (${where}); choose another --id or stop it first`,
          now,
        );
      }
      if (askedAt - watched.since < timings.deadMs) return this.#again(now);
      this.#certify(watched, now);
    });
  }

  #certify(watched: Extract<LeaseState, { kind: 'watching' }>, now: Instant): void {
    const { runId } = this;
    const gen = this.#gen;
    if (runId === undefined || gen === undefined) return this.#again(now);
    const by = { kind: 'patience', counter: watched.counter } as const;
    const args = { node: this.#options.record.node, incarnation: watched.incarnation, by, runId, gen };
    this.#call('certify', args, (reply, at) => {
      if (reply.kind === 'other-run') return this.#foundRun(reply.runId, at);
      if (reply.kind === 'moved') {
        return this.#refuse(
          `a node named ${this.#options.record.node} is alive; choose another --id or stop it first`,
          at,
        );
      }
      this.#to({ kind: 'registering' });
      this.#nextAtMs = at.monoMs;
    });
  }

  #heartbeat(now: Instant): void {
    const runId = this.#runId;
    const gen = this.#gen;
    if (runId === undefined || gen === undefined) return;
    const { record } = this.#options;
    const sentAt = now;
    this.#nextAtMs = now.monoMs + jittered(this.#options.random, this.#options.timings.heartbeatMs);
    const { view } = this.#islanding;
    const load = this.#options.load();
    const args = { node: record.node, incarnation: record.incarnation, runId, gen, load, view };
    this.#call('heartbeat', args, (reply, at) => {
      switch (reply.kind) {
        case 'ok':
          // A counter that went back is a rollback under the same run id.
          if (reply.counter <= this.#counter) return this.#changeHistory(runId, gen, at);
          this.#counter = reply.counter;
          this.#ver = reply.ver;
          this.#renewedAt = sentAt;
          this.#failing = false;
          this.#islanding.renewed(view);
          this.#reportGate(at);
          return;
        case 'dead':
          return this.certified(at);
        case 'absent':
          return this.#changeHistory(runId, gen, at);
        case 'empty':
          return this.#changeHistory(runId, undefined, at);
        case 'other-gen':
          return this.#changeHistory(runId, reply.gen, at);
        case 'other-run':
          return this.#foundRun(reply.runId, at);
        default:
          reply satisfies never;
      }
    });
  }

  /** Suspended: one read-only question, and only after its answer one renewal, so that a storm of late writes cannot revive a lease. */
  #probe(): void {
    const { record } = this.#options;
    this.#call('standing', { node: record.node, incarnation: record.incarnation }, (reply, now) => {
      if (reply.runId !== this.#runId || reply.gen !== this.#gen)
        return this.#changeHistory(reply.runId, reply.gen, now);
      if (reply.standing === 'certified') return this.certified(now);
      if (reply.standing === 'unknown') return this.#changeHistory(reply.runId, reply.gen, now);
      this.#heartbeat(now);
    });
    this.#again(this.#options.now());
  }
}

function isLiving(record: NodeRecord): boolean {
  return record.state === 'active' || record.state === 'draining';
}

/** Whether what was read of a history shows that it is an earlier state of it than what was read before. */
function hasGoneBack(before: Cluster | undefined, now: Cluster): boolean {
  if (before === undefined || before.runId !== now.runId || before.gen !== now.gen) return false;
  const isBehind = ([node, { incarnation, counter }]: [string, Beat]) => {
    const beat = now.beats[node];
    return beat !== undefined && beat.incarnation === incarnation && beat.counter < counter;
  };
  return now.ver < before.ver || Object.entries(before.beats).some(isBehind);
}
