/** One room's way to an owner, seen from one node: read the record, ask whether its owner lives, claim by compare-and-set; and the
 *  way out: release. Owns: the triple under which this incarnation holds the room. Does not know: sessions, messages, links.
 *  Invariants: a claim is sent only for a record that names nobody, a certified incarnation, or this one without holding it, and
 *  only while the gate is open; whatever a release answers, only a new claim lets output start again; after a change of history
 *  the room is silent until it has been claimed again, never merely verified.
 *  @see DESIGN §4 Claim, Release, History changes */
import type { Instant } from '../shared/clock.ts';
import {
  type Args,
  DirectoryError,
  type LogOpening,
  type Operation,
  type Reply,
  type RoomRecord,
  type SeenRecord,
  sameTriple,
  type Triple,
} from '../shared/directory/directory.ts';
import type { RandomSource } from '../shared/random.ts';
import { Ahead } from './ahead.ts';
import type { Lease } from './lease.ts';
import type { CallDirectory, NodeMetric } from './ports.ts';

export type OwnershipState =
  | { readonly kind: 'none' }
  /** Reading, asking, claiming. */
  | { readonly kind: 'seeking'; readonly sinceMs: number }
  | { readonly kind: 'held'; readonly triple: Triple }
  /** Held before the history changed, or to be claimed above a floor: silent until claimed again. */
  | { readonly kind: 'stale'; readonly triple: Triple; readonly unbroken: boolean; readonly retryAtMs: number }
  | { readonly kind: 'reclaiming'; readonly triple: Triple; readonly unbroken: boolean }
  | { readonly kind: 'releasing'; readonly triple: Triple }
  /** Output has stopped; the owner is about to name its successor, or has and does not know the outcome. */
  | { readonly kind: 'transferring'; readonly triple: Triple };

/** How a search for the room's owner ended. `kept`: what this node remembers of the room, or holds from a handover, goes on;
 *  otherwise it starts afresh. `takenOver`: from a certified owner, whose members are to be expected. */
export type OwnershipEvent =
  | {
      readonly kind: 'opened';
      readonly record: RoomRecord;
      readonly triple: Triple;
      readonly kept: boolean;
      readonly takenOver: boolean;
      /** What the claim read of the log, where that was asked for. */
      readonly opening: LogOpening | undefined;
    }
  | { readonly kind: 'elsewhere'; readonly node: string; readonly incarnation: string; readonly epoch: number }
  /** Nothing can be done now; ask again later. `away`: because Redis does not answer. */
  | { readonly kind: 'wait'; readonly away: boolean }
  /** What was held is another's, or nobody's: memory is void. */
  | { readonly kind: 'lost'; readonly record: RoomRecord | undefined };

interface Holder {
  readonly node: string;
  readonly incarnation: string;
}

export interface OwnershipOptions {
  readonly room: string;
  readonly node: string;
  readonly incarnation: string;
  readonly lease: Lease;
  readonly random: RandomSource;
  readonly call: CallDirectory;
  readonly now: () => Instant;
  readonly count: (metric: NodeMetric) => void;
  readonly observeClaim: (ms: number) => void;
  /** Highest seq given out from memory; a claim that keeps memory keeps its numbering. */
  readonly head: () => number;
  /** Whether its messages are logged: then numbering and log go on whoever owned it. */
  readonly isDurable: boolean;
  /** What a claim that starts afresh reads of the log. */
  readonly open: NonNullable<Args<'claim'>['open']>;
  /** What a claim that keeps memory puts back of the log. */
  readonly restore: (record: RoomRecord | undefined) => Args<'claim'>['restore'];
  /** Asks whether an incarnation lives, together with other rooms. */
  readonly standing: (owner: Holder, done: (reply: Reply<'standing'> | DirectoryError) => void) => void;
  /** A claim from a lost owner is about to be sent. */
  readonly takingOver: () => void;
  /** Whether a handover left state here for exactly this nonce. */
  readonly hasStateFor: (nonce: string) => boolean;
  /** The room is stale: it is to be ticked for as long as it is. */
  readonly wake: () => void;
  readonly on: (event: OwnershipEvent, now: Instant) => void;
}

/** A record that changes under a claim this often is left alone for a while. */
const CLAIM_ATTEMPTS_MAX = 3;
/** Pause before a stale room that could not be claimed again is tried again, milliseconds. */
const RECLAIM_PAUSE_MS = 100;

