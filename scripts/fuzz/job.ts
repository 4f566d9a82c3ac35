/** What the watching thread and the fuzzing thread tell each other. Owns: those shapes, and the clock of computing. */
import process from 'node:process';
import type { FileCoverage } from './coverage.ts';

export interface Job {
  readonly seed: number;
  readonly seconds: number;
  /** The seconds are those that this process computed, however long that takes. */
  readonly isComputing: boolean;
  readonly targets: readonly string[];
  readonly coverage: boolean;
  readonly guided: boolean;
  /** Inputs to run once each, as `writeInput` wrote them, instead of fuzzing. */
  readonly replay: string | undefined;
  readonly thin: boolean;
  /** What is being run now, for when it never ends: length, then UTF-8. */
  readonly current: SharedArrayBuffer;
}

export interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly found: number;
  readonly coverage: readonly (FileCoverage & { readonly isGoal: boolean })[];
  readonly failure: { readonly input: string; readonly text: string; readonly isReproduced: boolean } | undefined;
  /** Lines of a corpus. */
  readonly thinned: readonly string[];
}

export const CURRENT_BYTES = 8_388_608;

/** Puts down what is run next. The first word counts the inputs, the second is the length of the text behind. */
export function noteCurrent(current: SharedArrayBuffer, text: string): void {
  const head = new Int32Array(current, 0, 2);
  const written = new TextEncoder().encode(text.slice(0, (CURRENT_BYTES - 8) / 3));
  new Uint8Array(current, 8).set(written);
  head[1] = written.length;
  Atomics.add(head, 0, 1);
}

export function readCurrent(current: SharedArrayBuffer): { readonly count: number; readonly text: string } {
  const head = new Int32Array(current, 0, 2);
  const count = Atomics.load(head, 0);
  const text = new TextDecoder().decode(new Uint8Array(current, 8, head[1] ?? 0).slice());
  return { count, text };
}

/** What this process has computed, all threads together, milliseconds. */
export function computedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
