/** One room as its owner serves it: seats sessions, runs the program, numbers and casts what is said, tells who comes and goes.
 *  Owns: the roster, the last messages, the bindings of routers. Does not know: how the room came to be owned, sockets, Redis.
 *  Invariants: deliveries to one session are a contiguous run of seqs between resets; a frame of a seat is taken at most once.
 *  @see DESIGN §6, §7 */
import type { Instant } from '../shared/clock.ts';
import { type Tag, type Triple, tagOf } from '../shared/directory/directory.ts';
import type { ErrorCode } from '../shared/errors.ts';
import type { CastClass, ClientFrame, Open, OpenSession, RefusedReason } from '../shared/link/messages.ts';
import type { ClientMessage } from '../shared/protocol.ts';
import { decodeClientMessage } from '../shared/protocol-decode.ts';
import * as encode from '../shared/protocol-encode.ts';
import { payloadOf, textFrame } from '../shared/websocket-frame.ts';
import type { Json, Member, Program, Publish, RoomContext } from './program.ts';
import { ProgramHost } from './program-host.ts';
import { Recent, type ResetReason } from './recent.ts';
import type { RoomLimits, RoomOutput } from './room-output.ts';
import { boundedFrame, carriedEntry, entryFrom, type RoomState } from './room-state.ts';
import { presenceText, welcomeText } from './room-words.ts';
import { type RoomSession, Roster } from './roster.ts';

/** One router's share in the room: every session seated on that link. */
interface Binding {
  readonly handle: number;
  sessions: number;
  /** Made under an earlier tag: nothing is cast under it any more, its router is about to show its cursor. */
  stale: boolean;
  /** Since when it is stale, monotonic ms. */
  staleMs: number;
}

/** Largest `meta` of a member, as JSON text. */
const META_CHARS_MAX = 2_048;

/** What is told in sum (the count of a large room, the list after a change of meta) is told at most this often, milliseconds. */
const SUMMARY_EVENT_MS = 1_000;

/** A router that was told to show its cursor does so within this time, milliseconds. */
const STALE_BINDING_MS = 1_000;

export class Room implements RoomContext {
  readonly room: string;
  readonly #limits: RoomLimits;
  readonly #output: RoomOutput;
  readonly #roster: Roster;
  readonly #recent: Recent;
  readonly #program: ProgramHost;
  readonly #bindings = new Map<number, Binding>();
  #triple: Triple;
  #now: Instant;
  #version = 0;
  #started = false;
  /** Of the OPEN that is being answered. */
  #serial = 0;
  #summaryAtMs = 0;
  #summaryDue: 'none' | 'count' | 'presence' = 'none';
  /** The publish the program is being called with, until it is relayed. */
  #current: { readonly publish: Publish; readonly dataText: string; relayed: boolean } | undefined;