export class RoomOwnership {
  readonly #options: OwnershipOptions;
  #state: OwnershipState = { kind: 'none' };
  #floor = 0;
  #round = 0;
  /** A transfer may have made another the owner: should the history change before this is known, nothing is held beyond doubt. */
  #doubted = false;
  /** Asked when the search began. */
  #asked: { readonly incarnation: string; readonly reply: Ahead<Reply<'standing'> | DirectoryError> } | undefined;

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  get state(): OwnershipState {
    return this.#state;
  }

  /** The triple under which output may be made (the gate permitting). */
  get held(): Triple | undefined {
    return this.#state.kind === 'held' ? this.#state.triple : undefined;
  }

  /** Finds out who owns the room and claims it if nobody may. `floor`: highest epoch that an OPEN named. `lost`: who is thought to be
   *  its last owner, and certified. */
  seek(floor: number, now: Instant, lost?: Holder): void {
    this.#floor = Math.max(this.#floor, floor);
    if (this.#state.kind === 'held' && this.#floor > this.#state.triple.epoch) {
      this.#to({ kind: 'stale', triple: this.#state.triple, unbroken: true, retryAtMs: now.monoMs });
      this.tick(now);
      return;
    }
    if (this.#state.kind !== 'none') return;
    this.#to({ kind: 'seeking', sinceMs: now.monoMs });
    this.#read(0);
    if (lost !== undefined) this.#askAhead(lost);
  }

  /** The target of a handover heard that the record names it. */
  named(triple: Triple): void {
    this.#floor = Math.max(this.#floor, triple.epoch);
    this.#to({ kind: 'held', triple });
  }

  /** Another history is in force: nothing leaves until the room was claimed again. A transfer under way stays what it is. */
  historyChanged(unbroken: boolean, now: Instant): void {
    switch (this.#state.kind) {
      case 'held':
        this.#to({ kind: 'stale', triple: this.#state.triple, unbroken, retryAtMs: now.monoMs });
        return;
      case 'transferring':
        // Its target may own it by now, in the history that was: not held beyond doubt.
        this.#to({ kind: 'stale', triple: this.#state.triple, unbroken: false, retryAtMs: now.monoMs });
        return;
      case 'stale':
      case 'reclaiming':
        this.#to({
          kind: 'stale',
          triple: this.#state.triple,
          unbroken: unbroken && this.#state.unbroken && !this.#doubted,
          retryAtMs: now.monoMs,
        });
        return;
      case 'seeking':
        this.#to({ kind: 'none' });
        this.#options.on({ kind: 'wait', away: false }, now);
        return;
      case 'releasing':
        this.#to({ kind: 'none' });
        this.#options.on({ kind: 'lost', record: undefined }, now);
        return;
      case 'none':
        return;
      default:
        this.#state satisfies never;
    }
  }

  /** Claims a stale room again as soon as that is allowed. */
  tick(now: Instant): void {
    const state = this.#state;
    if (state.kind !== 'stale') return;
    if (state.unbroken && !this.#options.lease.leaseOpen(now)) {
      // The lease ran out before the room was claimed again: what was held under it is not held beyond doubt any more.
      this.#to({ ...state, unbroken: false });
      return;
    }
    if (now.monoMs < state.retryAtMs) return;
    if (!this.#options.lease.mayClaim(now, state.unbroken)) return;
    this.#to({ kind: 'reclaiming', triple: state.triple, unbroken: state.unbroken });
    this.#read(0);
  }

  /** Gives the room up. Its output has ended and has left before this is called. */
  release(head: number, expireMs: number, _now: Instant): void {
    if (this.#state.kind !== 'held') return;
    const { triple } = this.#state;
    this.#to({ kind: 'releasing', triple });
    const { room, isDurable: isLogged } = this.#options;
    this.#call('release', { room, triple, head, expireMs, isLogged }, (result, now) => {
      this.#options.count('releases');
      this.#to({ kind: 'none' });
      this.#options.on({ kind: 'lost', record: undefined }, now);
      // What Redis has left of its log stays, for whoever claims it next; the other rooms may have lost something too.
      if (!(result instanceof DirectoryError) && result.kind === 'rolled-back') this.#options.lease.wentBack(now);
    });
  }

  /** Output has stopped for a handover. */
  beginTransfer(): Triple | undefined {
    if (this.#state.kind !== 'held') return undefined;
    const { triple } = this.#state;
    this.#to({ kind: 'transferring', triple });
    return triple;
  }

  /** The handover was called off before anything was written: the owner goes on as if nothing had been. */
  resumeAfterTransfer(): void {
    if (this.#state.kind === 'transferring') this.#to({ kind: 'held', triple: this.#state.triple });
  }

  /** The outcome of a transfer is unknown: the room stays silent until it was claimed again, which fences the transfer, or is lost. */
  claimAgain(now: Instant): void {
    if (this.#state.kind !== 'transferring') return;
    this.#doubted = true;
    this.#to({ kind: 'stale', triple: this.#state.triple, unbroken: true, retryAtMs: now.monoMs });
    this.tick(now);
  }

  /** An append found that the record does not hold this triple. A higher epoch ends the ownership; a record that is gone, or
   *  older, was lost by Redis. */
  fenced(record: RoomRecord | undefined, now: Instant): void {
    const { held } = this;
    if (held === undefined) return;
    if (record !== undefined && record.epoch > held.epoch) return this.#lose(record, now);
    // Sent under a triple that was, before the claim that made the present one: nothing was lost.
    const isPresent = record?.owner !== undefined && sameTriple(held, { ...record, ...record.owner });
    if (!isPresent) this.#options.lease.wentBack(now);
  }

  /** The room is no longer this node's, or its memory was dropped. */
  forget(): void {
    this.#to({ kind: 'none' });
  }

  #to(state: OwnershipState): void {
    this.#state = state;
    this.#round++;
    this.#asked = undefined;
    if (state.kind === 'stale') this.#options.wake();
  }

  #call<K extends Operation>(
    operation: K,
    args: Args<K>,
    done: (result: Reply<K> | DirectoryError, now: Instant) => void,
  ): void {
    const round = this.#round;
    this.#options.call(operation, args, (result) => {
      const now = this.#options.now();
      if (result instanceof DirectoryError && result.runId !== undefined) this.#options.lease.metRun(result.runId, now);
      if (round === this.#round) done(result, now);
    });
  }

  /** Ends the search without a claim; what is held in memory is tried again later. */
  #wait(away: boolean, now: Instant): void {
    const state = this.#state;
    if (state.kind === 'reclaiming') {
      this.#to({
        kind: 'stale',
        triple: state.triple,
        unbroken: state.unbroken,
        retryAtMs: now.monoMs + RECLAIM_PAUSE_MS,
      });
    } else {
      this.#to({ kind: 'none' });
    }
    this.#options.on({ kind: 'wait', away }, now);
  }

  #read(attempt: number): void {
    this.#call('readRoom', { room: this.#options.room }, (reply, now) => {
      if (reply instanceof DirectoryError) return this.#wait(true, now);
      this.#decide(reply.kind === 'missing' ? undefined : reply.record, attempt, now);
    });
  }

  /** Decides on a record as read. Memory decides first where it was never broken. */
  #decide(record: RoomRecord | undefined, attempt: number, now: Instant): void {
    if (attempt >= CLAIM_ATTEMPTS_MAX) return this.#wait(false, now);
    const state = this.#state;
    const memory = state.kind === 'reclaiming' ? state : undefined;
    const same =
      memory !== undefined &&
      record !== undefined &&
      record.epoch === memory.triple.epoch &&
      record.nonce === memory.triple.nonce;
    if (memory?.unbroken) {
      if (record === undefined) return this.#checkGen(attempt, now);
      // Named under an epoch that it does not hold: a claim of its own whose reply was lost. Nobody else came in between.
      const isOurs = record.owner?.incarnation === this.#options.incarnation;
      if (same || isOurs || record.epoch < memory.triple.epoch) return this.#claim(record, true, attempt, now);
      return this.#lose(record, now);
    }
    if (record === undefined) return this.#checkGen(attempt, now);
    if (record.owner === undefined) return this.#claim(record, same, attempt, now);
    if (record.owner.incarnation === this.#options.incarnation) {
      if (memory === undefined && this.#options.hasStateFor(record.nonce)) return this.#open(record, true, false, now);
      return this.#claim(record, same, attempt, now);
    }
    this.#askStanding(record, record.owner, attempt);
  }

  /** Asks about the owner that the record most likely names while the record is being read. */
  #askAhead(owner: Holder): void {
    const reply = new Ahead<Reply<'standing'> | DirectoryError>();
    this.#asked = { incarnation: owner.incarnation, reply };
    this.#options.standing(owner, (answer) => reply.answer(answer));
  }

  #askStanding(record: RoomRecord, owner: Holder, attempt: number): void {
    const ask = () =>
      this.#call('standing', owner, (reply, now) => {
        if (reply instanceof DirectoryError) return this.#wait(true, now);
        this.#judge(record, owner, reply, attempt, now);
      });
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked?.incarnation !== owner.incarnation) return ask();
    const round = this.#round;
    asked.reply.whenAnswered((reply) => {
      if (round !== this.#round) return;
      // A certificate is final, whenever in this history it was read. Any other answer may be so no more.
      if (reply instanceof DirectoryError || reply.standing !== 'certified') ask();
      else this.#judge(record, owner, reply, attempt, this.#options.now());
    });
  }

  #judge(record: RoomRecord, owner: Holder, reply: Reply<'standing'>, attempt: number, now: Instant): void {
    if (this.#otherHistory(reply, now)) return;
    switch (reply.standing) {
      case 'living':
        if (this.#state.kind === 'reclaiming') return this.#lose(record, now);
        this.#to({ kind: 'none' });
        return this.#options.on({ kind: 'elsewhere', ...owner, epoch: record.epoch }, now);
      case 'certified':
        return this.#claim(record, false, attempt, now);
      case 'unknown':
        // Never registered in this history, and this process has observed it for `grace`: its lease ended before that, and it
        // will find itself lapsed when it comes. `mayClaim` holds the grace.
        return this.#claim(record, false, attempt, now);
      default:
        reply.standing satisfies never;
    }
  }

  /** Before a missing record is claimed: was it read in the history that is in force? */
  #checkGen(attempt: number, _now: Instant): void {
    const { node, incarnation } = this.#options;
    this.#call('standing', { node, incarnation }, (reply, now) => {
      if (reply instanceof DirectoryError) return this.#wait(true, now);
      if (this.#otherHistory(reply, now)) return;
      if (reply.standing === 'certified') return this.#options.lease.certified(now);
      this.#claim(undefined, this.#state.kind === 'reclaiming', attempt, now);
    });
  }

  #otherHistory(reply: Reply<'standing'>, now: Instant): boolean {
    const { lease } = this.#options;
    if (reply.runId === lease.runId && reply.gen === lease.gen) return false;
    lease.metHistory(reply.runId, reply.gen, now);
    if (this.#state.kind === 'seeking' || this.#state.kind === 'reclaiming') this.#wait(false, now);
    return true;
  }

  /** @param kept memory goes on: numbering continues from it */
  #claim(record: RoomRecord | undefined, kept: boolean, attempt: number, now: Instant): void {
    const { lease, room, node, incarnation, random } = this.#options;
    const { runId } = lease;
    const memory = this.#state.kind === 'reclaiming' ? this.#state : undefined;
    if (runId === undefined || !lease.mayClaim(now, memory?.unbroken === true)) return this.#wait(false, now);
    const seen: SeenRecord | undefined = record && {
      incarnation: record.owner?.incarnation,
      epoch: record.epoch,
      nonce: record.nonce,
    };
    const carries = kept || record?.owner === undefined || this.#options.isDurable;
    const restore = kept && this.#options.isDurable ? this.#options.restore(record) : undefined;
    const args: Args<'claim'> = {
      room,
      seen,
      node,
      incarnation,
      nonce: random.hex(8),
      floor: Math.max(this.#floor, memory?.triple.epoch ?? 0),
      numbering: carries ? { kind: 'continue', head: kept ? this.#options.head() : undefined } : { kind: 'restart' },
      ...(restore && { restore }),
      ...(this.#options.isDurable && !kept ? { open: this.#options.open } : {}),
      runId,
    };
    const startedMs = now.monoMs;
    const takenOver = !kept && record?.owner !== undefined;
    if (takenOver) this.#options.takingOver();
    this.#call('claim', args, (reply, at) => {
      if (reply instanceof DirectoryError) return this.#wait(true, at);
      switch (reply.kind) {
        case 'owned':
          this.#options.count('claims');
          this.#options.observeClaim(at.monoMs - startedMs);
          return this.#open(reply.record, kept, takenOver, at, reply.opening);
        case 'changed':
          this.#options.count('claims_lost');
          return this.#decide(reply.record, attempt + 1, at);
        case 'other-run':
          lease.metRun(reply.runId, at);
          if (this.#state.kind === 'seeking' || this.#state.kind === 'reclaiming') this.#wait(false, at);
          return;
        default:
          reply satisfies never;
      }
    });
  }

  #open(record: RoomRecord, kept: boolean, takenOver: boolean, now: Instant, opening?: LogOpening): void {
    const triple: Triple = { incarnation: this.#options.incarnation, epoch: record.epoch, nonce: record.nonce };
    this.#doubted = false;
    this.#to({ kind: 'held', triple });
    this.#options.on({ kind: 'opened', record, triple, kept, takenOver, opening }, now);
  }

  #lose(record: RoomRecord, now: Instant): void {
    this.#to({ kind: 'none' });
    this.#options.on({ kind: 'lost', record }, now);
  }
}
