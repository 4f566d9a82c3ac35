/** Planned changes of owner, both ends: an owner hands a room to a target over a link it dials; a target holds the state until the
 *  record names it. Owns: the conversation (STATE, READY, DONE) and its bounds. Does not know: why a room moves.
 *  Invariants: until the transfer is written the owner can go on as if nothing had been; the owner's output ended, and left, before
 *  the transfer is sent; an unknown outcome ends in a new claim or in the loss of the room, never in going on.
 *  @see DESIGN §4 Hand over */
import type { Instant } from '../shared/clock.ts';
import { DirectoryError, type Reply, type RoomRecord, type Triple } from '../shared/directory/directory.ts';
import { isRoomId } from '../shared/ids.ts';
import { scanJson } from '../shared/json-scan.ts';
import { type Done, FRAME_CONTENT_MAX, type LinkMessage, type Ready, type State } from '../shared/link/messages.ts';
import type { RandomSource } from '../shared/random.ts';
import type { BeginTrace, CallDirectory } from './ports.ts';
import type { RoomState } from './room-state.ts';

/** Largest state that is carried, as UTF-8 bytes of JSON. */
const STATE_BYTES_MAX = 64 * 1_048_576;
/** Bytes of all states that are being received. */
const INCOMING_BYTES_MAX = 256 * 1_048_576;
/** A handover that has not come to its write by then is called off. */
const HANDOVER_MS = 3_000;
/** State held for a record that does not come to name this node is dropped after this long. */
const STASH_MS = 15_000;
const INCOMING_MAX = 64;
/** Rooms that stand still at once: each waits for what the others need of this process, so that a few at a time stand for less long. */
const PAUSED_MAX = 2;
/** Arrays and objects within each other in a state that is carried: a client's data is bounded well below. */
const STATE_DEPTH_MAX = 256;

export interface Target {
  readonly node: string;
  readonly incarnation: string;
  readonly address: string;
}

/** How a handover ended, from the owner's side. `unknown`: the record must be claimed again or read. `rolled-back`: nothing was written,
 *  since Redis has lost what the room had logged. */
export type HandoverEnd =
  | { readonly kind: 'moved'; readonly record: RoomRecord; readonly target: Target; readonly pausedMs: number }
  | { readonly kind: 'cancelled'; readonly why: string }
  | { readonly kind: 'changed'; readonly record: RoomRecord | undefined }
  | { readonly kind: 'rolled-back' }
  | { readonly kind: 'unknown' };

interface Early {
  readonly room: string;
  readonly entries: RoomState['entries'];
}

interface Outgoing {
  readonly id: number;
  readonly room: string;
  readonly target: Target;
  readonly startedMs: number;
  readonly earlyHead: number;
  step: 'dialing' | 'early' | 'waiting' | 'quieting' | 'leaving' | 'final' | 'writing';
  link: number;
  pausedMs: number;
  triple: Triple | undefined;
  readonly traced: ReturnType<BeginTrace> | undefined;
}

type Written = Reply<'transfer'> | DirectoryError;

/** Steps in which the room stands still. */
const PAUSING: ReadonlySet<Outgoing['step']> = new Set(['quieting', 'leaving', 'final', 'writing']);

export interface HandoverOptions {
  readonly random: RandomSource;
  readonly call: CallDirectory;
  readonly now: () => Instant;
  readonly send: (link: number, message: LinkMessage) => boolean;
  /** A link to the target: its number, and whether it is up already. */
  readonly linkTo: (target: Target) => { readonly link: number; readonly up: boolean };
  readonly afterHandedOver: (room: string, done: () => void) => void;
  /** Whether what is said in the room is logged. */
  readonly isLogged: (room: string) => boolean;
  /** The room's state as of now, of its messages those after a seq; undefined when it is not held any more. */
  readonly carry: (room: string, after: number) => RoomState | undefined;
  readonly head: (room: string) => number | undefined;
  /** Has the room take nothing more and calls back once what it took is logged. */
  readonly quiet: (room: string, done: () => void) => void;
  /** Stops the room's output and its taking of frames. Undefined when the room is not held. */
  readonly stopOutput: (room: string) => Triple | undefined;
  readonly ended: (room: string, end: HandoverEnd, now: Instant) => void;
  /** Whether this node would take the room now; a sentence when not. */
  readonly refuse: (room: string) => string | undefined;
  /** See NodePorts. */
  readonly trace?: BeginTrace | undefined;
  /** The record names this node: open the room from the state held. */
  readonly named: (
    room: string,
    triple: { readonly epoch: number; readonly nonce: string },
    pausedMs: number,
    now: Instant,
  ) => void;
}

