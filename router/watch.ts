/** A router's eye on the cluster: registers, polls, observes, certifies. Owns: which history of Redis is in force for this router and
 *  whether Redis answers. Does not know: rooms or clients.
 *  Invariant: it certifies only by proof or by patience (observer.ts), never because a link broke.
 *  @see DESIGN §4 Certificate, Routers */
import type { Instant } from '../shared/clock.ts';
import {
  type Cluster,
  DirectoryError,
  type NodeRecord,
  type RouterRecord,
  reasonOf,
} from '../shared/directory/directory.ts';
import { jittered, type RandomSource } from '../shared/random.ts';
import { incompatibleTimings, type Timings } from '../shared/timing.ts';
import type { ClusterLook } from './live/cluster-diff.ts';
import { isLiving, Membership } from './membership.ts';
import { Observer } from './observer.ts';
import type { RouterPorts } from './ports.ts';
import type { Holder } from './route.ts';

export interface WatchOptions {
  readonly record: RouterRecord;
  readonly timings: Timings;
  readonly random: RandomSource;
  readonly now: () => Instant;
  readonly byPatience: boolean;
  /** Proof that a node's process is gone, from this host; undefined where such proof is not to be used. */
  readonly isGone: ((record: NodeRecord) => boolean) | undefined;
  readonly sessions: () => number;
  readonly onCertified: (at: Holder, now: Instant) => void;
  /** Redis has lost a node's record, and it has not come back for so long that its rooms need another owner. */
  readonly onForgotten: (at: Holder, now: Instant) => void;
  /** This router may not join. */
  readonly onRefused: (message: string) => void;
}

const REFRESH_MS = 2_000;
/** After something looked wrong, polls come this often for a while. */
const SOON_EVERY_MS = 50;
const SOON_FOR_MS = 1_000;
/** A supervisor's certificate is there within moments of a broken link: at first polls come in quick succession, for so long of
 *  each second at most. */
const AT_ONCE_EVERY_MS = 10;
const AT_ONCE_FOR_MS = 300;
const AT_ONCE_AGAIN_MS = 1_000;
/** Everything is read anew this often, so that routers which stopped refreshing are seen. */
const FULL_EVERY_MS = 5_000;
/** A router record that was not refreshed for this long is removed. */
const ROUTER_DEAD_MS = 15_000;

export class ClusterWatch {
  readonly membership = new Membership();
  readonly #options: WatchOptions;
  readonly #ports: Pick<RouterPorts, 'call' | 'useRun' | 'keepLink' | 'dropLink' | 'log' | 'count'>;
  readonly #observer: Observer;
  readonly #certifying = new Set<string>();
  readonly #linked = new Map<string, { readonly node: string; readonly address: string }>();
  readonly #routersSeen = new Map<string, { readonly counter: number; readonly sinceMs: number }>();
  #runId: string | undefined;
  #known: { gen: string; ver: number } | undefined;
  #state: 'new' | 'registering' | 'registered' = 'new';
  /** Membership version as of which it is registered, and when that was known. */
  #registered = { ver: 0, atMs: 0 };
  #redis: 'unknown' | 'answered' | 'failed' = 'unknown';
  #isAwayTold = false;
  /** Since when Redis has answered after an outage; undefined where this router has seen none. */
  #answersSinceMs: number | undefined;
  #polling = false;
  #nextPollMs = 0;
  #soonUntilMs = 0;
  #atOnceUntilMs = 0;
  #atOnceAgainMs = 0;
  #fullMs = 0;
  #nextRefreshMs = 0;
  #counter = 0;
  #refreshing = false;
  #afterPoll: (() => void)[] = [];

  constructor(
    options: WatchOptions,
    ports: Pick<RouterPorts, 'call' | 'useRun' | 'keepLink' | 'dropLink' | 'log' | 'count'>,
  ) {
    this.#options = options;
    this.#ports = ports;
    this.#observer = new Observer(options.timings);
  }

  /** Whether the last question to Redis got an answer. */
  get redis(): 'unknown' | 'answered' | 'failed' {
    return this.#redis;
  }

