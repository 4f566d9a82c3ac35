/** Runs one room's program: every call guarded, its timers kept. Owns: the program's instance and timers. Does not know: sessions'
 *  places or links. Invariant: after `close`, which also follows a failure, the program is not called again. */

import type { Json, Member, Program, Publish, RoomContext } from './program.ts';
import { ScopedProgram } from './program-scope.ts';
import { MessageTooLarge } from './room-state.ts';

const TIMERS_MAX = 100;
const STATE_BYTES_MAX = 1_048_576;

export class ProgramHost {
  readonly #program: Program;
  readonly #context: RoomContext;
  readonly #onFailure: (error: unknown) => void;
  readonly #timers = new Map<string, number>();
  /** No timer is earlier; it may be that of one that is no more. */
  #dueMs = Number.POSITIVE_INFINITY;
  #ended = false;

  constructor(program: Program, context: RoomContext, onFailure: (error: unknown) => void) {
    this.#program = program;
    this.#context = context;
    this.#onFailure = onFailure;
    if (program instanceof ScopedProgram) program.onFault((error) => this.#faulted(error));
  }

  open(): void {
    this.#guard(() => this.#program.open?.(this.#context));
  }

  join(member: Member): void {
    if (this.#program.join !== undefined) this.#guard(() => this.#program.join?.(member, this.#context));
  }

  leave(member: Member): void {
    if (this.#program.leave !== undefined) this.#guard(() => this.#program.leave?.(member, this.#context));
  }

  /** @returns false when what the program said to it is larger than a link carries: that is its sender's doing, and closes nothing */
  message(publish: Publish): boolean {
    // Not by #guard: this runs for every publish, and a closure would be made for each.
    if (this.#ended) return true;
    try {
      this.#program.message?.(publish, this.#context);
    } catch (error) {
      if (error instanceof MessageTooLarge) return false;
      this.#fail(error);
    }
    return true;
  }

  close(): void {
    if (this.#ended) return;
    this.#end((error) => this.#onFailure(error));
  }

  /** The program's state to carry on; undefined when it has none.
   *  @throws RangeError when it is too large to carry */
  state(): Json | undefined {
    let state: Json | undefined;
    this.#guard(() => {
      state = this.#program.state?.();
      if (state !== undefined && JSON.stringify(state).length > STATE_BYTES_MAX) {
        throw new RangeError(`a program's state may be at most ${STATE_BYTES_MAX} characters of JSON`);
      }
    });
    return state;
  }

  setTimer(name: string, atMs: number): void {
    if (!this.#timers.has(name) && this.#timers.size >= TIMERS_MAX)
      throw new RangeError(`a room may set at most ${TIMERS_MAX} timers`);
    this.#timers.set(name, atMs);
    this.#dueMs = Math.min(this.#dueMs, atMs);
  }

  clearTimer(name: string): void {
    this.#timers.delete(name);
  }

  /** When `tick` is to be called again, monotonic ms. */
  get dueMs(): number {
    return this.#dueMs;
  }

  tick(nowMs: number): void {
    if (nowMs < this.#dueMs) return;
    this.#dueMs = Number.POSITIVE_INFINITY;
    for (const [name, atMs] of [...this.#timers]) {
      if (nowMs < atMs || this.#timers.get(name) !== atMs) continue;
      this.#timers.delete(name);
      this.#guard(() => this.#program.timer?.(name, this.#context));
    }
    for (const atMs of this.#timers.values()) this.#dueMs = Math.min(this.#dueMs, atMs);
  }

  /** The last call: what the program holds outside of the room is let go also when it failed. */
  #end(onError: (error: unknown) => void): void {
    this.#ended = true;
    this.#timers.clear();
    try {
      this.#program.close?.(this.#context);
    } catch (error) {
      onError(error);
    }
  }

  #guard(call: () => void): void {
    if (this.#ended) return;
    try {
      call();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Something threw that the program had started. */
  #faulted(error: unknown): void {
    if (!this.#ended) this.#fail(error);
  }

  /** A failure is told once, with its first error. */
  #fail(error: unknown): void {
    this.#end(() => {});
    this.#onFailure(error);
  }
}
