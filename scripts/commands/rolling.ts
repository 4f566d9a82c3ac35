/** A rolling restart: each node in turn is drained, started again, and has joined and taken its rooms back before the next one goes.
 *  Owns: the order of steps, and where to stop. Does not know: how a node is drained or started (ports say), flags, output.
 *  Invariant: at most one node is away at any moment; the first thing that does not go as planned ends it, and nothing further is
 *  touched. */
import { Failure } from './failure.ts';

export interface NodeState {
  readonly node: string;
  readonly incarnation: string;
  readonly state: string;
  readonly rooms: number;
  readonly linked: boolean;
  readonly heartbeatAgeMs: number | undefined;
}

/** How far rebalancing is; undefined where the cluster does none. */
export interface Settling {
  readonly isSettled: boolean;
  /** In a few words, for the operator. */
  readonly says: string;
}

export interface RollingPorts {
  nodes(): Promise<readonly NodeState[]>;
  /** Hands all rooms of the node over. @returns what keeps it from being drained; undefined once it is */
  drain(node: string): Promise<string | undefined>;
  /** Has the node started again, or sees to it that somebody does. */
  restart(node: string): Promise<void>;
  settling(): Promise<Settling | undefined>;
  /** @returns false where the operator wants no more */
  pause(ms: number): Promise<boolean>;
  now(): number;
  say(node: string, what: string): void;
  /** How what is waited for stands, at every look: of passing interest. */
  waits(node: string, what: string): void;
}

export interface RollingOptions {
  /** Only these; without, every node that is active. */
  readonly only: readonly string[];
  /** How long a node that was started again has to join. */
  readonly joinMs: number;
  /** How long rebalancing may take after each. */
  readonly settleMs: number;
}

export interface Restarted {
  readonly node: string;
  readonly tookMs: number;
  readonly before: string;
  readonly after: string;
}

export type RollingEnd =
  | { readonly kind: 'done'; readonly restarted: readonly Restarted[] }
  | { readonly kind: 'interrupted'; readonly restarted: readonly Restarted[]; readonly at: string };

const POLL_MS = 250;
/** What is waited for long is said this often. */
const SAY_MS = 10_000;
const HEARTBEAT_MS_MAX = 1_500;

/** Restarts one node after another. @throws Failure at the first that does not go well, with what to do */
export async function roll(ports: RollingPorts, options: RollingOptions): Promise<RollingEnd> {
  const restarted: Restarted[] = [];
  for (const node of await chosen(ports, options.only)) {
    const began = ports.now();
    const before = await checkWell(ports, node);
    ports.say(node, `handing over ${before.rooms} rooms`);
    const left = await ports.drain(node);
    if (left !== undefined) throw new Failure('failed', stopped(restarted, `${node} could not be drained: ${left}`));
    ports.say(node, 'drained, to be started again');
    await ports.restart(node).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new Failure('failed', stopped(restarted, restartAdvice(node, why)), error);
    });
    const joined = await untilJoined(ports, node, before.incarnation, options.joinMs);
    if (joined === 'interrupted') return { kind: 'interrupted', restarted, at: node };
    if (joined === undefined) {
      throw new Failure('failed', stopped(restarted, joinAdvice(node, options.joinMs)));
    }
    ports.say(node, 'joined under another incarnation');
    const settled = await untilSettled(ports, node, options.settleMs);
    if (settled === 'interrupted') return { kind: 'interrupted', restarted, at: node };
    if (settled !== undefined) throw new Failure('failed', stopped(restarted, settleAdvice(node, settled)));
    const tookMs = ports.now() - began;
    restarted.push({ node, tookMs, before: before.incarnation, after: joined });
    ports.say(node, 'done');
  }
  return { kind: 'done', restarted };
}

