/** What is fuzzed, as the engine sees it. Owns: that seam, and how a broken promise is told. */
import type { SeededRandom } from '../../shared/random.ts';
import type { FuzzInput } from './input.ts';

/** How the bytes of a target fall into frames, so that mutations can keep most of one valid. */
export interface Grammar {
  /** Cuts a stream into frames; what is no whole frame is the last piece. */
  split(stream: Buffer): Buffer[];
  /** The frame's payload as it is meant, unmasked; undefined for what is no frame. */
  payload(frame: Buffer): Buffer | undefined;
  /** The same frame around another payload, its length right. */
  withPayload(frame: Buffer, payload: Buffer): Buffer;
  /** A lie in the header: about length, type, id or flags. */
  lie(frame: Buffer, random: SeededRandom): Buffer;
  /** A frame whose payload has a length at a bound of its type. */
  resize(frame: Buffer, random: SeededRandom): Buffer;
}

export interface Target {
  readonly name: string;
  readonly grammar: Grammar;
  /** Inputs in a row before another target gets its turn: costs differ by three orders of magnitude. */
  readonly turn: number;
  /** Bits of `variant` that mean something. */
  readonly variants: number;
  /** Bytes of one input at most: larger ones cost time and show nothing. */
  readonly bytesMax: number;
  /** Text, names and numbers that are alive in this target: mutations aim at them. */
  readonly words: readonly string[];
  seeds(): FuzzInput[];
  /** Runs one input.
   *  @throws Broken, or whatever else was thrown where nothing may be */
  run(input: FuzzInput): Promise<void>;
  /** Forgets what inputs have left behind. */
  reset(): Promise<void>;
  /** Called between inputs, also after the last: checks what only shows over time. */
  settle(): Promise<void>;
}

/** A promise that an input has broken. */
export class Broken extends Error {
  constructor(rule: string, what: string, cause?: unknown) {
    super(`${rule}: ${what}`, cause === undefined ? undefined : { cause });
    this.name = 'Broken';
  }
}

export function insist(holds: boolean, rule: string, what: string): void {
  if (!holds) throw new Broken(rule, what);
}
