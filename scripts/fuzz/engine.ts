/** The fuzzer's loop. Owns: whose turn it is, which inputs are kept as parents, and what becomes of one that fails. Does not know: threads,
 *  the command line, what a target is.
 *  Invariant: under one seed each target is given the same inputs, as long as it behaves the same. */
import { SeededRandom } from '../../shared/random.ts';
import { type FuzzInput, inputBytes } from './input.ts';
import { isSimpler, mutate, smaller } from './mutate.ts';
import type { Target } from './target.ts';

export interface Failure {
  /** As small as it was found to fail. */
  readonly input: FuzzInput;
  readonly error: Error;
  /** False where it failed only behind the inputs before it, and those are not part of `input`. */
  readonly isReproduced: boolean;
}

export interface EngineOptions {
  readonly seed: number;
  readonly isOver: () => boolean;
  /** Called before each input: who watches knows what is being run. */
  readonly before: (input: FuzzInput) => void;
  /** Branches that ran for the first time since this was last asked; undefined: inputs are not guided. */
  readonly takeCoverage: (() => number) | undefined;
}

interface Lane {
  readonly target: Target;
  readonly random: SeededRandom;
  readonly seeds: readonly FuzzInput[];
  /** Inputs that reached something new. */
  readonly found: FuzzInput[];
  /** What this life of the target has taken. */
  history: FuzzInput[];
  inputs: number;
}

/** Inputs between two resets of a target. */
const LIFE = 256;
/** Inputs between two looks at what only shows over time. */
const SETTLE_EVERY = 48;
/** Inputs between two looks at the coverage. */
const BATCH = 20;
const FOUND_MAX = 2_000;
const FOUND_BYTES_MAX = 20_000;
const MINIMISE_TRIES = 1_500;

export class Engine {
  readonly #options: EngineOptions;
  readonly #lanes: Lane[];
  #thrown: Error | undefined;
  #onThrown: () => void = () => {};

