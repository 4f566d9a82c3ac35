/** A node's share in planted bugs. Owns: what stands between the production core and its ports where a rule is undone. Does not know:
 *  how a bug is found. Without a bug everything passes through as it is. */
import type { CallDirectory } from '../../node/ports.ts';
import type { Instant } from '../../shared/clock.ts';
import type { AppendOutcome, Args, Reply } from '../../shared/directory/directory.ts';
import type { LinkMessage } from '../../shared/link/messages.ts';
import type { RandomSource } from '../../shared/random.ts';
import { payloadOf } from '../../shared/websocket-frame.ts';
import type { Bug } from './bugs.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

/** How late a replay comes under the bug, milliseconds. */
const REPLAY_LATE_MS = 15;

export class NodeBugs {
  readonly #world: World;
  readonly #node: SimNode;
  readonly #call: CallDirectory;
  #gateAsOfTick = false;
  #honestGate: (now: Instant) => boolean = () => false;

  constructor(world: World, node: SimNode, call: CallDirectory) {
    this.#world = world;
    this.#node = node;
    this.#call = call;
  }

  get #bug(): Bug | undefined {
    return this.#world.options.bug;
  }

  /** The core is there. */
  born(): void {
    const { core } = this.#node;
    if (this.#bug === 'gate-by-timer') {
      this.#honestGate = core.lease.gateOpen.bind(core.lease);
      core.lease.gateOpen = () => this.#gateAsOfTick;
    }
    if (this.#bug === 'drain-accepts-claims') Object.defineProperty(core, 'draining', { get: () => false });
  }

  tick(now: Instant): void {
    this.#gateAsOfTick = this.#honestGate(now);
  }

  random(honest: RandomSource): RandomSource {
    if (this.#bug !== 'no-nonce') return honest;
    return { unit: () => honest.unit(), hex: (bytes) => (bytes === 8 ? '0'.repeat(16) : honest.hex(bytes)) };
  }

  readonly call: CallDirectory = (operation, args, done) => {
    if (this.#bug !== 'ack-before-append' || operation !== 'append') return this.#call(operation, args, done);
    this.#call(operation, args, () => undefined);
    const reply = presumed(args as Args<'append'>, this.#world.redis.wallMs);
    this.#node.process.timer(0, () => done(reply as Parameters<typeof done>[0]));
  };

  send(message: LinkMessage, send: () => boolean): boolean {
    const isReplay =
      this.#bug === 'replay-after-live' &&
      message.type === 'direct' &&
      payloadOf(message.frame).toString('utf8').startsWith('{"type":"message"');
    if (!isReplay) return send();
    this.#node.process.timer(REPLAY_LATE_MS, send);
    return true;
  }
}

/** What an append is hoped to be answered. */
function presumed({ head, items }: Args<'append'>, at: number): Reply<'append'> {
  let seq = head;
  const outcomes = items.map(
    ({ message }): AppendOutcome => ({ kind: 'logged', seq: message === undefined ? seq : ++seq }),
  );
  return { kind: 'appended', head: seq, at, outcomes, evicted: 0 };
}