async function chosen(ports: RollingPorts, only: readonly string[]): Promise<readonly string[]> {
  const nodes = await ports.nodes();
  const alive = nodes.filter(({ state }) => state === 'active' || state === 'draining').map(({ node }) => node);
  const unknown = only.find((node) => !alive.includes(node));
  if (unknown !== undefined) throw new Failure('absent', `there is no living node ${unknown}.`);
  const wanted = only.length === 0 ? [...alive].sort() : only;
  if (wanted.length === 0) throw new Failure('absent', 'there is no living node.');
  if (alive.length < 2) {
    throw new Failure(
      'failed',
      'there is one node alone, and nobody could take its rooms meanwhile: add a node first.',
    );
  }
  return wanted;
}

/** Every node must be well before one of them goes. */
async function checkWell(ports: RollingPorts, node: string): Promise<NodeState> {
  const nodes = (await ports.nodes()).filter(({ state }) => state === 'active' || state === 'draining');
  const own = nodes.find((one) => one.node === node);
  if (own === undefined) throw new Failure('failed', `${node} is not there any more: bellhop nodes shows what is.`);
  const other = nodes.find((one) => one.node !== node && one.state === 'draining');
  if (other !== undefined) {
    throw new Failure(
      'failed',
      `${other.node} is being drained: wait for its end, or undo it with bellhop undrain ${other.node}.`,
    );
  }
  const unwell = nodes.find(
    ({ linked, heartbeatAgeMs }) => !linked || heartbeatAgeMs === undefined || heartbeatAgeMs > HEARTBEAT_MS_MAX,
  );
  if (unwell !== undefined) {
    throw new Failure(
      'failed',
      `${unwell.node} is not well (late heartbeat, or no link): bellhop nodes and its log say more.`,
    );
  }
  return own;
}

async function untilJoined(
  ports: RollingPorts,
  node: string,
  before: string,
  withinMs: number,
): Promise<string | 'interrupted' | undefined> {
  const until = ports.now() + withinMs;
  for (;;) {
    // A router that is asked while it is restarted itself answers later.
    const nodes = await ports.nodes().catch(ifUnanswered);
    const now = nodes.find((one) => one.node === node && one.incarnation !== before);
    if (now?.state === 'active' && now.linked && now.heartbeatAgeMs !== undefined) return now.incarnation;
    if (ports.now() >= until) return undefined;
    if (!(await ports.pause(POLL_MS))) return 'interrupted';
  }
}

/** @returns undefined once it has; else what is still to be done when the time was over */
async function untilSettled(ports: RollingPorts, node: string, withinMs: number): Promise<string | undefined> {
  const until = ports.now() + withinMs;
  let saidAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    const settling = await ports.settling().catch((error: unknown) => {
      if (!(error instanceof Failure)) throw error;
      return { isSettled: false, says: error.message };
    });
    if (settling === undefined || settling.isSettled) return undefined;
    ports.waits(node, `rebalancing: ${settling.says}`);
    if (ports.now() - saidAt >= SAY_MS) {
      ports.say(node, `rebalancing: ${settling.says}`);
      saidAt = ports.now();
    }
    if (ports.now() >= until) return settling.says;
    if (!(await ports.pause(POLL_MS))) return 'interrupted';
  }
}

function ifUnanswered(error: unknown): readonly NodeState[] {
  if (error instanceof Failure) return [];
  throw error;
}

function stopped(restarted: readonly Restarted[], why: string): string {
  const names = restarted.map(({ node }) => node).join(', ');
  return `stopped after ${restarted.length === 0 ? 'no node' : names}. ${why}`;
}

function restartAdvice(node: string, why: string): string {
  return `${node} is drained and was not started again: ${why}. Start it by hand, or put it back with bellhop undrain ${node}; then run this again.`;
}

function joinAdvice(node: string, withinMs: number): string {
  return `${node} has not joined within ${withinMs / 1_000} s: look at its log and start it, then run this again with --only for those that are left.`;
}

function settleAdvice(node: string, says: string): string {
  return `${node} is back, but rebalancing is not over: ${says}. bellhop moves shows it; wait for it, then run this again with --only for those that are left.`;
}
