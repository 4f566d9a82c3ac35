/** One room as its owner serves it: seats sessions, runs the program, numbers and casts what is said, tells who comes and goes.
 *  Owns: the roster, the last messages, the bindings of routers. Does not know: how the room came to be owned, sockets, Redis.
 *  Invariants: deliveries to one session are a contiguous run of seqs between resets; a frame of a seat is taken at most once.
 *  @see DESIGN §6, §7 */
import type { Instant } from '../shared/clock.ts';
import {
  type LogEntry,
  type Reply,
  type RoomRecord,
  type Tag,
  type Triple,
  tagOf,
} from '../shared/directory/directory.ts';
import type { ClientFrame, Open, OpenSession, RefusedReason } from '../shared/link/messages.ts';
import * as encode from '../shared/protocol-encode.ts';
import { payloadOf, textFrame } from '../shared/websocket-frame.ts';
import { unheard } from './answers.ts';
import { ClientFrames } from './client-frames.ts';
import type { Json, Member, Program, Publish, RoomContext } from './program.ts';
import { ProgramHost } from './program-host.ts';
import { Recent, type ResetReason } from './recent.ts';
import { type Binding, RoomBindings } from './room-bindings.ts';
import { RoomHistory } from './room-history.ts';
import { RoomKeys } from './room-keys.ts';
import { RoomNews } from './room-news.ts';
import type { RoomLimits, RoomOutput } from './room-output.ts';
import { type Published, RoomSpeech } from './room-speech.ts';
import { boundedFrame, carriedRecent, entryFrom, type RoomState } from './room-state.ts';
import { isForgotten, welcomeText } from './room-words.ts';
import { judgeSeat, type Place, type RoomSession, Roster } from './roster.ts';

export class Room implements RoomContext {
  readonly room: string;
  readonly #limits: RoomLimits;
  readonly #output: RoomOutput;
  readonly #roster: Roster;
  readonly #recent: Recent;
  readonly #program: ProgramHost;
  readonly #news: RoomNews;
  readonly #bindings: RoomBindings;
  #triple: Triple;
  #tag: Tag;
  #now: Instant;
  #started = false;
  /** Of the OPEN that is being answered. */
  #serial = 0;
  readonly #keys: RoomKeys;
  readonly #speech: RoomSpeech;
  readonly #frames: ClientFrames;
  readonly #history: RoomHistory;

