/** One link between two processes, as connection.ts behaves: two sides, each with a queue of its own, a gate at hand-over, a
 *  heartbeat and an end. Owns: what is queued, in the kernel's hands, on the wire. Does not know: what is said.
 *  Invariants: each direction is FIFO; a gated message is shown to the gate in the very step that hands it over; `down` is called
 *  once a side, and nothing after it. */
import type { Instant } from '../../shared/clock.ts';
import { Liveness } from '../../shared/link/liveness.ts';
import { isGated, type LinkMessage, type Pong } from '../../shared/link/messages.ts';
import type { SeededRandom } from '../../shared/random.ts';
import type { EventQueue } from './event-queue.ts';
import { type Network, Way } from './network.ts';
import { wireMs } from './sim-directory.ts';
import type { SimProcess } from './sim-process.ts';
import type { Trace } from './trace.ts';

const HEARTBEAT_MS = 1_000;
const SILENT_MS = 5_000;
const QUEUE_MAX = 5_000;

export interface LinkWorld {
  readonly queue: EventQueue;
  readonly random: SeededRandom;
  readonly network: Network;
  readonly trace: Trace;
}

/** In whose name something is said. */
export interface Speaks {
  readonly room: string;
  readonly tag: string;
}

/** A message with what the oracle has to know of it: for which rooms it speaks, and under which tags it was made. */
export interface Tagged {
  readonly message: LinkMessage;
  readonly speaks: readonly Speaks[];
}

export type RedisAnswer = Pong['redis'];

export interface SideEvents {
  up(side: LinkSide): void;
  message(side: LinkSide, tagged: Tagged): void;
  /** The last call. `wasUp`: anything may have been said on it. */
  down(side: LinkSide, wasUp: boolean): void;
  /** Whether gated output may leave now. Absent: always. */
  gate?(): boolean;
  dropped?(side: LinkSide, message: LinkMessage): void;
  /** A gated message is being handed to the kernel. */
  handedOver?(side: LinkSide, tagged: Tagged): void;
  /** The other side asks: did this process' last question to Redis get an answer? */
  pulse?(): RedisAnswer;
  /** The other side's answer to a question that was sent at `askedAt`. */
  pong?(side: LinkSide, askedAt: Instant, redis: RedisAnswer): void;
  /** Everything queued was handed over, or there is room again. */
  idle?(side: LinkSide): void;
}

export class LinkSide {
  readonly process: SimProcess;
  readonly events: SideEvents;
  readonly source: string;
  readonly #world: LinkWorld;
  readonly #way = new Way();
  readonly #liveness: Liveness;
  #other: LinkSide | undefined;
  #state: 'opening' | 'up' | 'down' = 'opening';
  #queue: Tagged[] = [];
  #waits: (() => void)[] = [];
  #flushDue = false;
  /** The kernel takes nothing for now: the other side does not read, or the path is slow. */
  #stalled = false;
  #refuses = false;