  /** What a node is told that asks whether the last poll failed. If it did, the node may speak by that: it is observed anew. */
  tell(incarnation: string): 'unknown' | 'answered' | 'failed' {
    if (this.#redis === 'failed') this.#observer.restart(incarnation);
    return this.#redis;
  }

  /** Whether an OPEN of this router may cause a claim. Not while Redis is away, nor for `grace` after: nodes that this router has told
   *  so may speak for a while yet, whatever has become of their records meanwhile. */
  mayCauseClaims(nowMs: number): boolean {
    if (this.#redis === 'failed') return false;
    return this.#answersSinceMs === undefined || nowMs - this.#answersSinceMs >= this.#options.timings.graceMs;
  }

  get registered(): boolean {
    return this.#state === 'registered';
  }

  /** How long a node's heartbeat has stood still, as far as this router sees, ms. */
  heartbeatAgeMs(incarnation: string, nowMs: number): number | undefined {
    return this.#observer.stillMs(incarnation, nowMs);
  }

  /** Every node of the table with its state, and how long the heartbeat of a living one has stood still. */
  describeNodes(nowMs: number): { node: string; state: NodeRecord['state']; stillMs: number | undefined }[] {
    return this.membership.nodes.map(({ node, incarnation, state }) => {
      return { node, state, stillMs: isLiving({ state }) ? this.heartbeatAgeMs(incarnation, nowMs) : undefined };
    });
  }

  get runId(): string | undefined {
    return this.#runId;
  }

  /** What it saw last, for whoever tells what has changed. */
  look(): ClusterLook {
    const { nodes, routers } = this.membership;
    return { nodes, routers, redis: this.#redis, runId: this.#runId };
  }

  tick(now: Instant): void {
    if (!this.#polling && now.monoMs >= this.#nextPollMs) this.#poll(now);
    if (this.#state === 'registered') this.#judge(now);
    if (this.#state !== 'new' && !this.#refreshing && now.monoMs >= this.#nextRefreshMs) this.#refresh(now);
  }

  /** Something looks wrong (a link broke): polls at once and often for a second. */
  pollSoon(now: Instant): void {
    if (now.monoMs >= this.#atOnceAgainMs) {
      this.#atOnceUntilMs = now.monoMs + AT_ONCE_FOR_MS;
      this.#atOnceAgainMs = now.monoMs + AT_ONCE_AGAIN_MS;
    }
    this.#soonUntilMs = now.monoMs + SOON_FOR_MS;
    this.#nextPollMs = Math.min(this.#nextPollMs, now.monoMs);
  }

  /** Whether polls are due in such quick succession that it has to be ticked more often. */
  isHurried(now: Instant): boolean {
    return now.monoMs < this.#atOnceUntilMs;
  }

  /** Calls back after a poll that is sent from now on has been answered, or has failed. */
  afterFreshPoll(now: Instant, done: () => void): void {
    this.#afterPoll.push(done);
    this.#nextPollMs = now.monoMs;
    if (!this.#polling) this.#poll(now);
  }

  /** Takes this router's record away: it is about to end. */
  leave(done: () => void): void {
    const { router, incarnation } = this.#options.record;
    this.#ports.call('removeRouter', { router, incarnation }, () => done());
  }

  #poll(now: Instant): void {
    this.#polling = true;
    const waiting = this.#afterPoll;
    this.#afterPoll = [];
    this.#nextPollMs = now.monoMs + this.#pauseMs(now);
    const full = now.monoMs >= this.#fullMs;
    if (full) this.#fullMs = now.monoMs + FULL_EVERY_MS;
    const sentMs = now.monoMs;
    this.#ports.call('readCluster', { known: full ? undefined : this.#known }, (reply) => {
      this.#polling = false;
      const at = this.#options.now();
      if (reply instanceof DirectoryError) this.#failed(reply, at);
      else this.#polled(reply, sentMs, at);
      for (const done of waiting) done();
    });
  }

  #pauseMs(now: Instant): number {
    if (this.isHurried(now)) return AT_ONCE_EVERY_MS;
    if (now.monoMs < this.#soonUntilMs) return SOON_EVERY_MS;
    return jittered(this.#options.random, this.#options.timings.pollMs);
  }

  #failed(error: DirectoryError, now: Instant): void {
    this.#observer.failed();
    this.#routersSeen.clear();
    if (error.code === 'other-run' && error.runId !== undefined) {
      this.#enterRun(error.runId);
      this.#nextPollMs = now.monoMs;
      return;
    }
    // At the start the first question may come before the connection, and who never answers is told by `reportServer`.
    if (this.#redis === 'answered')
      this.#ports.log('redis does not answer', { code: error.code, why: reasonOf(error) });
    this.#isAwayTold ||= this.#redis === 'answered';
    this.#redis = 'failed';
  }

  #enterRun(runId: string): void {
    this.#runId = runId;
    this.#known = undefined;
    this.#ports.useRun(runId);
    this.#ports.log('redis run', { runId });
  }

  #polled(cluster: Cluster, sentMs: number, now: Instant): void {
    if (this.#redis === 'failed') {
      if (this.#isAwayTold) this.#ports.log('redis answers', {});
      this.#isAwayTold = false;
      this.#answersSinceMs = now.monoMs;
    }
    this.#redis = 'answered';
    if (cluster.runId !== this.#runId) this.#enterRun(cluster.runId);
    const known = this.#known;
    if (known !== undefined && known.gen !== cluster.gen) {
      this.#known = undefined;
      this.#state = this.#state === 'new' ? 'new' : 'registering';
      this.#nextRefreshMs = now.monoMs;
    } else if (cluster.gen !== undefined) {
      this.#known = { gen: cluster.gen, ver: cluster.ver };
    }
    const change = this.membership.update(cluster, now.monoMs);
    if (this.#state === 'new' && !this.#join()) return;
    if (this.#state === 'registered' && sentMs >= this.#registered.atMs && this.#isMissing(cluster)) {
      this.#state = 'registering';
      this.#nextRefreshMs = now.monoMs;
    }
    for (const record of change.certified) {
      const after = this.membership.node(record.node);
      const hasLeft = after?.incarnation === record.incarnation && after.state === 'left';
      this.#ports.count(hasLeft ? 'nodes_left' : 'nodes_lost');
      this.#ports.log(hasLeft ? 'node left' : 'node lost', { node: record.node, incarnation: record.incarnation });
      // What was hurried for is there.
      this.#atOnceUntilMs = 0;
      this.#options.onCertified({ node: record.node, incarnation: record.incarnation }, now);
    }
    for (const { node, incarnation, state, weight } of change.changed) {
      if (isLiving({ state })) this.#ports.log(`node ${state}`, { node, incarnation, weight });
    }
    for (const { node, incarnation } of change.forgotten) {
      this.#ports.log('node forgotten', { node, incarnation });
      this.#options.onForgotten({ node, incarnation }, now);
    }
    // After those who are certified were told so: it lets go of their links.
    if (cluster.nodes !== undefined || change.forgotten.length > 0) this.#links();
    if (cluster.routers !== undefined) this.#watchRouters(cluster.routers, now);
    this.#observer.polled(
      `${cluster.runId} ${cluster.gen}`,
      this.membership.listed(),
      cluster.beats,
      sentMs,
      now.monoMs,
    );
    this.#lookForProof();
    if (cluster.nodes !== undefined) this.#putBackCertificates();
  }

  /** Whether nodes that read this do not learn of this router: it was taken for dead, or its registration was lost with a rollback. */
  #isMissing({ ver, routers }: Cluster): boolean {
    const { incarnation } = this.#options.record;
    return ver < this.#registered.ver || routers?.some((one) => one.incarnation === incarnation) === false;
  }

  /** Before the first step into the cluster: do our periods go with those of the others? */
  #join(): boolean {
    const { timings, record } = this.#options;
    const others = [
      ...this.membership.living(),
      ...this.membership.routers.filter((one) => one.router !== record.router),
    ];
    const conflict = incompatibleTimings(
      timings,
      others.map((one) => one.timings),
    );
    if (conflict !== undefined) {
      this.#options.onRefused(conflict);
      return false;
    }
    this.#state = 'registering';
    return true;
  }

  #links(): void {
    const wanted = new Map(
      this.membership.living().map((one) => [one.incarnation, { node: one.node, address: one.link }]),
    );
    for (const [incarnation, { node }] of this.#linked) {
      if (wanted.has(incarnation)) continue;
      this.#linked.delete(incarnation);
      this.#ports.dropLink(node, incarnation);
    }
    for (const [incarnation, to] of wanted) {
      if (this.#linked.get(incarnation)?.address === to.address) continue;
      this.#linked.set(incarnation, to);
      this.#ports.keepLink(to.node, incarnation, to.address);
    }
  }

  /** Registers, and from then on shows that this router lives. It observes nobody before it is registered. */
  #refresh(now: Instant): void {
    const { record, sessions, random } = this.#options;
    this.#nextRefreshMs = now.monoMs + jittered(random, REFRESH_MS);
    this.#refreshing = true;
    this.#counter++;
    const state = { counter: this.#counter, sessions: sessions() };
    const { router, incarnation } = record;
    const ended = () => {
      this.#refreshing = false;
    };
    if (this.#state === 'registered') {
      this.#ports.call('refreshRouter', { router, incarnation, ...state }, (reply) => {
        ended();
        if (reply instanceof DirectoryError || reply.kind !== 'absent') return;
        this.#state = 'registering';
        this.#nextRefreshMs = 0;
      });
    } else {
      this.#ports.call('registerRouter', { record: { ...record, ...state } }, (reply) => {
        ended();
        if (reply instanceof DirectoryError) this.#nextRefreshMs = this.#options.now().monoMs + 200;
        else this.#joined(reply.ver, this.#options.now().monoMs);
      });
    }
  }

  #joined(ver: number, nowMs: number): void {
    this.#state = 'registered';
    this.#registered = { ver, atMs: nowMs };
    this.#observer.registered(ver);
    // Whether it still stands in the list shows only where the list is read anew.
    this.#fullMs = 0;
  }

  #watchRouters(routers: readonly RouterRecord[], now: Instant): void {
    const listed = new Set(routers.map((one) => one.incarnation));
    for (const incarnation of this.#routersSeen.keys())
      if (!listed.has(incarnation)) this.#routersSeen.delete(incarnation);
    for (const { router, incarnation, counter } of routers) {
      if (incarnation === this.#options.record.incarnation) continue;
      const seen = this.#routersSeen.get(incarnation);
      if (seen?.counter !== counter) this.#routersSeen.set(incarnation, { counter, sinceMs: now.monoMs });
      else if (now.monoMs - seen.sinceMs >= ROUTER_DEAD_MS) {
        this.#ports.call('removeRouter', { router, incarnation, counter }, () => undefined);
      }
    }
  }

  /** Proof from this host: the process that the record names is gone. */
  #lookForProof(): void {
    const { isGone } = this.#options;
    if (isGone === undefined || this.#state !== 'registered') return;
    for (const record of this.membership.living()) {
      if (!this.#certifying.has(record.incarnation) && isGone(record)) {
        const { node, incarnation } = record;
        this.#certify({ node, incarnation }, { kind: 'proof', how: 'its process is gone from this host' });
      }
    }
  }

  /** A certificate is final: what Redis has lost of them is written again, before whoever was cut off meanwhile goes on as if nothing had
   *  been. */
  #putBackCertificates(): void {
    if (this.#state !== 'registered') return;
    for (const { node, incarnation } of this.membership.revived()) {
      if (this.#certifying.has(incarnation)) continue;
      this.#certify({ node, incarnation }, { kind: 'proof', how: 'it was certified before Redis was taken back' });
    }
  }

  #judge(now: Instant): void {
    if (!this.#options.byPatience) return;
    for (const { node, incarnation, counter } of this.#observer.suspects(now.monoMs)) {
      if (!this.#certifying.has(incarnation)) this.#certify({ node, incarnation }, { kind: 'patience', counter });
    }
  }

  #certify(at: Holder, by: { kind: 'patience'; counter: number } | { kind: 'proof'; how: string }): void {
    const runId = this.#runId;
    const gen = this.#known?.gen;
    if (runId === undefined || gen === undefined) return;
    this.#certifying.add(at.incarnation);
    this.#ports.call('certify', { node: at.node, incarnation: at.incarnation, by, runId, gen }, (reply) => {
      this.#certifying.delete(at.incarnation);
      const now = this.#options.now();
      this.#nextPollMs = now.monoMs;
      if (reply instanceof DirectoryError || reply.kind !== 'certified') return;
      this.#ports.count('certificates');
      this.#ports.log('certified a node', { ...at, by: by.kind });
    });
  }
}
