/** What is said in a room: publishes through the program, numbers given out, repetitions told apart, answers to senders.
 *  Owns: the way of one publish, in a relay room (numbered and cast at once) and in a durable one (cast once its log has it).
 *  Does not know: who is seated where, or how a log travels.
 *  Invariants: a message is cast once its number is its own: in a relay room at once, in a durable one after its append; the program
 *  is called once for a publish, also where that is sent again; what it says to one publish is one unit of the log.
 *  @see DESIGN §6 */
import type { AppendOutcome, Tag, Triple } from '../shared/directory/directory.ts';
import type { ErrorCode } from '../shared/errors.ts';
import type { ClientMessage } from '../shared/protocol.ts';
import * as encode from '../shared/protocol-encode.ts';
import { remember } from './answers.ts';
import type { Json, Publish } from './program.ts';
import type { ProgramHost } from './program-host.ts';
import { epochOf, type Recent } from './recent.ts';
import type { RoomBindings } from './room-bindings.ts';
import { recentOf } from './room-entries.ts';
import { type RoomKeys, senderOf } from './room-keys.ts';
import { RoomLog } from './room-log.ts';
import type { RoomLimits, RoomOutput } from './room-output.ts';
import { boundedFrame, MessageTooLarge } from './room-state.ts';
import { bytesOf, type Done, type Fault, markAfter, type Said, type Unit, unitOf } from './room-unit.ts';
import { isUnsure, type RoomSession, UNTOLD } from './roster.ts';

/** Where a backend's publish went: its number, and the epoch under which that was given out. `lost`: it may have been logged, the same key
 *  finds out. `unknown`: it may have been, and nobody can find out. */
export type Published =
  | { readonly kind: 'said'; readonly seq: number; readonly epoch: number }
  | { readonly kind: 'refused' | 'lost' | 'unknown' };

export interface SpeechParts {
  readonly room: string;
  readonly limits: RoomLimits;
  readonly recent: Recent;
  readonly bindings: RoomBindings;
  readonly output: RoomOutput;
  readonly keys: RoomKeys;
  readonly program: () => ProgramHost;
  readonly triple: () => Triple;
  readonly tag: () => Tag;
  readonly direct: (session: RoomSession, text: string) => void;
}

/** Longer than any seq, for the room that one takes in a message. */
const SEQ_AT_MOST = Number.MAX_SAFE_INTEGER;
/** What a program may say to one publish, since all of it is appended at once: messages, and bytes of them unless it is one alone. */
export const UNIT_ITEMS_MAX = 256;
const UNIT_BYTES_MAX = 1_048_576;

type Message = NonNullable<Said['item']['message']>;

/** A publish that was taken, and that its program is to see. */
interface Taken {
  readonly session: RoomSession;
  readonly seat: number;
  readonly cseq: number;
  readonly id: number | undefined;
  readonly data: Json;
  readonly dataText: string;
}

const UNREMEMBERED = 'this id was used before and is no longer remembered';
const TOO_LARGE: Fault = { code: 'too_large', message: 'the answer to this is too large' };

export class RoomSpeech {
  readonly #parts: SpeechParts;
  /** Of a durable room. */
  readonly log: RoomLog | undefined;
  /** The publish the program is being called with, its text as it came, and whether it was relayed. */
  #publishing: Publish | undefined;
  #dataText = '';
  #relayed = false;
  /** In a durable room: the item that its sender's mark moves with, and what is said to it. */
  #mark: Said | undefined;
  #unit: Said[] = [];
  #unitBytes = 0;
  /** What the program says in a call that is none of a publish. */
  #words: Message[] | undefined;
  /** What the program has said under this triple. */
  #ownCount = 0;
  #ownEpoch = 0;

  constructor(parts: SpeechParts) {
    this.#parts = parts;
    const { room, output, recent } = parts;
    const { log } = output;
    this.log =
      log &&
      new RoomLog({
        room,
        ...log,
        now: () => output.now(),
        wake: (atMs) => output.wake(atMs),
        head: () => recent.head,
        state: () => {
          const state = parts.program().state();
          return state === undefined ? undefined : JSON.stringify(state);
        },
        settled: (said, outcome, at) => this.#settled(said, outcome, at),
        refused: (unit) => this.#refused(unit),
        count: (metric, by) => output.count(metric, by),
      });
  }