  constructor(process: SimProcess, events: SideEvents, world: LinkWorld) {
    this.process = process;
    this.events = events;
    this.#world = world;
    this.source = world.network.newSocket();
    this.#liveness = new Liveness(HEARTBEAT_MS, SILENT_MS, process.now());
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  get isDown(): boolean {
    return this.#state === 'down';
  }

  /** The process at the other end. */
  get peerName(): string | undefined {
    return this.#other?.process.name;
  }

  join(other: LinkSide): void {
    this.#other = other;
  }

  rise(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'up';
    this.#liveness.heard(this.process.now());
    this.#beat();
    this.events.up(this);
  }

  send(tagged: Tagged): boolean {
    if (this.#state !== 'up' || this.#refuses || this.#queue.length >= QUEUE_MAX) return false;
    this.#queue.push(tagged);
    this.#schedule();
    return true;
  }

  /** Takes back what is queued. */
  dropQueued(predicate: (message: LinkMessage) => boolean): LinkMessage[] {
    const dropped = this.#queue.filter(({ message }) => predicate(message));
    this.#queue = this.#queue.filter(({ message }) => !predicate(message));
    return dropped.map(({ message }) => message);
  }

  /** Calls back when what is queued now was handed over, or the link is down. */
  afterHandedOver(done: () => void): void {
    if (this.#state === 'down' || this.#queue.length === 0) this.process.timer(0, done);
    else this.#waits.push(done);
  }

  stall(): void {
    this.#stalled = true;
  }

  /** From now on the queue counts as full, until `unstall`. */
  refuse(): void {
    this.#refuses = true;
  }

  unstall(): void {
    this.#stalled = false;
    const wasFull = this.#refuses;
    this.#refuses = false;
    if (this.#state === 'down') return;
    if (wasFull) this.process.timer(0, () => this.events.idle?.(this));
    this.#schedule();
  }

  #schedule(): void {
    if (this.#flushDue) return;
    this.#flushDue = true;
    // The end of this turn of the loop; now and then the turn is a long one.
    const { random } = this.#world;
    this.process.timer(random.unit() < 0.97 ? 0 : random.unit() * 20, () => {
      this.#flushDue = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#state !== 'up' || this.#stalled) return;
    const queued = this.#queue;
    this.#queue = [];
    const dropped: LinkMessage[] = [];
    for (const tagged of queued) {
      if (isGated(tagged.message)) {
        if (this.events.gate?.() === false) {
          dropped.push(tagged.message);
          continue;
        }
        this.events.handedOver?.(this, tagged);
      }
      this.#transmit(() => this.#other?.take(tagged));
    }
    const waits = this.#waits;
    this.#waits = [];
    for (const message of dropped) this.events.dropped?.(this, message);
    for (const done of waits) done();
  }

  /** Puts something on the wire, behind what is there already. */
  #transmit(arrive: () => void): void {
    const other = this.#other;
    if (other === undefined) return;
    const { queue, random, network } = this.#world;
    const [from, to] = [this.process.name, other.process.name];
    queue.after(this.#way.delay(queue.nowMs, wireMs(random)), () =>
      network.pass(from, to, () => other.process.receive(other.source, arrive)),
    );
  }

  take(tagged: Tagged): void {
    this.#world.trace.detail(this.process.name, () => `${this.peerName} ${this.#state}: ${describe(tagged)}`);
    if (this.#state !== 'up') return;
    this.#liveness.heard(this.process.now());
    this.events.message(this, tagged);
  }

  #beat(): void {
    if (this.#state !== 'up') return;
    if (this.#liveness.check(this.process.now()) <= 0) return this.fail();
    this.ping();
    this.process.timer(HEARTBEAT_MS * (0.9 + 0.2 * this.#world.random.unit()), () => this.#beat());
  }

  /** Asks over the heads of whatever is queued, as connection.ts does. */
  ping(): void {
    if (this.#state !== 'up') return;
    const askedAt = this.process.now();
    this.#transmit(() => this.#other?.asked(askedAt));
  }

  asked(askedAt: Instant): void {
    if (!this.#heard()) return;
    const redis = this.events.pulse?.() ?? 'unknown';
    this.#transmit(() => this.#other?.answered(askedAt, redis));
  }

  answered(askedAt: Instant, redis: RedisAnswer): void {
    if (this.#heard()) this.events.pong?.(this, askedAt, redis);
  }

  #heard(): boolean {
    if (this.#state !== 'up') return false;
    this.#liveness.heard(this.process.now());
    return true;
  }

  /** Proves this side to the other, which is up from then on. */
  prove(): void {
    this.#transmit(() => this.#other?.rise());
  }

  /** The link ends here; the other side learns of it if bytes still reach it. */
  fail(): void {
    if (this.#state === 'down') return;
    this.#transmit(() => this.#other?.ended());
    this.ended();
  }

  /** The process died: its kernel says goodbye, what was handed over still arrives. */
  killed(): void {
    if (this.#state !== 'down') this.#transmit(() => this.#other?.ended());
    this.#state = 'down';
  }

  /** The host is gone: nothing says goodbye. */
  vanish(): void {
    this.#state = 'down';
  }

  ended(): void {
    if (this.#state === 'down') return;
    const wasUp = this.#state === 'up';
    this.#state = 'down';
    this.#queue = [];
    const waits = this.#waits;
    this.#waits = [];
    for (const done of waits) done();
    this.events.down(this, wasUp);
  }
}

/** Dials: `dialer` rises when the target has answered, `acceptor` when it hears the proof. `failed` is called, once, when there is
 *  no link: refused, silent, or another incarnation. */
export function dial(
  world: LinkWorld,
  from: SimProcess,
  events: SideEvents,
  to: { readonly process: SimProcess; accept(dialer: SimProcess): SideEvents | undefined },
  failed: (why: 'refused' | 'silent' | 'identity') => void,
): LinkSide {
  const { queue, random, network } = world;
  const side = new LinkSide(from, events, world);
  let isOver = false;
  const fail = (why: 'refused' | 'silent' | 'identity') => {
    if (isOver || side.isUp || side.isDown) return;
    isOver = true;
    side.ended();
    failed(why);
  };
  const target = to.process;
  from.timer(SILENT_MS, () => fail('silent'));
  const back = (run: () => void) =>
    queue.after(wireMs(random), () => network.pass(target.name, from.name, () => from.receive(side.source, run)));
  queue.after(wireMs(random), () =>
    network.pass(from.name, target.name, () => {
      if (target.isDead || network.isRejected(from.name, target.name)) return back(() => fail('refused'));
      target.receive(side.source, () => {
        const accepted = to.accept(from);
        if (accepted === undefined) return back(() => fail('identity'));
        const acceptor = new LinkSide(target, accepted, world);
        acceptor.join(side);
        side.join(acceptor);
        target.timer(SILENT_MS, () => {
          if (!acceptor.isUp) acceptor.ended();
        });
        back(() => {
          if (isOver || side.isDown) return;
          isOver = true;
          side.prove();
          side.rise();
        });
      });
    }),
  );
  return side;
}

function describe({ message, speaks }: Tagged): string {
  const text = JSON.stringify(message, (key, value: unknown) => {
    if (key === 'payload' || key === 'frame' || key === 'chunk') {
      const { data } = value as { readonly data: readonly number[] };
      return Buffer.from(data).toString('latin1').slice(0, 160);
    }
    return value;
  });
  return `${text} ${speaks.map((one) => one.tag).join(' ')}`;
}