  constructor(targets: readonly Target[], corpus: readonly FuzzInput[], options: EngineOptions) {
    this.#options = options;
    this.#lanes = targets.map((target, at) => {
      const committed = corpus.filter((input) => input.target === target.name);
      const random = new SeededRandom(options.seed * 1_000 + at);
      return { target, random, seeds: [...target.seeds(), ...committed], found: [], history: [], inputs: 0 };
    });
  }

  /** Inputs run so far, by target. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#lanes.map(({ target, inputs }) => [target.name, inputs]));
  }

  /** Inputs that reached something new, by target. */
  found(): FuzzInput[] {
    return this.#lanes.flatMap(({ found }) => found);
  }

  /** What was thrown or rejected where nobody caught it. */
  uncaught(error: unknown): void {
    this.#thrown ??= error instanceof Error ? error : new Error(String(error));
    this.#onThrown();
  }

  /** Runs the seeds and the corpus, then mutations until it is over. @returns the first failure */
  async run(): Promise<Failure | undefined> {
    for (const lane of this.#lanes) {
      for (const input of lane.seeds) {
        const failure = await this.#one(lane, input);
        if (failure !== undefined) return failure;
      }
      this.#options.takeCoverage?.();
    }
    while (!this.#options.isOver()) {
      for (const lane of this.#lanes) {
        const failure = await this.#turn(lane);
        if (failure !== undefined) return failure;
        if (this.#options.isOver()) break;
      }
    }
    for (const lane of this.#lanes) {
      const failure = await this.#reset(lane);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  /** Runs the same input again in a fresh target. @returns what it threw */
  async replay(input: FuzzInput): Promise<Error | undefined> {
    const lane = this.#lanes.find(({ target }) => target.name === input.target);
    if (lane === undefined) return new Error(`there is no target ${input.target}`);
    await lane.target.reset();
    const error = await this.#try(lane.target, input);
    await this.#quietly(lane.target);
    return error;
  }

  /** Fewer inputs that reach the same branches as those found. */
  async thin(inputs: readonly FuzzInput[]): Promise<FuzzInput[]> {
    const { takeCoverage } = this.#options;
    const kept: FuzzInput[] = [];
    for (const input of inputs) {
      const lane = this.#lanes.find(({ target }) => target.name === input.target);
      if (lane === undefined || takeCoverage === undefined) continue;
      if ((await this.#try(lane.target, input)) === undefined && takeCoverage() > 0) kept.push(input);
    }
    return kept;
  }

  async #turn(lane: Lane): Promise<Failure | undefined> {
    for (let left = lane.target.turn; left > 0; left -= BATCH) {
      const failure = await this.#batch(lane, Math.min(left, BATCH));
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  /** Counts are taken behind a few inputs, since taking them costs more than an input does. Where a branch ran for the first time,
   *  all of the batch become parents: which of them it was is not worth finding out. */
  async #batch(lane: Lane, inputs: number): Promise<Failure | undefined> {
    const { target, random, seeds, found } = lane;
    const batch: FuzzInput[] = [];
    for (let place = 0; place < inputs; place++) {
      const parents = found.length > 0 && random.below(2) === 0 ? found : seeds;
      const input = mutate(target, random.pick(parents), seeds, random);
      batch.push(input);
      const failure = await this.#one(lane, input);
      if (failure !== undefined) return failure;
    }
    const { takeCoverage } = this.#options;
    if (takeCoverage === undefined || takeCoverage() === 0) return undefined;
    const small = batch.filter((input) => inputBytes(input) <= FOUND_BYTES_MAX);
    found.push(...small.slice(0, Math.max(0, FOUND_MAX - found.length)));
    return undefined;
  }

  async #one(lane: Lane, input: FuzzInput): Promise<Failure | undefined> {
    lane.inputs += 1;
    lane.history.push(input);
    const error = (await this.#try(lane.target, input)) ?? (await this.#pause(lane));
    return error === undefined ? undefined : this.#failed(lane, input, error);
  }

  /** The target's own looks, and its renewal. */
  async #pause(lane: Lane): Promise<Error | undefined> {
    const { target, history } = lane;
    if (history.length % SETTLE_EVERY === 0) {
      const error = await this.#guard(() => target.settle());
      if (error !== undefined) return error;
    }
    if (history.length < LIFE) return undefined;
    lane.history = [];
    return this.#guard(() => target.reset());
  }

  async #reset(lane: Lane): Promise<Failure | undefined> {
    const { target, history } = lane;
    const error = (await this.#guard(() => target.settle())) ?? (await this.#guard(() => target.reset()));
    const last = history.at(-1);
    return error === undefined || last === undefined ? undefined : this.#failed(lane, last, error);
  }

  async #try(target: Target, input: FuzzInput): Promise<Error | undefined> {
    this.#options.before(input);
    return this.#guard(() => target.run(input));
  }

  async #guard(run: () => Promise<void>): Promise<Error | undefined> {
    this.#thrown = undefined;
    // What is thrown in a callback of a socket ends no promise of the target's: whichever is heard of first counts.
    const thrown = new Promise<void>((resolve) => {
      this.#onThrown = resolve;
    });
    try {
      await Promise.race([run(), thrown]);
      return this.#thrown;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** Looks for the smallest case: of this input alone, or of what came before it with it. */
  async #failed(lane: Lane, input: FuzzInput, error: Error): Promise<Failure> {
    const { target, history } = lane;
    lane.history = [];
    const chain = { target: target.name, variant: input.variant, links: history.flatMap(({ links }) => links) };
    const candidates = [input, { ...chain, links: chain.links.slice(-12) }, chain];
    for (const candidate of candidates) {
      const again = await this.#fresh(target, candidate);
      if (again !== undefined)
        return { input: await this.#minimise(target, candidate, again), error: again, isReproduced: true };
    }
    return { input, error, isReproduced: false };
  }

  async #fresh(target: Target, input: FuzzInput): Promise<Error | undefined> {
    await this.#quietly(target);
    const error = (await this.#try(target, input)) ?? (await this.#guard(() => target.settle()));
    return error;
  }

  async #quietly(target: Target): Promise<void> {
    await this.#guard(() => target.reset());
  }

  async #minimise(target: Target, input: FuzzInput, error: Error): Promise<FuzzInput> {
    let best = input;
    let tries = 0;
    for (let isBetter = true; isBetter; ) {
      isBetter = false;
      for (const candidate of smaller(target.grammar, best)) {
        if (++tries > MINIMISE_TRIES) return best;
        if (!isSimpler(candidate, best)) continue;
        const again = await this.#fresh(target, candidate);
        if (again === undefined || kindOf(again) !== kindOf(error)) continue;
        best = candidate;
        isBetter = true;
        break;
      }
    }
    return best;
  }
}

/** What makes two failures the same: the kind of error, the rule, and where it was thrown. */
function kindOf(error: Error): string {
  const where = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at ')) ?? '';
  return `${error.name} ${error.message.replace(/[0-9]+/g, '#').slice(0, 60)} ${where.trim()}`;
}