  constructor(
    room: string,
    triple: Triple,
    makeProgram: (room: string, state: Json | undefined) => Program,
    limits: RoomLimits,
    output: RoomOutput,
    now: Instant,
    state?: RoomState,
    program = state?.program,
  ) {
    this.room = room;
    this.#triple = triple;
    this.#tag = tagOf(triple);
    this.#limits = limits;
    this.#output = output;
    this.#bindings = new RoomBindings(room, output);
    this.#now = now;
    this.#roster = new Roster(limits);
    this.#recent = new Recent(limits.recentMax, output.log !== undefined, output.recent);
    this.#news = new RoomNews(limits, output, this.#roster, this.#bindings, state?.version ?? 0);
    this.#program = new ProgramHost(makeProgram(room, program), this, (error) => output.failed(error));
    this.#keys = new RoomKeys(output.keys);
    this.#speech = new RoomSpeech({
      ...{ room, limits, output, recent: this.#recent, bindings: this.#bindings, keys: this.#keys },
      program: () => this.#program,
      triple: () => this.#triple,
      tag: () => this.#tag,
      direct: (session, text) => this.#direct(session, text),
    });
    this.#frames = new ClientFrames({
      ...{ limits, speech: this.#speech, news: this.#news, bindings: this.#bindings },
      changed: (session) => output.changed(session),
      direct: (session, text) => this.#direct(session, text),
    });
    this.#history = new RoomHistory(this.#recent, this.#roster, this.#speech.log, this.#keys);
    if (state !== undefined) {
      this.#recent.restore(state.head, state.tags, state.entries.map(entryFrom));
      this.#roster.restore(state.sessions, now.monoMs);
      this.#history.restore(state, now.monoMs);
      this.#wake();
    }
  }

  get epoch(): number {
    return this.#triple.epoch;
  }

  get triple(): Triple {
    return this.#triple;
  }

  get head(): number {
    return this.#recent.head;
  }

  /** Messages, signals and events cast here so far, and their bytes: each once, however many hear it. */
  get casts(): number {
    return this.#bindings.casts;
  }

  get castBytes(): number {
    return this.#bindings.castBytes;
  }

  get version(): number {
    return this.#news.version;
  }

  get members(): readonly Member[] {
    return this.#roster.present();
  }

  get memberCount(): number {
    return this.#roster.members;
  }

  get sessionCount(): number {
    return this.#roster.size;
  }

  get links(): readonly number[] {
    return this.#bindings.links;
  }

  /** Links on which something of this room may be queued. */
  get spokenLinks(): readonly number[] {
    return this.#bindings.spokenLinks;
  }

  sessions(): Iterable<RoomSession> {
    return this.#roster.sessions();
  }

  session(id: string): RoomSession | undefined {
    return this.#roster.get(id);
  }

  /** Starts the numbering of a room that nothing is remembered of. */
  startAt(head: number, before: readonly { readonly tag: Tag; readonly firstSeq: number }[]): void {
    this.#recent.startAt(head, before);
  }

  // --- the log -----------------------------------------------------------------------------------------------------------------

  /** Takes over what the log of a room that was just claimed holds. */
  adopt(record: RoomRecord, opening: Reply<'openLog'>, now: Instant): void {
    this.#history.adopt(record, opening, now.monoMs + this.#limits.resumeMs);
    this.#wake();
  }

  /** What is known of the room beside its last messages. */
  get history(): RoomHistory {
    return this.#history;
  }

  /** Sends to the log what was said. */
  flush(): void {
    this.#speech.log?.flush();
  }

  /** Whether nothing waits for the log. */
  get isSettled(): boolean {
    return this.#speech.log?.isIdle ?? true;
  }

  /** Calls back once nothing waits for the log; never if the room ends before. */
  whenSettled(done: () => void): void {
    if (this.#speech.log === undefined) done();
    else this.#speech.log.whenIdle(done);
  }

  /** The room is owned under this triple from here on. */
  begin(triple: Triple, now: Instant): void {
    this.#now = now;
    this.#triple = triple;
    this.#tag = tagOf(triple);
    this.#recent.beginTag(this.#tag);
    this.#news.begin(triple.epoch);
    this.#speech.log?.begin();
    this.#bindings.void(now.monoMs);
    this.#wake();
  }

  /** Whether its program was told that it is open here. */
  get started(): boolean {
    return this.#started;
  }

  openProgram(now: Instant): void {
    this.#now = now;
    this.#started = true;
    this.#speech.call(() => this.#program.open());
  }

  /** Members that the last owner knew: counted until their routers seat them here, or `leaveRouterLost` has passed. */
  expect(
    members: readonly { session: string; user: string; since: number; meta?: unknown; router: string }[],
    now: Instant,
  ): void {
    for (const one of members) {
      if (this.#roster.get(one.session) !== undefined) continue;
      const session = this.#roster.add({ ...one, handle: 0, seat: 0, kind: 'rebind' }, one.router);
      this.#history.recall(session, { kind: 'rebind' });
      this.#roster.markPresent(session, true);
      this.#roster.unseat(session, 'router-lost', now.monoMs);
    }
    this.#news.changed();
    this.#wake();
  }

  // --- seats -------------------------------------------------------------------------------------------------------------------

  /** Seats the sessions of an OPEN, or refuses each with its reason.
   *  @param older  what was read of the log, where `olderThan` asked for it */
  open(link: number, router: string, open: Open, now: Instant, older: readonly LogEntry[] = []): void {
    this.#now = now;
    this.#serial = open.serial ?? 0;
    const rebinds = open.sessions.filter((one) => one.kind === 'rebind');
    if (rebinds.length > 0) this.#rebind(link, router, open, rebinds, older);
    for (const one of open.sessions) if (one.kind !== 'rebind') this.#seat(link, router, one, older);
  }

  /** All sessions that a router has here show the router's cursor: one replay serves them, then what is live. */
  #rebind(link: number, router: string, open: Open, asked: readonly OpenSession[], older: readonly LogEntry[]): void {
    const accepted = asked.filter((one) => this.#admit(link, one));
    this.#unbind(link);
    if (accepted.length === 0) return;
    const standing = open.cursor === undefined ? undefined : this.#history.standing(open.cursor, older);
    const missed = this.#history.missedBy(standing, { asked: 0, said: 0 }, older);
    const binding = this.#bindings.bind(link, this.#triple, missed[0] === undefined ? this.head : missed[0].seq - 1, 0);
    for (const one of accepted) {
      const known = this.#roster.get(one.session);
      const session = known ?? this.#roster.add(one, router);
      const isStranger = known === undefined || known.seat === 0;
      session.ownerLost ||= isStranger;
      if (isStranger) session.seat = one.seat;
      if (isStranger && session.mark === undefined) this.#history.recall(session, one);
      this.#place(session, one, { link, router, handle: one.handle }, binding);
      const sinceMs = this.#now.monoMs - this.#limits.resumeMs;
      // Before OPENED, which acks the frames that they answer: whoever has that has these.
      for (const text of unheard(session, one.acked, sinceMs)) this.#direct(session, text);
      this.#opened(session, binding, standing?.kind === 'reset' ? 'reset' : 'resumed');
    }
    for (const entry of missed) this.#bindings.castTo(link, binding, 'message', entry.seq, entry.frame);
    if (standing?.kind === 'reset') {
      // Of the class whose seq a router keeps as its cursor: until it has this one, it goes on to show the old one.
      const frame = textFrame(this.#resetText(standing.reason, accepted.length));
      this.#bindings.castTo(link, binding, 'message', this.head, frame);
    }
    let joined = false;
    for (const one of accepted) {
      const session = this.#roster.get(one.session);
      if (session === undefined) continue;
      joined = this.#arrive(session, false) || joined;
      this.#output.changed(session);
    }
    // Whoever is here already learns of those who came with this router from the same snapshot that they get themselves.
    const presence = textFrame(this.#news.listText(this.#now));
    if (joined) this.#bindings.cast('event', 0, presence);
    else this.#bindings.castTo(link, binding, 'event', 0, presence);
  }

  #seat(link: number, router: string, one: OpenSession, older: readonly LogEntry[]): void {
    if (!this.#admit(link, one)) return;
    const known = this.#roster.get(one.session);
    if (known === undefined && this.#roster.size >= this.#limits.sessionsMax)
      return this.#refuse(link, one.handle, 'full');
    const session = known ?? this.#roster.add(one, router);
    if ((known === undefined || known.seat === 0) && session.mark === undefined) this.#history.recall(session, one);
    const forgotten = isForgotten(one, known, session, this.#speech.log !== undefined);
    this.#speech.log?.keep(session.session);
    const bound = this.#bindings.get(link);
    const binding =
      bound === undefined || bound.stale
        ? this.#bindings.bind(link, this.#triple, this.head, bound?.sessions ?? 0)
        : bound;
    this.#place(session, one, { link, router, handle: one.handle }, binding);
    const { head } = this;
    const isNew = this.#arrive(session, true);
    // What the program said at the arrival belongs to what is told here.
    const said = this.head - head;
    const standing =
      one.kind === 'resume' && one.cursor !== undefined ? this.#history.standing(one.cursor, older) : undefined;
    const missed = this.#history.missedBy(standing, { asked: one.history ?? 0, said }, older);
    const resumed = one.kind === 'resume' && standing?.kind !== 'reset';
    const seq = missed[0] === undefined ? this.head : missed[0].seq - 1;
    this.#direct(
      session,
      welcomeText(this, session, this.#limits, { seq, resumed, forgotten, resume: this.#output.resumeToken(session) }),
    );
    if (standing?.kind === 'reset') this.#direct(session, this.#resetText(standing.reason, 1));
    this.#direct(session, this.#news.listText(this.#now));
    for (const entry of missed)
      this.#output.send(link, { type: 'direct', session: one.handle, ephemeral: false, frame: entry.frame });
    // Last of all: the router keeps the above until it knows by this that it has the whole of it.
    this.#opened(session, binding, one.kind === 'join' ? 'new' : resumed ? 'resumed' : 'reset');
    if (isNew || one.kind === 'resume') this.#output.changed(session);
  }

  /** Refuses a seat below the one that holds the session; a higher one evicts the lower. */
  #admit(link: number, one: OpenSession): boolean {
    const known = this.#roster.get(one.session);
    const place = known?.place;
    const isHere = place?.link === link && place.handle === one.handle;
    const mark = known?.mark ?? this.#history.markOf(one.session);
    const verdict = judgeSeat(one, known, mark, isHere || !this.#output.raisesSeats(link));
    if (verdict !== 'granted') {
      if (verdict === 'replaced') this.#refuse(link, one.handle, 'replaced');
      else this.#refuse(link, one.handle, 'wait', verdict.next);
      if (verdict !== 'replaced' && known !== undefined) known.seatOffered = verdict.next;
      return false;
    }
    if (known !== undefined && place !== undefined && !isHere) {
      this.#output.send(place.link, { type: 'close-client', session: place.handle, code: 4409, reason: 'replaced' });
      this.#leavePlace(known);
    }
    return true;
  }

  #place(session: RoomSession, one: OpenSession, place: Place, binding: Binding): void {
    if (session.place === undefined) binding.sessions++;
    this.#roster.seat(session, one.seat, place);
    this.#output.seated(session);
  }

  #opened(session: RoomSession, binding: Binding, verdict: 'new' | 'resumed' | 'reset'): void {
    const { place } = session;
    if (place === undefined) return;
    const { handle: room } = binding;
    const { handle, link } = place;
    this.#output.send(link, {
      type: 'opened',
      session: handle,
      room,
      cseq: session.ackedCseq,
      serial: this.#serial,
      verdict,
    });
  }

  #refuse(link: number, handle: number, reason: RefusedReason, seat?: number): void {
    const more = seat === undefined ? {} : { seat };
    this.#output.send(link, { type: 'refused', session: handle, reason, serial: this.#serial, ...more });
  }

  /** The router did not get to know this binding. */
  bindLost(link: number, handle: number): void {
    if (this.handleOn(link) !== handle) return;
    this.#now = this.#output.now();
    this.#bindings.void(this.#now.monoMs, link);
    this.#wake();
  }

  /** Takes every session off a link without announcing anything. */
  #unbind(link: number): void {
    if (!this.#bindings.unbind(link)) return;
    for (const session of this.#roster.sessions()) {
      if (session.place?.link !== link) continue;
      this.#output.unseated(link, session.place.handle);
      this.#roster.unseat(session, 'router-lost', this.#now.monoMs);
    }
    this.#wake();
  }

  /** The binding under which a link's routers hear this room. */
  handleOn(link: number): number | undefined {
    return this.#bindings.get(link)?.handle;
  }

  #leavePlace(session: RoomSession): void {
    const { place } = session;
    if (place === undefined) return;
    this.#output.unseated(place.link, place.handle);
    this.#bindings.release(place.link);
    this.#roster.unseat(session, 'broken', this.#now.monoMs);
    this.#wake();
  }

  // --- coming and going --------------------------------------------------------------------------------------------------------

  /** Marks a session as a member. True when it was not one before. */
  #arrive(session: RoomSession, announce: boolean): boolean {
    if (session.present) return false;
    this.#roster.markPresent(session, true);
    this.#news.arrived(session, announce, this.#now);
    this.#speech.call(() => this.#program.join(session));
    return true;
  }

  #depart(session: RoomSession): void {
    if (!session.present) return;
    this.#roster.markPresent(session, false);
    this.#news.departed(session, this.#now);
    this.#speech.call(() => this.#program.leave(session));
    this.#output.changed(session);
  }

  closeSession(session: RoomSession, how: 'left' | 'broken' | 'detached', now: Instant): void {
    this.#now = now;
    if (session.place === undefined) return;
    this.#leavePlace(session);
    if (how === 'left') {
      this.#depart(session);
      this.#forget(session);
    } else if (how === 'detached') {
      this.#roster.unseat(session, 'router-lost', now.monoMs);
      this.#wake();
    }
  }

  #forget(session: RoomSession): void {
    this.#roster.remove(session);
    this.#speech.log?.forget(session.session);
    // From here on it counts for how long nobody is here.
    if (this.#roster.size === 0) this.#output.wake(this.#now.monoMs);
  }

  linkLost(link: number, now: Instant): void {
    this.#now = now;
    this.#unbind(link);
  }

  // --- what is said ------------------------------------------------------------------------------------------------------------

  /** Takes one frame of a client, unless this seat's frames were taken up to it already. */
  frame(session: RoomSession, frame: ClientFrame, now: Instant): void {
    this.#now = now;
    this.#frames.take(session, frame, now);
  }

  /** Publishes in a backend's name; `done` is told once it is known where it went. @param key  under which a repetition is known
   *  @throws MessageTooLarge */
  publishFrom(from: string | null, data: Json, key: string | undefined, done: (how: Published) => void): void {
    this.#speech.publishFrom(from, data, key, done);
  }

  relay(publish: Publish): void {
    this.#speech.relay(publish);
  }

  broadcast(data: Json): void {
    this.#speech.broadcast(data);
  }

  send(session: string, data: Json): void {
    this.sendFrom(null, session, data);
  }

  /** @returns whether the session is seated here */
  sendFrom(from: string | null, session: string, data: Json): boolean {
    const to = this.#roster.get(session);
    if (to?.place === undefined) return false;
    this.#direct(to, encode.direct({ from, data }));
    return true;
  }

  setTimer(name: string, ms: number): void {
    this.#program.setTimer(name, this.#output.now().monoMs + Math.max(0, ms));
    this.#wake();
  }

  clearTimer(name: string): void {
    this.#program.clearTimer(name);
  }

  // --- output ------------------------------------------------------------------------------------------------------------------

  #direct(session: RoomSession, text: string): void {
    const frame = boundedFrame(text, this.#limits);
    const { place } = session;
    if (place === undefined) return;
    this.#output.send(place.link, { type: 'direct', session: place.handle, ephemeral: false, frame });
  }

  #resetText(reason: ResetReason, sessions: number): string {
    this.#output.count(`reset_${reason}`, sessions);
    return encode.reset({ reason, seq: this.head, tag: this.#tag });
  }

  // --- time and the end ----------------------------------------------------------------------------------------------------------

  /** When something here is due, monotonic ms; infinite while nothing is. May be earlier than it is, never later. */
  get dueMs(): number {
    const logDueMs = this.#speech.log?.dueMs ?? Number.POSITIVE_INFINITY;
    return Math.min(
      this.#roster.dueMs,
      this.#news.dueMs,
      this.#program.dueMs,
      this.#bindings.dueMs,
      logDueMs,
      this.#history.dueMs,
    );
  }

  #wake(): void {
    const { dueMs } = this;
    if (dueMs !== Number.POSITIVE_INFINITY) this.#output.wake(dueMs);
  }

  /** Does what is due. To be called when `dueMs` is reached, and harmless at any other time. */
  tick(now: Instant): void {
    this.#now = now;
    this.#news.forgetList();
    for (const link of this.#bindings.givenUp(now.monoMs)) this.#unbind(link);
    for (const session of this.#roster.due(now.monoMs, (one) => this.#speech.log?.forget(one.session)))
      this.#depart(session);
    this.#history.tick(now.monoMs);
    if (!this.#speech.isBehind) this.#speech.call(() => this.#program.tick(now.monoMs));
    this.#speech.log?.tick(now);
    this.#news.tick(now);
  }

  /** Closes one session's socket and forgets the session. @returns whether it was here */
  kick(session: RoomSession, code: number, reason: string, now: Instant): void {
    this.#now = now;
    const { place } = session;
    if (place !== undefined) {
      this.#output.send(place.link, { type: 'close-client', session: place.handle, code, reason });
      this.#leavePlace(session);
    }
    this.#depart(session);
    this.#forget(session);
  }

  /** Tells every router that the room is closed for good. */
  closeAll(code: number, reason: string): void {
    this.#bindings.tellGone(code, reason);
    this.end();
  }

  /** The room is not this node's any more: sessions are let go without a word. */
  end(): void {
    for (const link of this.#bindings.links) this.#unbind(link);
    this.#program.close();
    this.#speech.log?.close();
    this.#keys.close();
    this.#recent.close();
  }

  /** What a handover carries, of messages those after a seq. */
  carry(after = 0): RoomState {
    const program = this.#program.state();
    return {
      ...carriedRecent(this.#recent, after),
      sessions: this.#roster.carry(this.#output.now().monoMs),
      ...this.#history.carry(this.#output.now().monoMs),
      version: this.#news.version,
      ...(program === undefined ? {} : { program }),
    };
  }

  /** Whether memory still has that message. */
  remembers(seq: number): boolean {
    return this.#recent.page(seq - 1, 1)[0]?.seq === seq;
  }

  messagesAfter(seq: number, limit: number): unknown[] {
    return this.#recent.page(seq, limit).map((entry) => JSON.parse(payloadOf(entry.frame).toString('utf8')));
  }
}
