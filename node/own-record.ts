/** What this node's record in Redis says of its state and its weight. Owns: what it should say, what it was last known to say, and the
 *  share of its weight that a newcomer has taken so far. Does not know: why the node rests or drains, or which rooms move.
 *
 *  The share stands in the record itself, as the weight that placement uses: every process then agrees on it without comparing clocks.
 *  Invariants: the share only grows; the record is told again whenever it is read to say something else, as after a history was lost.
 *  @see docs/moves.md */
import type { Instant } from '../shared/clock.ts';
import {
  type Args,
  type Cluster,
  DirectoryError,
  type NodeRecord,
  type Operation,
  type Reply,
} from '../shared/directory/directory.ts';

/** Steps in which a newcomer takes its weight. */
const STEPS = 10;

export interface OwnRecordPorts {
  readonly record: NodeRecord;
  /** Between two steps of a newcomer's share. */
  readonly stepMs: number;
  /** Of the history this node is registered in; undefined while it is in none. */
  readonly runId: () => string | undefined;
  readonly call: <K extends Operation>(
    operation: K,
    args: Args<K>,
    done: (result: Reply<K> | DirectoryError) => void,
  ) => void;
}

interface Word {
  readonly state: 'active' | 'draining';
  readonly weight: number;
}

export class OwnRecord {
  readonly #ports: OwnRecordPorts;
  #step = STEPS;
  #stepAtMs = Number.POSITIVE_INFINITY;
  /** What the record says; undefined where a change of it had no answer, and may have been carried out. */
  #told: Word | undefined;
  #telling = false;
  /** Raised when something was told: what was read before says nothing of it. */
  #round = 0;
  #registered = false;

  constructor(ports: OwnRecordPorts) {
    this.#ports = ports;
    this.#told = { state: 'active', weight: ports.record.weight };
  }

  /** Part of its weight that this node has taken so far, above 0 up to 1. */
  get share(): number {
    return this.#step / STEPS;
  }

  /** Whether all read that this node takes no rooms. */
  get isToldDraining(): boolean {
    return this.#told?.state === 'draining';
  }

  get round(): number {
    return this.#round;
  }

  /** The cluster as it is before this node is part of it: where others serve rooms already it begins with a small share. One whose last
   *  life was drained and has left is no newcomer: its rooms come back to it, at the rate at which rooms move. */
  observed({ beats, nodes }: Cluster): void {
    const { record, stepMs } = this.#ports;
    if (this.#registered || stepMs === 0 || record.attends !== undefined) return;
    const serves = ({ node, incarnation, state }: NodeRecord) =>
      incarnation !== record.incarnation && state === 'active' && (beats[node]?.load.rooms ?? 0) > 0;
    const isBack = nodes?.some(({ node, state }) => node === record.node && state === 'left') === true;
    this.#step = !isBack && nodes?.some(serves) === true ? 1 : STEPS;
  }

  /** Whether it has ever been. */
  get wasRegistered(): boolean {
    return this.#registered;
  }

  /** What is registered. */
  asRegistered(): NodeRecord {
    const { record } = this.#ports;
    return this.#step === STEPS
      ? record
      : { ...record, weight: this.#weight(), ...(record.weight === 0 ? {} : { weightGoal: record.weight }) };
  }

  /** The record was written anew, as `asRegistered` gave it. */
  registered(now: Instant): void {
    if (!this.#registered) this.#stepAtMs = now.monoMs + this.#ports.stepMs;
    this.#registered = true;
    this.#told = { state: 'active', weight: this.#weight() };
  }

  /** The record was read. @param round  `round` as the question was asked */
  saw(nodes: readonly NodeRecord[], round: number): void {
    const own = nodes.find(({ incarnation }) => incarnation === this.#ports.record.incarnation);
    if (own === undefined || this.#telling || round !== this.#round) return;
    if (own.state === 'active' || own.state === 'draining') this.#told = { state: own.state, weight: own.weight };
  }

  /** Advances what is due.
   *  @param state  what the record should say
   *  @param mayStep  whether rooms may move now: the share waits otherwise */
  tick(state: 'active' | 'draining', mayStep: boolean, now: Instant): void {
    if (mayStep && this.#step < STEPS && now.monoMs >= this.#stepAtMs) {
      this.#step++;
      this.#stepAtMs = now.monoMs + this.#ports.stepMs;
    }
    this.#tell(state);
  }

  #weight(): number {
    const { weight } = this.#ports.record;
    return this.#step === STEPS ? weight : (weight * this.#step) / STEPS;
  }

  #tell(state: 'active' | 'draining'): void {
    const word: Word = { state, weight: this.#weight() };
    const runId = this.#ports.runId();
    const isTold = word.state === this.#told?.state && word.weight === this.#told.weight;
    if (this.#telling || isTold || runId === undefined) return;
    this.#telling = true;
    const { node, incarnation } = this.#ports.record;
    this.#ports.call('setState', { node, incarnation, ...word, runId }, (reply) => {
      this.#telling = false;
      this.#round++;
      if (reply instanceof DirectoryError) this.#told = undefined;
      else if (reply.kind === 'ok') this.#told = word;
    });
  }
}