  constructor(
    room: string,
    triple: Triple,
    makeProgram: (room: string, state: Json | undefined) => Program,
    limits: RoomLimits,
    output: RoomOutput,
    now: Instant,
    state?: RoomState,
  ) {
    this.room = room;
    this.#triple = triple;
    this.#limits = limits;
    this.#output = output;
    this.#now = now;
    this.#roster = new Roster(limits);
    this.#recent = new Recent(limits.recentMax);
    this.#program = new ProgramHost(makeProgram(room, state?.program), this, (error) => output.failed(error));
    if (state !== undefined) {
      this.#version = state.version;
      this.#recent.restore(state.head, state.tags, state.entries.map(entryFrom));
      this.#roster.restore(state.sessions, now.monoMs);
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

  get version(): number {
    return this.#version;
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
    return [...this.#bindings.keys()];
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

  /** The room is owned under this triple from here on. */
  begin(triple: Triple, now: Instant): void {
    this.#now = now;
    this.#triple = triple;
    this.#recent.beginTag(tagOf(triple));
    for (const binding of this.#bindings.values()) this.#void(binding);
  }

  /** Whether its program was told that it is open here. */
  get started(): boolean {
    return this.#started;
  }

  openProgram(now: Instant): void {
    this.#now = now;
    this.#started = true;
    this.#program.open();
  }

  /** Members that the last owner knew: counted until their routers seat them here, or `leaveRouterLost` has passed. */
  expect(
    members: readonly { session: string; user: string; since: number; meta?: unknown; router: string }[],
    now: Instant,
  ): void {
    for (const one of members) {
      if (this.#roster.get(one.session) !== undefined) continue;
      const session = this.#roster.add({ ...one, handle: 0, seat: 0, kind: 'rebind' }, one.router);
      this.#roster.markPresent(session, true);
      this.#roster.unseat(session, 'router-lost', now.monoMs);
    }
    this.#version++;
  }

  // --- seats -------------------------------------------------------------------------------------------------------------------

  /** Seats the sessions of an OPEN, or refuses each with its reason. */
  open(link: number, router: string, open: Open, now: Instant): void {
    this.#now = now;
    this.#serial = open.serial ?? 0;
    const rebinds = open.sessions.filter((one) => one.kind === 'rebind');
    if (rebinds.length > 0) this.#rebind(link, router, open, rebinds);
    for (const one of open.sessions) if (one.kind !== 'rebind') this.#seat(link, router, one);
  }

  /** All sessions that a router has here show the router's cursor: one replay serves them, then what is live. */
  #rebind(link: number, router: string, open: Open, asked: readonly OpenSession[]): void {
    const accepted = asked.filter((one) => this.#admit(link, one));
    this.#unbind(link);
    if (accepted.length === 0) return;
    const standing = open.cursor === undefined ? undefined : this.#recent.standing(open.cursor);
    const missed = standing?.kind === 'resumed' ? standing.missed : [];
    const binding = this.#bind(link, missed[0] === undefined ? this.head : missed[0].seq - 1);
    for (const one of accepted) {
      const known = this.#roster.get(one.session);
      const session = known ?? this.#roster.add(one, router);
      const isStranger = known === undefined || known.seat === 0;
      session.ownerLost ||= isStranger;
      if (isStranger) session.seat = one.seat;
      this.#take(session, one, { link, router, handle: one.handle }, binding);
      this.#opened(session, binding, standing?.kind === 'reset' ? 'reset' : 'resumed');
    }
    for (const entry of missed) this.#castTo(link, binding, 'message', entry.seq, entry.frame);
    if (standing?.kind === 'reset') {
      // Of the class whose seq a router keeps as its cursor: until it has this one, it goes on to show the old one.
      this.#castTo(link, binding, 'message', this.head, textFrame(this.#resetText(standing.reason)));
    }
    let joined = false;
    for (const one of accepted) {
      const session = this.#roster.get(one.session);
      if (session === undefined) continue;
      joined = this.#arrive(session, false) || joined;
      this.#output.changed(session);
    }
    // Whoever is here already learns of those who came with this router from the same snapshot that they get themselves.
    const presence = textFrame(this.#presenceText());
    if (joined) this.#cast('event', 0, presence);
    else this.#castTo(link, binding, 'event', 0, presence);
  }

  #seat(link: number, router: string, one: OpenSession): void {
    if (!this.#admit(link, one)) return;
    const known = this.#roster.get(one.session);
    if (known === undefined && this.#roster.size >= this.#limits.sessionsMax)
      return this.#refuse(link, one.handle, 'full');
    const session = known ?? this.#roster.add(one, router);
    const bound = this.#bindings.get(link);
    const binding = bound === undefined || bound.stale ? this.#bind(link, this.head, bound?.sessions) : bound;
    this.#take(session, one, { link, router, handle: one.handle }, binding);
    const { head } = this;
    const isNew = this.#arrive(session, true);
    // What the program said at the arrival belongs to what is told here.
    const said = this.head - head;
    const standing = one.kind === 'resume' && one.cursor !== undefined ? this.#recent.standing(one.cursor) : undefined;
    const missed =
      standing?.kind === 'resumed'
        ? standing.missed
        : standing?.kind === 'reset'
          ? []
          : this.#recent.last((one.history ?? 0) + said);
    const resumed = one.kind === 'resume' && standing?.kind !== 'reset';
    const seq = missed[0] === undefined ? this.head : missed[0].seq - 1;
    this.#direct(
      session,
      welcomeText(this, session, this.#limits, { seq, resumed, resume: this.#output.resumeToken(session) }),
    );
    if (standing?.kind === 'reset') this.#direct(session, this.#resetText(standing.reason));
    this.#direct(session, this.#presenceText());
    for (const entry of missed)
      this.#output.send(link, { type: 'direct', session: one.handle, ephemeral: false, frame: entry.frame });
    // Last of all: the router keeps the above until it knows by this that it has the whole of it.
    this.#opened(session, binding, one.kind === 'join' ? 'new' : resumed ? 'resumed' : 'reset');
    if (isNew || one.kind === 'resume') this.#output.changed(session);
  }

  /** Refuses a seat below the one that holds the session; a higher one evicts the lower. */
  #admit(link: number, one: OpenSession): boolean {
    const known = this.#roster.get(one.session);
    if (known === undefined) return true;
    if (one.seat < known.seat) {
      this.#refuse(link, one.handle, 'replaced');
      return false;
    }
    const { place } = known;
    if (place !== undefined && (place.link !== link || place.handle !== one.handle)) {
      this.#output.send(place.link, { type: 'close-client', session: place.handle, code: 4409, reason: 'replaced' });
      this.#leavePlace(known);
    }
    return true;
  }

  #take(
    session: RoomSession,
    one: OpenSession,
    place: { link: number; router: string; handle: number },
    binding: Binding,
  ): void {
    if (session.place === undefined) binding.sessions++;
    this.#roster.seat(session, one.seat, place);
    this.#output.seated(session);
  }

  #opened(session: RoomSession, binding: Binding, verdict: 'new' | 'resumed' | 'reset'): void {
    const { place } = session;
    if (place === undefined) return;
    this.#output.send(place.link, {
      type: 'opened',
      session: place.handle,
      room: binding.handle,
      cseq: session.cseq,
      serial: this.#serial,
      verdict,
    });
  }

  #refuse(link: number, handle: number, reason: RefusedReason): void {
    this.#output.send(link, { type: 'refused', session: handle, reason, serial: this.#serial });
  }

  #bind(link: number, head: number, sessions = 0): Binding {
    const binding: Binding = { handle: this.#output.newHandle(), sessions, stale: false, staleMs: 0 };
    this.#bindings.set(link, binding);
    this.#output.send(link, { type: 'bind', handle: binding.handle, room: this.room, ...this.#triple, head });
    return binding;
  }

  /** The router did not get to know this binding. */
  bindLost(link: number, handle: number): void {
    const binding = this.#bindings.get(link);
    if (binding?.handle === handle) this.#void(binding);
  }

  #void(binding: Binding): void {
    if (!binding.stale) binding.staleMs = this.#now.monoMs;
    binding.stale = true;
  }

  /** Takes every session off a link without announcing anything. */
  #unbind(link: number): void {
    if (!this.#bindings.delete(link)) return;
    for (const session of this.#roster.sessions()) {
      if (session.place?.link !== link) continue;
      this.#output.unseated(link, session.place.handle);
      this.#roster.unseat(session, 'router-lost', this.#now.monoMs);
    }
  }

  /** The binding under which a link's routers hear this room. */
  handleOn(link: number): number | undefined {
    return this.#bindings.get(link)?.handle;
  }

  #leavePlace(session: RoomSession): void {
    const { place } = session;
    if (place === undefined) return;
    this.#output.unseated(place.link, place.handle);
    const binding = this.#bindings.get(place.link);
    if (binding !== undefined && --binding.sessions <= 0) this.#bindings.delete(place.link);
    this.#roster.unseat(session, 'broken', this.#now.monoMs);
  }