  /** Takes one publish of a session, brought by its frame `cseq`. */
  publish(
    session: RoomSession,
    message: Extract<ClientMessage, { type: 'publish' }>,
    dataText: string,
    cseq: number,
    resent: boolean,
  ): void {
    const { id } = message;
    if (this.log === undefined && resent && session.ownerLost) {
      session.lastId = Math.max(session.lastId, id ?? 0);
      return this.error(session, cseq, 'owner_lost', 'the room lost its owner before this was acknowledged', id);
    }
    if (id === undefined) {
      // Logged by an owner before, which could not ack it.
      const { mark } = session;
      if (mark !== undefined && mark.seat === session.seat && cseq <= mark.cseq) return;
    } else {
      if (id <= session.lastId) return this.#repeated(session, id, cseq);
      session.lastId = id;
    }
    this.#parts.output.count('publishes');
    if (this.log !== undefined)
      return this.#take({ session, seat: session.seat, cseq, id, data: message.data as Json, dataText });
    const { fits, relayed } = this.#tell({ member: session, id, data: message.data as Json }, dataText);
    // What was relayed is said, whatever its program could not say after it.
    if (relayed) return;
    if (!fits) this.error(session, cseq, TOO_LARGE.code, TOO_LARGE.message, id);
    else if (id !== undefined) this.#answer(session, cseq, encode.ack({ id, seq: this.#parts.recent.head }));
  }

  /** Shows a publish to the program. */
  #tell(publish: Publish, dataText: string): { readonly fits: boolean; readonly relayed: boolean } {
    this.#publishing = publish;
    this.#dataText = dataText;
    this.#relayed = false;
    const fits = this.#parts.program().message(publish);
    this.#publishing = undefined;
    this.#dataText = '';
    return { fits, relayed: this.#relayed };
  }