export class Handovers {
  readonly #options: HandoverOptions;
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #incoming = new Map<
    string,
    { chunks: Buffer[]; bytes: number; early: Early | undefined; sinceMs: number }
  >();
  /** room → state that waits for the record to name this node under `nonce`. */
  readonly #stash = new Map<string, { state: RoomState; nonce: string; key: string; untilMs: number }>();
  #ids = 0;

  constructor(options: HandoverOptions) {
    this.#options = options;
  }

  get underWay(): number {
    return this.#outgoing.size;
  }

  /** Rooms that this node has lately said it is ready for: each may be named to be its own at any moment. */
  promised(now: Instant): number {
    let count = 0;
    for (const { untilMs } of this.#stash.values()) if (untilMs - now.monoMs > STASH_MS - HANDOVER_MS) count++;
    return count;
  }

  /** Where a room is being handed to, and how far that is. */
  moving(room: string, now: Instant): { to: string; step: string; sinceMs: number } | undefined {
    const outgoing = this.#outgoing.get(room);
    return outgoing && { to: outgoing.target.node, step: outgoing.step, sinceMs: now.monoMs - outgoing.startedMs };
  }

  has(room: string): boolean {
    return this.#outgoing.has(room);
  }

  // --- owner ---------------------------------------------------------------------------------------------------------------------

  /** Begins to hand `room` to `target`. Nothing changes for the room yet. */
  start(room: string, target: Target, now: Instant): void {
    const state = this.#options.carry(room, 0);
    if (state === undefined || this.#outgoing.has(room)) return;
    const { link, up } = this.#options.linkTo(target);
    const outgoing: Outgoing = {
      id: ++this.#ids,
      room,
      target,
      startedMs: now.monoMs,
      earlyHead: state.head,
      step: 'dialing',
      link,
      pausedMs: 0,
      triple: undefined,
      traced: this.#options.trace?.('handover', { 'bellhop.room': room, 'bellhop.target': target.node }),
    };
    this.#outgoing.set(room, outgoing);
    if (up) this.#sendEarly(outgoing, state);
  }

  linkUp(link: number): void {
    for (const outgoing of this.#outgoing.values()) {
      if (outgoing.link !== link || outgoing.step !== 'dialing') continue;
      const state = this.#carry(outgoing, 0);
      if (state !== undefined) this.#sendEarly(outgoing, state);
    }
  }

  linkDown(link: number, now: Instant): void {
    for (const outgoing of [...this.#outgoing.values()]) {
      if (outgoing.link === link && outgoing.step !== 'writing')
        this.#cancel(outgoing, 'the link to the target broke', now);
    }
    for (const key of [...this.#incoming.keys()]) if (key.startsWith(`${link}:`)) this.#incoming.delete(key);
  }

  tick(now: Instant): void {
    for (const outgoing of [...this.#outgoing.values()]) {
      if (outgoing.step !== 'writing' && now.monoMs - outgoing.startedMs > HANDOVER_MS) {
        this.#cancel(outgoing, `the target did not answer within ${HANDOVER_MS} ms`, now);
      }
    }
    this.#quietNext(now);
    for (const [room, stash] of this.#stash) if (now.monoMs > stash.untilMs) this.#stash.delete(room);
    for (const [key, incoming] of this.#incoming) {
      if (now.monoMs - incoming.sinceMs > 2 * HANDOVER_MS) this.#incoming.delete(key);
    }
  }

  /** The room was lost or its history changed while it was being handed over. */
  abandon(room: string): void {
    const outgoing = this.#outgoing.get(room);
    if (outgoing === undefined) return;
    this.#outgoing.delete(room);
    outgoing.traced?.('abandoned');
    this.#options.send(outgoing.link, { type: 'done', id: outgoing.id, outcome: 'cancelled', epoch: 0 });
  }

  /** The room's state, unless its program failed as it was asked for it: then the handover was abandoned. */
  #carry(outgoing: Outgoing, after: number): RoomState | undefined {
    const state = this.#options.carry(outgoing.room, after);
    return this.#outgoing.get(outgoing.room) === outgoing ? state : undefined;
  }

  #sendEarly(outgoing: Outgoing, state: RoomState): void {
    outgoing.step = 'early';
    const early: Early = {
      room: outgoing.room,
      entries: state.entries.filter((entry) => entry.seq <= outgoing.earlyHead),
    };
    if (!this.#sendState(outgoing, 'early', early))
      this.#cancel(outgoing, 'its state is too large to carry', this.#options.now());
  }

  #sendState(outgoing: Outgoing, phase: State['phase'], value: unknown): boolean {
    const bytes = Buffer.from(JSON.stringify(value), 'utf8');
    if (bytes.length > STATE_BYTES_MAX) return false;
    for (let at = 0; at === 0 || at < bytes.length; at += FRAME_CONTENT_MAX) {
      const chunk = bytes.subarray(at, at + FRAME_CONTENT_MAX);
      const last = at + FRAME_CONTENT_MAX >= bytes.length;
      if (!this.#options.send(outgoing.link, { type: 'state', id: outgoing.id, phase, last, chunk })) return false;
    }
    return true;
  }

  /** The target has answered. */
  ready(link: number, message: Ready, now: Instant): void {
    const outgoing = [...this.#outgoing.values()].find((one) => one.link === link && one.id === message.id);
    if (outgoing === undefined) return;
    if (!message.ok) return this.#cancel(outgoing, message.text, now);
    if (outgoing.step === 'early') {
      outgoing.step = 'waiting';
      this.#quietNext(now);
    } else if (outgoing.step === 'final') this.#write(outgoing, message.nonce, now);
  }

  /** Has rooms stand still whose turn it is. */
  #quietNext(now: Instant): void {
    let paused = 0;
    for (const { step } of this.#outgoing.values()) if (PAUSING.has(step)) paused++;
    for (const outgoing of [...this.#outgoing.values()]) {
      if (paused >= PAUSED_MAX) return;
      if (outgoing.step !== 'waiting') continue;
      paused++;
      this.#quiet(outgoing, now);
    }
  }

  #quiet(outgoing: Outgoing, now: Instant): void {
    outgoing.step = 'quieting';
    outgoing.pausedMs = now.monoMs;
    this.#options.quiet(outgoing.room, () => {
      const isCurrent = this.#outgoing.get(outgoing.room) === outgoing && outgoing.step === 'quieting';
      if (isCurrent) this.#stop(outgoing, this.#options.now());
    });
  }

  #stop(outgoing: Outgoing, now: Instant): void {
    outgoing.triple = this.#options.stopOutput(outgoing.room);
    if (outgoing.triple === undefined) return this.#cancel(outgoing, 'the room is not held any more', now);
    outgoing.step = 'leaving';
    this.#options.afterHandedOver(outgoing.room, () => {
      if (this.#outgoing.get(outgoing.room) !== outgoing || outgoing.step !== 'leaving') return;
      const state = this.#carry(outgoing, outgoing.earlyHead);
      if (state === undefined) return this.#cancel(outgoing, 'the room is not held any more', this.#options.now());
      outgoing.step = 'final';
      if (!this.#sendState(outgoing, 'final', state))
        this.#cancel(outgoing, 'its state is too large to carry', this.#options.now());
    });
  }

  #write(outgoing: Outgoing, nonce: string, _now: Instant): void {
    const { room, target, triple } = outgoing;
    const head = this.#options.head(room);
    if (triple === undefined || head === undefined) return;
    outgoing.step = 'writing';
    const to = { node: target.node, incarnation: target.incarnation, nonce };
    const isLogged = this.#options.isLogged(room);
    this.#options.call('transfer', { room, triple, to, head, isLogged }, (result) => {
      const now = this.#options.now();
      if (this.#outgoing.get(room) !== outgoing) return;
      this.#outgoing.delete(room);
      const isUnknown = result instanceof DirectoryError;
      outgoing.traced?.(isUnknown ? 'unknown' : result.kind, isUnknown);
      this.#written(outgoing, result, now);
      this.#quietNext(now);
    });
  }

  #written(outgoing: Outgoing, result: Written, now: Instant): void {
    const { id, room, link, target } = outgoing;
    const { ended } = this.#options;
    if (result instanceof DirectoryError) return ended(room, { kind: 'unknown' }, now);
    if (result.kind === 'rolled-back') return this.#callOff(outgoing, { kind: 'rolled-back' }, now);
    if (result.kind === 'changed') return ended(room, { kind: 'changed', record: result.record }, now);
    const pausedMs = now.monoMs - outgoing.pausedMs;
    const { epoch } = result.record;
    this.#options.send(link, { type: 'done', id, outcome: 'named', epoch, pausedMs: Math.round(pausedMs) });
    ended(room, { kind: 'moved', record: result.record, target, pausedMs }, now);
  }

  #cancel(outgoing: Outgoing, why: string, now: Instant): void {
    this.#callOff(outgoing, { kind: 'cancelled', why }, now);
  }

