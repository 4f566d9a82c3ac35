/** Keeps one link from a router to one node incarnation, as dialer.ts does. Owns: when to dial again. Does not know: what the link
 *  is for. Invariant: one link or one pause at any time; after `stop` neither. */
import type { Holder } from '../../router/route.ts';
import { dial, type LinkSide, type RedisAnswer, type SideEvents, type Tagged } from './sim-link.ts';
import type { SimNode } from './sim-node.ts';
import type { SimProcess } from './sim-process.ts';
import type { World } from './world.ts';

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 500;

export interface DialerEvents {
  accept(node: SimNode): SideEvents | undefined;
  up(): void;
  message(tagged: Tagged): void;
  pulse(): RedisAnswer;
  down(): void;
  idle(): void;
  refused(): void;
}

export class SimDialer {
  readonly at: Holder;
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #events: DialerEvents;
  #side: LinkSide | undefined;
  #failures = 0;
  #isStopped = false;

  constructor(world: World, process: SimProcess, at: Holder, events: DialerEvents) {
    this.#world = world;
    this.#process = process;
    this.at = at;
    this.#events = events;
    this.#dial();
  }

  /** The link while it is up. */
  get side(): LinkSide | undefined {
    return this.#side?.isUp === true ? this.#side : undefined;
  }

  stop(): void {
    this.#isStopped = true;
    this.#side?.flush();
    this.#side?.fail();
  }

  kill(how: 'process' | 'host'): void {
    this.#isStopped = true;
    if (how === 'process') this.#side?.killed();
    else this.#side?.vanish();
  }

  #dial(): void {
    if (this.#isStopped) return;
    const target = this.#world.node(this.at.node);
    if (target === undefined) return this.#again();
    const events: SideEvents = {
      up: () => {
        this.#failures = 0;
        this.#events.up();
      },
      message: (_side, tagged) => this.#events.message(tagged),
      down: (side, wasUp) => {
        if (this.#side === side) this.#side = undefined;
        if (!wasUp) return;
        this.#events.down();
        this.#again();
      },
      pulse: () => this.#events.pulse(),
      idle: () => this.#events.idle(),
    };
    const accept = () => (target.incarnation === this.at.incarnation ? this.#events.accept(target) : undefined);
    this.#side = dial(this.#world, this.#process, events, { process: target.process, accept }, (why) => {
      if (why === 'refused') this.#events.refused();
      this.#again();
    });
  }

  #again(): void {
    if (this.#isStopped) return;
    const longestMs = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures++;
    this.#process.timer(longestMs * (0.5 + 0.5 * this.#world.random.unit()), () => this.#dial());
  }
}