  /** Takes a publish for the log: its program sees it when the batch is made that it is to be in. */
  #take(taken: Taken): void {
    const { session, seat, cseq, id, dataText } = taken;
    this.log?.keep(session.session);
    const isTaken = this.#say({
      kind: 'publish',
      sender: session.session,
      by: session,
      seat,
      cseq,
      id: id ?? 0,
      count: 1,
      bytes: bytesOf([{ message: { data: dataText } }]),
      sinceMs: this.#parts.output.now().monoMs,
      done: undefined,
      make: () => this.#make(taken),
      said: undefined,
    });
    if (!isTaken) this.#refuse(session, cseq, id);
  }

  /** What is logged of a publish: all that its program says to it, and its sender's mark. */
  #make({ session, seat, cseq, id, data, dataText }: Taken): readonly Said[] {
    const isResumed = isUnsure(session, id);
    const item = { sender: session.session, seat, cseq, id: id ?? 0, isResumed };
    const mark: Said = { item, by: session, isRepeat: false };
    // Its mark tells the rest.
    if (session.unsureTo === UNTOLD) session.unsureTo = 0;
    // Whether it was logged before is not known here: the log tells, and the program may not say anything twice.
    if (isResumed) return [{ ...mark, isRepeat: true }];
    this.#mark = mark;
    this.#unit = [];
    this.#unitBytes = 0;
    const { fits, relayed } = this.#tell({ member: session, id, data }, dataText);
    const unit = this.#unit;
    this.#mark = undefined;
    this.#unit = [];
    if (!fits) return [{ ...mark, fault: TOO_LARGE }];
    return relayed ? unit : [...unit, mark];
  }

  /** Calls the program with something else than a publish: after the publishes that are before it, and what it says is one unit. */
  call(run: () => void): void {
    const { log } = this;
    if (log === undefined) return run();
    if (log.call({ kind: 'call', run: () => this.#wordsOf(run) })) return;
    for (const unit of this.#wordsOf(run)) this.#say(unit);
  }

  /** Whether a call would have to wait. */
  get isBehind(): boolean {
    return this.log?.isBehind ?? false;
  }

  #wordsOf(run: () => void): Unit[] {
    const words: Message[] = [];
    this.#words = words;
    run();
    this.#words = undefined;
    const units: Unit[] = [];
    for (let at = 0; at < words.length; at += UNIT_ITEMS_MAX)
      units.push(this.#ownUnit(words.slice(at, at + UNIT_ITEMS_MAX)));
    return units;
  }

  /** An id that was taken before: where it went is in memory, in the log, or nowhere. */
  #repeated(session: RoomSession, id: number, cseq: number): void {
    const said = this.#parts.recent.find(session.session, id);
    if (said !== undefined) return this.#answer(session, cseq, encode.ack({ id, seq: said.seq }));
    if (this.log === undefined) return this.#unknown(session, cseq, id);
    // Its sender's mark tells.
    this.log.keep(session.session);
    const item = { sender: session.session, seat: session.seat, cseq, id, isResumed: isUnsure(session, id) };
    // Its first saying may still wait, and be logged.
    if (!this.#say(unitOf({ item, by: session, isRepeat: true }, this.#parts.output.now().monoMs)))
      this.#unknown(session, cseq, id);
  }

  #unknown(session: RoomSession, cseq: number, id: number): void {
    this.error(session, cseq, 'outcome_unknown', UNREMEMBERED, id);
  }

  #say(unit: Unit): boolean {
    if (this.log?.say(unit) !== true) return false;
    this.#parts.output.spoke();
    return true;
  }

  relay(publish: Publish): void {
    const { member, id } = publish;
    // The text as it came, where there is one: what a client said arrives unchanged.
    const isCurrent = this.#publishing === publish;
    const dataText = isCurrent ? this.#dataText : JSON.stringify(publish.data);
    const mark = isCurrent && !this.#relayed ? this.#mark : undefined;
    if (this.log === undefined) this.#sayNow(member.user, member.session, id, dataText);
    else this.#checkSize(member.user, member.session, id, dataText);
    // Not before: what was too large has not been relayed.
    if (isCurrent) this.#relayed = true;
    if (this.log === undefined) return;
    const message = { from: member.user, session: member.session, data: dataText };
    // Said again, its sender's mark has passed it by: it is logged as the program's doing.
    if (mark === undefined) this.#sayOwn(message);
    else this.#add({ ...mark, item: { ...mark.item, message } });
  }

  broadcast(data: Json): void {
    const dataText = JSON.stringify(data);
    if (this.log === undefined) return this.#sayNow(null, undefined, undefined, dataText);
    this.#checkSize(null, undefined, undefined, dataText);
    this.#sayOwn({ from: null, data: dataText });
  }

  /** Publishes in a backend's name. @param key  under which a repetition is told apart
   *  @throws MessageTooLarge */
  publishFrom(from: string | null, data: Json, key: string | undefined, done: (how: Published) => void): void {
    const { keys, recent, output } = this.#parts;
    const known = key === undefined ? undefined : keys.find(key);
    if (known !== undefined) return done(this.#saidAt(known));
    const dataText = JSON.stringify(data);
    const tell = (how: Parameters<Done>[0]) => {
      if (how.kind === 'refused' || how.kind === 'lost') return done(how);
      // Logged without a key before the room was claimed again: nobody knows under which number.
      if (how.kind === 'unknown' || how.seq === 0) return done({ kind: 'unknown' });
      if (key !== undefined) keys.remember(key, how.seq);
      done(this.#saidAt(how.seq));
    };
    if (this.log === undefined) {
      this.#sayNow(from, undefined, undefined, dataText);
      return tell({ kind: 'logged', seq: recent.head });
    }
    this.#checkSize(from, undefined, undefined, dataText);
    const message = { from, data: dataText };
    if (key === undefined) {
      if (!this.#say(this.#ownUnit([message], tell))) done({ kind: 'refused' });
      return;
    }
    const sender = senderOf(key);
    // One key names one publish: any other id would be another.
    const item = { sender, seat: 0, cseq: 0, id: 1, isResumed: false, message };
    const unit = unitOf({ item, by: undefined, isRepeat: false }, output.now().monoMs, tell);
    // What was asked before under this key may still be logged.
    if (!this.#say(unit)) done({ kind: this.log.has(sender) ? 'lost' : 'refused' });
    else this.log.flush();
  }

  /** The epoch follows from the tags that led here; behind all of those that are known, the present one is told. */
  #saidAt(seq: number): Published {
    const tag = this.#parts.recent.tagAt(seq);
    return { kind: 'said', seq, epoch: tag === undefined ? this.#parts.triple().epoch : epochOf(tag) };
  }

  /** In the name of the room's program: with what else it says in this call. */
  #sayOwn(message: Message): void {
    if (this.#mark !== undefined) this.#add(this.#own(message));
    else if (this.#words !== undefined) this.#words.push(message);
    else this.#say(this.#ownUnit([message]));
  }

  /** The program is a sender of its own: its count under an epoch tells a repetition. Counted as its batch is made, since it may only grow
   *  from one item of the log to the next. */
  #own(message: Message): Said {
    const { epoch } = this.#parts.triple();
    if (epoch !== this.#ownEpoch) {
      this.#ownEpoch = epoch;
      this.#ownCount = 0;
    }
    const item = { sender: '*', seat: epoch, cseq: ++this.#ownCount, id: 0, isResumed: false, message };
    return { item, by: undefined, isRepeat: false };
  }

  #ownUnit(messages: readonly Message[], done?: Done): Unit {
    return {
      ...{ kind: 'words', sender: '*', by: undefined, seat: 0, cseq: 0, id: 0 },
      count: messages.length,
      bytes: bytesOf(messages.map((message) => ({ message }))),
      sinceMs: this.#parts.output.now().monoMs,
      done,
      make: () => messages.map((message) => this.#own(message)),
      said: undefined,
    };
  }

  /** @throws MessageTooLarge where the program says more to one publish than is appended at once */
  #add(said: Said): void {
    const bytes = this.#unitBytes + bytesOf([said.item]);
    const count = this.#unit.length + 1;
    if (count > UNIT_ITEMS_MAX || (count > 1 && bytes > UNIT_BYTES_MAX))
      throw new MessageTooLarge(
        `a program may say ${UNIT_ITEMS_MAX} messages, or ${UNIT_BYTES_MAX} bytes, to one publish`,
      );
    this.#unitBytes = bytes;
    this.#unit.push(said);
  }

  #checkSize(from: string | null, session: string | undefined, id: number | undefined, dataText: string): void {
    // Whatever its characters, a short one fits.
    if (dataText.length < 16_384) return;
    const seq = SEQ_AT_MOST;
    boundedFrame(
      encode.message({ seq, tag: this.#parts.tag(), from, session: session ?? null, id, at: seq, dataText }),
      this.#parts.limits,
    );
  }

  #sayNow(from: string | null, session: string | undefined, id: number | undefined, dataText: string): void {
    const { recent, bindings, output, limits } = this.#parts;
    const seq = recent.head + 1;
    const tag = this.#parts.tag();
    const at = output.now().wallMs;
    const text = encode.message({ seq, tag, from, session: session ?? null, id, at, dataText });
    const frame = boundedFrame(text, limits);
    recent.push({ seq, tag, session, id, frame });
    bindings.cast('message', seq, frame);
  }

  // --- the log's answers ---------------------------------------------------------------------------------------------------------

  #settled(said: Said, outcome: AppendOutcome, at: number): void {
    const { item, by } = said;
    const { message } = item;
    if (outcome.kind === 'logged' && message !== undefined) {
      const id = item.id === 0 || by === undefined ? undefined : item.id;
      const { from, session, data } = message;
      const entry = recentOf({ seq: outcome.seq, tag: this.#parts.tag(), from, session, id, at, data });
      this.#parts.recent.push(entry);
      this.#parts.bindings.cast('message', entry.seq, entry.frame);
    }
    if (by === undefined) return;
    // What has no message stands nowhere: `logged` then names the head.
    const isNowhere = outcome.kind === 'unknown' || (outcome.kind === 'logged' && message === undefined);
    by.mark = markAfter(by.mark, said.item, isNowhere ? 0 : outcome.seq);
    const id = item.id === 0 ? undefined : item.id;
    // An earlier seat's frames are no more: whoever has the session now asks by its id.
    const cseq = item.seat === by.seat ? item.cseq : 0;
    // Taken here without a message. A duplicate was so before the room was claimed again, and nobody was told.
    const isTaken = message === undefined && !said.isRepeat && outcome.kind !== 'unknown';
    if (isTaken && said.fault !== undefined) {
      this.error(by, cseq, said.fault.code, said.fault.message, id);
    } else if (id !== undefined && (outcome.kind !== 'logged' || message === undefined)) {
      if (isTaken) this.#answer(by, cseq, encode.ack({ id, seq: this.#parts.recent.head }));
      else if (outcome.kind === 'duplicate' && outcome.seq > 0)
        this.#answer(by, cseq, encode.ack({ id, seq: outcome.seq }));
      else this.#unknown(by, cseq, id);
    }
    if (item.seat === by.seat) this.acked(by, by.waiting === 0 ? by.cseq : item.cseq);
  }

  /** The router need not keep frames up to `cseq` any more. */
  acked(session: RoomSession, cseq: number): void {
    if (cseq <= session.ackedCseq) return;
    session.ackedCseq = cseq;
    const { place } = session;
    if (place !== undefined) this.#parts.output.ack(place.link, place.handle, cseq);
  }

  #refused({ by, seat, cseq, id }: Unit): void {
    if (by !== undefined && seat === by.seat) this.#refuse(by, cseq, id === 0 ? undefined : id);
  }

  /** Its frame is acked first, on its own: what is told to have been refused may not be sent again to another owner. */
  #refuse(session: RoomSession, cseq: number, id: number | undefined): void {
    this.acked(session, session.waiting === 0 ? session.cseq : cseq);
    this.#parts.output.flushAcks(session);
    // Of who is not remembered it may have been before.
    const how = isUnsure(session, id)
      ? ({ code: 'outcome_unknown', message: UNREMEMBERED } as const)
      : ({ code: 'redis_unavailable', message: 'this could not be logged in time; it was not' } as const);
    this.#answer(session, cseq, encode.error({ ...how, id }), true);
  }

  /** Answers the frame `cseq` with an error. */
  error(session: RoomSession, cseq: number, code: ErrorCode, message: string, id: number | undefined): void {
    this.#answer(session, cseq, encode.error({ code, message, id }));
  }

  #answer(session: RoomSession, cseq: number, text: string, isBehindAck = false): void {
    if (cseq > 0) remember(session, { cseq, text, isBehindAck, atMs: this.#parts.output.now().monoMs });
    this.#parts.direct(session, text);
  }
}
