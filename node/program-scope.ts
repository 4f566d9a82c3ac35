/** Which room's program a fault came from that nobody caught. Owns: the asynchronous scope in which the program of a room runs: what it
 *  starts (timers, promises, sockets) belongs to it too. Does not know: rooms, what is done about a fault.
 *  Invariant: whatever a room does at its program's word is outside of the scope, so a fault of the node's own is never a program's.
 *  @see docs/decisions.md, faults of programs */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Json, Member, Program, ProgramFactory, Publish, RoomContext } from './program.ts';

interface Scope {
  readonly room: string;
  /** What is to be done about a fault; undefined until its room has the program. */
  faulted: ((error: unknown) => void) | undefined;
  /** Whether a fault was told before: a timer that goes on throws again and again. */
  isTold: boolean;
}

const scopes = new AsyncLocalStorage<Scope | undefined>();

/** To be asked in a handler of faults that nobody caught. The room of the program that the fault belongs to is told.
 *  @returns that room, and whether it is the program's first fault; undefined where the fault is no program's */
export function faultOfProgram(error: unknown): { readonly room: string; readonly isFirst: boolean } | undefined {
  const scope = scopes.getStore();
  if (scope === undefined) return undefined;
  const isFirst = !scope.isTold;
  scope.isTold = true;
  if (isFirst) scopes.run(undefined, () => scope.faulted?.(error));
  return { room: scope.room, isFirst };
}

/** A program in a scope of its own. */
export class ScopedProgram implements Program {
  readonly #scope: Scope;
  readonly #program: Program;
  #room: RoomContext | undefined;
  #outside: RoomContext | undefined;

  constructor(make: ProgramFactory, room: string, state: Json | undefined) {
    this.#scope = { room, faulted: undefined, isTold: false };
    this.#program = scopes.run(this.#scope, make, room, state);
  }

  /** Has a fault of the program's that nobody caught told. */
  onFault(faulted: (error: unknown) => void): void {
    this.#scope.faulted = faulted;
  }

  open(room: RoomContext): void {
    scopes.run(this.#scope, open, this.#program, this.#of(room));
  }

  join(member: Member, room: RoomContext): void {
    scopes.run(this.#scope, join, this.#program, member, this.#of(room));
  }

  message(publish: Publish, room: RoomContext): void {
    scopes.run(this.#scope, message, this.#program, publish, this.#of(room));
  }

  leave(member: Member, room: RoomContext): void {
    scopes.run(this.#scope, leave, this.#program, member, this.#of(room));
  }

  timer(name: string, room: RoomContext): void {
    scopes.run(this.#scope, timer, this.#program, name, this.#of(room));
  }

  close(room: RoomContext): void {
    scopes.run(this.#scope, close, this.#program, this.#of(room));
  }

  state(): Json | undefined {
    return scopes.run(this.#scope, stateOf, this.#program);
  }

  #of(room: RoomContext): RoomContext {
    if (this.#outside === undefined || this.#room !== room) {
      this.#room = room;
      this.#outside = new OutsideContext(room);
    }
    return this.#outside;
  }
}

// Functions of the module, since a closure would be made for every publish.
const open = (program: Program, room: RoomContext) => program.open?.(room);
const join = (program: Program, member: Member, room: RoomContext) => program.join?.(member, room);
const message = (program: Program, publish: Publish, room: RoomContext) => program.message?.(publish, room);
const leave = (program: Program, member: Member, room: RoomContext) => program.leave?.(member, room);
const timer = (program: Program, name: string, room: RoomContext) => program.timer?.(name, room);
const close = (program: Program, room: RoomContext) => program.close?.(room);
const stateOf = (program: Program) => program.state?.();

/** What a program sees of its room: all that is done at its word is the node's doing. */
class OutsideContext implements RoomContext {
  readonly #room: RoomContext;

  constructor(room: RoomContext) {
    this.#room = room;
  }

  get room(): string {
    return this.#room.room;
  }

  get epoch(): number {
    return this.#room.epoch;
  }

  get members(): readonly Member[] {
    return this.#room.members;
  }

  relay(publish: Publish): void {
    scopes.run(undefined, relay, this.#room, publish);
  }

  broadcast(data: Json): void {
    scopes.run(undefined, broadcast, this.#room, data);
  }

  send(session: string, data: Json): void {
    scopes.run(undefined, send, this.#room, session, data);
  }

  setTimer(name: string, ms: number): void {
    scopes.run(undefined, setTimer, this.#room, name, ms);
  }

  clearTimer(name: string): void {
    scopes.run(undefined, clearTimer, this.#room, name);
  }
}

const relay = (room: RoomContext, publish: Publish) => room.relay(publish);
const broadcast = (room: RoomContext, data: Json) => room.broadcast(data);
const send = (room: RoomContext, session: string, data: Json) => room.send(session, data);
const setTimer = (room: RoomContext, name: string, ms: number) => room.setTimer(name, ms);
const clearTimer = (room: RoomContext, name: string) => room.clearTimer(name);
