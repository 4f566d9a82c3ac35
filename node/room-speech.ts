/** What is said in a room: publishes through the program, numbers given out, repetitions told apart, answers to senders.
 *  Owns: the way of one publish, in a relay room (numbered and cast at once) and in a durable one (cast once its log has it).
 *  Does not know: who is seated where, or how a log travels.
 *  Invariants: a message is cast once its number is its own: in a relay room at once, in a durable one after its append; the program
 *  is called once for a publish, also where that is sent again.
 *  @see DESIGN §6 */
import type { AppendOutcome, Tag, Triple } from '../shared/directory/directory.ts';
import type { ErrorCode } from '../shared/errors.ts';
import type { ClientMessage } from '../shared/protocol.ts';
import * as encode from '../shared/protocol-encode.ts';
import type { Json, Publish } from './program.ts';
import type { ProgramHost } from './program-host.ts';
import type { Recent } from './recent.ts';
import type { RoomBindings } from './room-bindings.ts';
import { recentOf } from './room-entries.ts';
import { RoomLog, type Said } from './room-log.ts';
import type { RoomLimits, RoomOutput } from './room-output.ts';
import { boundedFrame } from './room-state.ts';
import type { RoomSession } from './roster.ts';

/** Where a backend's publish went. `lost`: it may have been logged; the same key finds out. */
export type Published = AppendOutcome | { readonly kind: 'refused' } | { readonly kind: 'lost' };

export interface SpeechParts {
  readonly room: string;
  readonly limits: RoomLimits;
  readonly recent: Recent;
  readonly bindings: RoomBindings;
  readonly output: RoomOutput;
  readonly program: () => ProgramHost;
  readonly triple: () => Triple;
  readonly tag: () => Tag;
  readonly direct: (session: RoomSession, text: string) => void;
}

/** Longer than any seq, for the room that one takes in a message. */
const SEQ_AT_MOST = Number.MAX_SAFE_INTEGER;

