/** Keeps one node alive. Owns: the incarnation of each of its lives, and the certificate of each that ended: whoever has reaped a
 *  process can prove its death, so that others take its rooms over at once.
 *  Invariant: no two lives bear one incarnation.
 *  @see DESIGN §4 Certificate */
import { newIncarnation } from '../shared/ids.ts';
import { type RandomSource, systemRandom } from '../shared/random.ts';
import type { DeadNode } from './certify.ts';
import { Supervisor, type SupervisorEvent } from './supervisor.ts';
import type { Worker } from './worker.ts';

export interface NodeSupervisorOptions {
  readonly node: string;
  /** The first life's; a fresh one without. */
  readonly incarnation?: string | undefined;
  /** Starts one life under `incarnation`; `isFirst` for the first of this supervisor. */
  readonly launch: (incarnation: string, isFirst: boolean) => Worker;
  readonly restart: boolean;
  readonly restartDelayMs: number;
  /** Certifies a life that ended; retries by itself and does not throw. Absent: others will notice. */
  readonly certify?: ((dead: DeadNode) => Promise<unknown>) | undefined;
  readonly on: (event: SupervisorEvent) => void;
  readonly random?: RandomSource | undefined;
}

export class NodeSupervisor {
  readonly #options: NodeSupervisorOptions;
  readonly #supervisor: Supervisor;
  #incarnation: string | undefined;
  /** Of the lives that ended; settles when all of them are certified or given up. */
  #certified: Promise<unknown> = Promise.resolve();

  constructor(options: NodeSupervisorOptions) {
    const random = options.random ?? systemRandom;
    this.#options = options;
    this.#supervisor = new Supervisor({
      ...options,
      launch: () => {
        const isFirst = this.#incarnation === undefined;
        const incarnation = (isFirst ? options.incarnation : undefined) ?? newIncarnation(random);
        this.#incarnation = incarnation;
        return options.launch(incarnation, isFirst);
      },
      on: (event) => {
        if (event.kind === 'ended') this.#certify();
        options.on(event);
      },
    });
  }

  /** Whether a life is going on now, not only to come. */
  get isAlive(): boolean {
    return this.#supervisor.isAlive;
  }

  start(): void {
    this.#supervisor.start();
  }

  /** See Supervisor. */
  renew(withinMs: number): Promise<boolean> {
    return this.#supervisor.renew(withinMs);
  }

  drain(): void {
    this.#supervisor.drain();
  }

  /** See Supervisor. */
  reload(): void {
    this.#supervisor.reload();
  }

  get node(): string {
    return this.#options.node;
  }

  /** Kills the present life, as a crash would. */
  kill(): void {
    this.#supervisor.kill();
  }

  stop(how: 'drain' | 'at once', withinMs?: number): Promise<void> {
    return this.#supervisor.stop(how, withinMs);
  }

  /** Resolves when every life that ended is certified or given up. */
  async settled(): Promise<void> {
    await this.#certified;
  }

  #certify(): void {
    const { certify, node } = this.#options;
    const incarnation = this.#incarnation;
    if (certify === undefined || incarnation === undefined) return;
    this.#certified = Promise.all([this.#certified, certify({ node, incarnation })]);
  }
}