  /** The target is not named, and need not keep what it was sent. */
  #callOff(outgoing: Outgoing, end: HandoverEnd, now: Instant): void {
    this.#outgoing.delete(outgoing.room);
    outgoing.traced?.(end.kind === 'cancelled' ? `called off: ${end.why}` : end.kind);
    this.#options.send(outgoing.link, { type: 'done', id: outgoing.id, outcome: 'cancelled', epoch: 0 });
    this.#options.ended(outgoing.room, end, now);
  }

  // --- target --------------------------------------------------------------------------------------------------------------------

  state(link: number, message: State, now: Instant): void {
    const key = `${link}:${message.id}`;
    let incoming = this.#incoming.get(key);
    if (incoming === undefined) {
      if (this.#incoming.size >= INCOMING_MAX)
        return this.#answer(link, message.id, false, 'too many handovers at once');
      incoming = { chunks: [], bytes: 0, early: undefined, sinceMs: now.monoMs };
      this.#incoming.set(key, incoming);
    }
    incoming.chunks.push(message.chunk);
    incoming.bytes += message.chunk.length;
    let receiving = 0;
    for (const one of this.#incoming.values()) receiving += one.bytes;
    if (incoming.bytes > 2 * STATE_BYTES_MAX || receiving > INCOMING_BYTES_MAX) {
      this.#incoming.delete(key);
      return this.#answer(link, message.id, false, 'the state is too large');
    }
    if (!message.last) return;
    const value = parse(Buffer.concat(incoming.chunks));
    incoming.chunks = [];
    if (message.phase === 'early') {
      incoming.early = isEarly(value) ? value : undefined;
      const refusal =
        incoming.early === undefined ? 'the state is not valid' : this.#options.refuse(incoming.early.room);
      if (refusal !== undefined) this.#incoming.delete(key);
      return this.#answer(link, message.id, refusal === undefined, refusal ?? '');
    }
    const { early } = incoming;
    this.#incoming.delete(key);
    const rest = isRoomState(value) ? value : undefined;
    if (early === undefined || rest === undefined)
      return this.#answer(link, message.id, false, 'the state is not valid');
    const refusal = this.#options.refuse(early.room);
    if (refusal !== undefined) return this.#answer(link, message.id, false, refusal);
    const nonce = this.#options.random.hex(8);
    const state: RoomState = { ...rest, entries: [...early.entries, ...rest.entries] };
    this.#stash.set(early.room, { state, nonce, key, untilMs: now.monoMs + STASH_MS });
    this.#answer(link, message.id, true, '', nonce);
  }

  done(link: number, message: Pick<Done, 'id' | 'outcome' | 'epoch' | 'pausedMs'>, now: Instant): void {
    const key = `${link}:${message.id}`;
    this.#incoming.delete(key);
    for (const [room, stash] of this.#stash) {
      if (stash.key !== key) continue;
      const named = { epoch: message.epoch, nonce: stash.nonce };
      if (message.outcome === 'named') this.#options.named(room, named, message.pausedMs ?? 0, now);
      else this.#stash.delete(room);
    }
  }

  hasStateFor(room: string, nonce: string): boolean {
    return this.#stash.get(room)?.nonce === nonce;
  }

  /** Takes the state held for a room under exactly this nonce. */
  takeState(room: string, nonce: string): RoomState | undefined {
    const stash = this.#stash.get(room);
    if (stash?.nonce !== nonce) return undefined;
    this.#stash.delete(room);
    return stash.state;
  }

  /** Another history is in force: no record there names this node under a nonce given out before. */
  historyChanged(): void {
    this.#stash.clear();
  }

  #answer(link: number, id: number, ok: boolean, text: string, nonce = ''): void {
    this.#options.send(link, { type: 'ready', id, ok, nonce, text });
  }
}