export class RoomSpeech {
  readonly #parts: SpeechParts;
  /** Of a durable room. */
  readonly log: RoomLog | undefined;
  /** The publish the program is being called with, the frame that brought it, its text as it came, and whether it was relayed. */
  #publishing: Publish | undefined;
  #cseq = 0;
  #dataText = '';
  #relayed = false;
  /** What the program has said under this triple. */
  #own = 0;
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
        refused: (said) => this.#refused(said),
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
      return this.#error(session, 'owner_lost', 'the room lost its owner before this was acknowledged', id);
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
    const publish: Publish = { member: session, id, data: message.data as Json };
    this.#publishing = publish;
    this.#cseq = cseq;
    this.#dataText = dataText;
    this.#relayed = false;
    const fits = this.#parts.program().message(publish);
    const relayed = this.#relayed;
    this.#publishing = undefined;
    this.#dataText = '';
    // What was relayed is said, whatever its program could not say after it.
    if (relayed) return;
    if (!fits) return this.#error(session, 'too_large', 'the answer to this is too large', id);
    if (this.log !== undefined) this.#log(session, cseq, id, undefined, false);
    else if (id !== undefined) this.#parts.direct(session, encode.ack({ id, seq: this.#parts.recent.head }));
  }

  /** An id that was taken before: where it went is in memory, in the log, or nowhere. */
  #repeated(session: RoomSession, id: number, cseq: number): void {
    const said = this.#parts.recent.find(session.session, id);
    if (said !== undefined) return this.#parts.direct(session, encode.ack({ id, seq: said.seq }));
    if (this.log !== undefined) return this.#log(session, cseq, id, undefined, true);
    this.#unknown(session, id);
  }

  #unknown(session: RoomSession, id: number): void {
    this.#error(session, 'outcome_unknown', 'this id was used before and is no longer remembered', id);
  }

  /** @param dataText  what is said; undefined where only the sender's mark is to move */
  #log(
    session: RoomSession,
    cseq: number,
    id: number | undefined,
    dataText: string | undefined,
    isRepeat: boolean,
  ): void {
    const { session: sender, user: from, seat } = session;
    const message = dataText === undefined ? undefined : { from, session: sender, data: dataText };
    this.log?.keep(sender);
    const taken = this.#say({
      item: { sender, seat, cseq, id: id ?? 0, isResumed: session.isUnsure, ...(message && { message }) },
      by: session,
      isRepeat,
      done: undefined,
      sinceMs: this.#parts.output.now().monoMs,
      isHanded: false,
    });
    if (taken) return;
    // Its first saying may still wait, and be logged.
    if (isRepeat && id !== undefined) this.#unknown(session, id);
    else this.#refuse(session, cseq, id);
  }

  #say(said: Said): boolean {
    if (this.log?.say(said) !== true) return false;
    this.#parts.output.spoke();
    return true;
  }

  relay(publish: Publish): void {
    const { member, id } = publish;
    // The text as it came, where there is one: what a client said arrives unchanged.
    const isCurrent = this.#publishing === publish;
    const isFirst = isCurrent && !this.#relayed;
    const dataText = isCurrent ? this.#dataText : JSON.stringify(publish.data);
    if (this.log === undefined) this.#sayNow(member.user, member.session, id, dataText);
    else this.#checkSize(member.user, member.session, id, dataText);
    // Not before: what was too large has not been relayed.
    if (isCurrent) this.#relayed = true;
    if (this.log === undefined) return;
    const session = member as RoomSession;
    if (isFirst) return this.#log(session, this.#cseq, id, dataText, false);
    // Its sender's mark has passed it by now: it is logged as the program's doing.
    this.#sayOwn({ from: member.user, session: member.session, data: dataText });
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
    const dataText = JSON.stringify(data);
    if (this.log === undefined) {
      this.#sayNow(from, undefined, undefined, dataText);
      return done({ kind: 'logged', seq: this.#parts.recent.head });
    }
    this.#checkSize(from, undefined, undefined, dataText);
    const message = { from, data: dataText };
    if (key === undefined) return this.#sayOwn(message, done);
    const sender = `k:${key}`;
    const taken = this.#say({
      // One key names one publish: any other id would be another.
      item: { sender, seat: 0, cseq: 0, id: 1, isResumed: false, message },
      by: undefined,
      isRepeat: false,
      done,
      sinceMs: this.#parts.output.now().monoMs,
      isHanded: false,
    });
    // What was asked before under this key may still be logged.
    if (!taken) done({ kind: this.log.has(sender) ? 'lost' : 'refused' });
    else this.log.flush();
  }

  /** In the name of the room's program, which is a sender of its own: its count under an epoch tells a repetition. */
  #sayOwn(message: NonNullable<Said['item']['message']>, done?: (how: Published) => void): void {
    const { epoch } = this.#parts.triple();
    if (epoch !== this.#ownEpoch) {
      this.#ownEpoch = epoch;
      this.#own = 0;
    }
    const taken = this.#say({
      item: { sender: '*', seat: epoch, cseq: ++this.#own, id: 0, isResumed: false, message },
      by: undefined,
      isRepeat: false,
      done,
      sinceMs: this.#parts.output.now().monoMs,
      isHanded: false,
    });
    if (!taken) done?.({ kind: 'refused' });
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
    by.isUnsure = false;
    by.mark = markAfter(by, said, outcome);
    const id = item.id === 0 ? undefined : item.id;
    if (id !== undefined && (outcome.kind !== 'logged' || message === undefined)) {
      const isNowhere = outcome.kind === 'unknown' || outcome.seq === 0 || (outcome.kind === 'logged' && said.isRepeat);
      if (isNowhere) this.#unknown(by, id);
      else this.#parts.direct(by, encode.ack({ id, seq: outcome.seq }));
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

  #refused({ by, item }: Said): void {
    if (by !== undefined && item.seat === by.seat) this.#refuse(by, item.cseq, item.id === 0 ? undefined : item.id);
  }

  /** Its frame is acked first, on its own: what is told to have been refused may not be sent again to another owner. */
  #refuse(session: RoomSession, cseq: number, id: number | undefined): void {
    this.acked(session, session.waiting === 0 ? session.cseq : cseq);
    this.#parts.output.flushAcks(session);
    this.#error(session, 'redis_unavailable', 'this could not be logged in time; it was not', id);
  }

  #error(session: RoomSession, code: ErrorCode, message: string, id: number | undefined): void {
    this.#parts.direct(session, encode.error({ code, message, id }));
  }
}

function markAfter(by: RoomSession, { item }: Said, outcome: AppendOutcome): RoomSession['mark'] {
  const mark = by.mark ?? { seat: 0, cseq: 0, id: 0, seq: 0 };
  const isLater = item.seat > mark.seat || (item.seat === mark.seat && item.cseq > mark.cseq);
  const seat = isLater ? { seat: item.seat, cseq: item.cseq } : { seat: mark.seat, cseq: mark.cseq };
  const isHigher = item.id > mark.id;
  const seq = outcome.kind === 'unknown' ? 0 : outcome.seq;
  return { ...seat, ...(isHigher ? { id: item.id, seq } : { id: mark.id, seq: mark.seq }) };
}