  // --- coming and going --------------------------------------------------------------------------------------------------------

  /** Marks a session as a member. True when it was not one before. */
  #arrive(session: RoomSession, announce: boolean): boolean {
    if (session.present) return false;
    this.#roster.markPresent(session, true);
    this.#version++;
    if (announce) this.#announce('join', session);
    this.#program.join(session);
    return true;
  }

  #depart(session: RoomSession): void {
    if (!session.present) return;
    this.#roster.markPresent(session, false);
    this.#version++;
    this.#announce('leave', session);
    this.#program.leave(session);
    this.#output.changed(session);
  }

  #announce(what: 'join' | 'leave', session: RoomSession): void {
    const { members } = this.#roster;
    if (members > this.#limits.namedMembersMax) {
      if (this.#summaryDue === 'none') this.#summaryDue = 'count';
      return;
    }
    const event = {
      user: session.user,
      session: session.session,
      at: this.#now.wallMs,
      version: this.#version,
      members,
    };
    this.#cast('event', 0, textFrame(what === 'join' ? encode.join(event) : encode.leave(event)), session);
  }

  closeSession(session: RoomSession, how: 'left' | 'broken' | 'detached', now: Instant): void {
    this.#now = now;
    if (session.place === undefined) return;
    this.#leavePlace(session);
    if (how === 'left') {
      this.#depart(session);
      this.#roster.remove(session);
    } else if (how === 'detached') {
      this.#roster.unseat(session, 'router-lost', now.monoMs);
    }
  }

  linkLost(link: number, now: Instant): void {
    this.#now = now;
    this.#unbind(link);
  }

  // --- what is said ------------------------------------------------------------------------------------------------------------

  /** Takes one frame of a client, unless this seat's frames were taken up to it already. */
  frame(session: RoomSession, frame: ClientFrame, now: Instant): void {
    this.#now = now;
    const { place } = session;
    if (place === undefined || frame.cseq <= session.cseq) return;
    session.cseq = frame.cseq;
    // What comes for the first time, comes after all that the lost owner may have had.
    if (!frame.resent) session.ownerLost = false;
    this.#output.ack(place.link, place.handle, frame.cseq);
    const decoded = decodeClientMessage(frame.payload.toString('utf8'));
    if (!decoded.ok) {
      session.lastId = Math.max(session.lastId, decoded.id ?? 0);
      return this.#error(session, decoded.code, decoded.message, decoded.id);
    }
    const { message } = decoded;
    switch (message.type) {
      case 'publish':
        return this.#publish(session, message, message.dataText, frame.resent);
      case 'signal':
        if (!frame.resent) this.#signal(session, message.dataText);
        return;
      case 'meta':
        if (message.dataText.length > META_CHARS_MAX) {
          return this.#error(session, 'too_large', `meta may be at most ${META_CHARS_MAX} characters`, undefined);
        }
        session.meta = message.data === null ? undefined : message.data;
        this.#version++;
        this.#output.changed(session);
        this.#summaryDue = 'presence';
        return;
      case 'ping':
        return this.#direct(session, encode.pong());
      default:
        message satisfies never;
    }
  }

  #publish(
    session: RoomSession,
    message: Extract<ClientMessage, { type: 'publish' }>,
    dataText: string,
    resent: boolean,
  ): void {
    const { id } = message;
    if (resent && session.ownerLost) {
      session.lastId = Math.max(session.lastId, id ?? 0);
      return this.#error(session, 'owner_lost', 'the room lost its owner before this was acknowledged', id);
    }
    if (id !== undefined) {
      if (id <= session.lastId) {
        const said = this.#recent.find(session.session, id);
        if (said !== undefined) return this.#direct(session, encode.ack({ id, seq: said.seq }));
        return this.#error(session, 'outcome_unknown', 'this id was used before and is no longer remembered', id);
      }
      session.lastId = id;
    }
    this.#output.count('publishes');
    const publish: Publish = { member: session, id, data: message.data as Json };
    const current = { publish, dataText, relayed: false };
    this.#current = current;
    const fits = this.#program.message(publish);
    this.#current = undefined;
    if (!fits) return this.#error(session, 'too_large', 'the answer to this is too large', id);
    if (!current.relayed && id !== undefined) this.#direct(session, encode.ack({ id, seq: this.head }));
  }

  #signal(session: RoomSession, dataText: string): void {
    const text = encode.signal({ from: session.user, session: session.session, dataText });
    this.#cast('ephemeral', 0, boundedFrame(text), session);
  }

  /** Publishes in a backend's name. @returns the message's seq */
  publishFrom(from: string | null, data: Json, now: Instant): number {
    this.#now = now;
    this.#say(from, undefined, undefined, JSON.stringify(data));
    return this.head;
  }

  #say(from: string | null, session: string | undefined, id: number | undefined, dataText: string): void {
    const seq = this.#recent.head + 1;
    const tag = tagOf(this.#triple);
    const text = encode.message({ seq, tag, from, session: session ?? null, id, at: this.#now.wallMs, dataText });
    const frame = boundedFrame(text);
    this.#recent.push({ seq, tag, session, id, frame });
    this.#cast('message', seq, frame);
  }

  relay(publish: Publish): void {
    const { member } = publish;
    // The text as it came, where there is one: what a client said arrives unchanged.
    const current = this.#current?.publish === publish ? this.#current : undefined;
    if (current !== undefined) current.relayed = true;
    this.#say(member.user, member.session, publish.id, current?.dataText ?? JSON.stringify(publish.data));
  }

  broadcast(data: Json): void {
    this.#say(null, undefined, undefined, JSON.stringify(data));
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
    this.#program.setTimer(name, this.#now.monoMs + Math.max(0, ms));
  }

  clearTimer(name: string): void {
    this.#program.clearTimer(name);
  }

  // --- output ------------------------------------------------------------------------------------------------------------------

  #cast(castClass: CastClass, seq: number, frame: Buffer, excluded?: RoomSession): void {
    for (const [link, binding] of this.#bindings) {
      this.#castTo(link, binding, castClass, seq, frame, excluded?.place?.link === link ? excluded.place.handle : 0);
    }
  }

  #castTo(link: number, binding: Binding, castClass: CastClass, seq: number, frame: Buffer, excluded = 0): void {
    if (binding.stale) return;
    this.#output.count('casts');
    this.#output.send(link, { type: 'cast', room: binding.handle, class: castClass, seq, excluded, frame });
  }

  #direct(session: RoomSession, text: string): void {
    const { place } = session;
    const frame = boundedFrame(text);
    if (place === undefined) return;
    this.#output.send(place.link, { type: 'direct', session: place.handle, ephemeral: false, frame });
  }

  #error(session: RoomSession, code: ErrorCode, message: string, id: number | undefined): void {
    this.#direct(session, encode.error({ code, message, id }));
  }

  #resetText(reason: ResetReason): string {
    return encode.reset({ reason, seq: this.head, tag: tagOf(this.#triple) });
  }

  #presenceText(): string {
    return presenceText(this.#roster.present(), this.#version, this.#limits.presenceMembersMax);
  }

  // --- time and the end ----------------------------------------------------------------------------------------------------------

  tick(now: Instant): void {
    this.#now = now;
    for (const [link, binding] of this.#bindings) {
      // Its router does not show a cursor: it has no session of this room any more, though it could not say so.
      if (binding.stale && now.monoMs - binding.staleMs >= STALE_BINDING_MS) this.#unbind(link);
    }
    for (const session of this.#roster.due(now.monoMs)) this.#depart(session);
    this.#program.tick(now.monoMs);
    if (this.#summaryDue === 'none' || now.monoMs - this.#summaryAtMs < SUMMARY_EVENT_MS) return;
    const text =
      this.#summaryDue === 'presence'
        ? this.#presenceText()
        : encode.members({ count: this.#roster.members, version: this.#version });
    this.#summaryDue = 'none';
    this.#summaryAtMs = now.monoMs;
    this.#cast('event', 0, textFrame(text));
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
    this.#roster.remove(session);
  }

  /** Tells every router that the room is closed for good. */
  closeAll(code: number, reason: string): void {
    for (const [link, binding] of this.#bindings)
      this.#output.send(link, { type: 'gone', room: binding.handle, code, reason });
    this.end();
  }

  /** The room is not this node's any more: sessions are let go without a word. */
  end(): void {
    for (const link of [...this.#bindings.keys()]) this.#unbind(link);
    this.#program.close();
  }

  /** What a handover carries. */
  carry(): RoomState {
    const program = this.#program.state();
    return {
      head: this.#recent.head,
      tags: this.#recent.tags,
      entries: this.#recent.entries.map(carriedEntry),
      sessions: this.#roster.carry(),
      version: this.#version,
      ...(program === undefined ? {} : { program }),
    };
  }

  messagesAfter(seq: number, limit: number): unknown[] {
    return this.#recent.page(seq, limit).map((entry) => JSON.parse(payloadOf(entry.frame).toString('utf8')));
  }
}