function parse(bytes: Buffer): unknown {
  try {
    const text = bytes.toString('utf8');
    // What is nested deeper than a stack can be read, and not be told to anybody.
    if (scanJson(text, STATE_DEPTH_MAX).fault === 'deep') return undefined;
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function isEarly(value: unknown): value is Early {
  const room = isFields(value) ? value['room'] : undefined;
  return (
    typeof room === 'string' &&
    isRoomId(room) &&
    isFields(value) &&
    areFields(value['entries'], ['tag', 'text'], ['seq'])
  );
}

/** Whether a room can be made of it: a peer of another version may send something else. Names are not checked for what they may be. */
function isRoomState(value: unknown): value is RoomState {
  if (!isFields(value) || !Number.isSafeInteger(value['head']) || !Number.isSafeInteger(value['version'])) return false;
  const { tags, entries, sessions } = value;
  return (
    areFields(tags, ['tag'], ['firstSeq']) &&
    areFields(entries, ['tag', 'text'], ['seq']) &&
    areFields(sessions, ['session', 'user', 'router'], ['since', 'seat', 'cseq', 'lastId']) &&
    (sessions as { answers?: unknown }[]).every((one) => areFields(one.answers ?? [], ['text'], ['cseq'])) &&
    arePairs(value['marks'], (mark) => areFields([mark], [], ['seat', 'cseq', 'id', 'seq'])) &&
    arePairs(value['keys'], Number.isSafeInteger) &&
    (value['marksMs'] === undefined || Number.isFinite(value['marksMs']))
  );
}

/** Whether it is absent, or a list of names, each with something. */
function arePairs(value: unknown, isOne: (second: unknown) => boolean): boolean {
  const isPair = (pair: unknown) => Array.isArray(pair) && typeof pair[0] === 'string' && isOne(pair[1]);
  return value === undefined || (Array.isArray(value) && value.every(isPair));
}

/** Whether it is a list of objects in which `texts` are texts and `integers` are integers. */
function areFields(value: unknown, texts: readonly string[], integers: readonly string[]): boolean {
  const isOne = (one: unknown) =>
    isFields(one) &&
    texts.every((key) => typeof one[key] === 'string') &&
    integers.every((key) => Number.isSafeInteger(one[key]));
  return Array.isArray(value) && value.every(isOne);
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
