/** One client's place in one room, over any number of sockets. Owns: the present socket, the session, and what is done about a loss.
 *  Does not know: which router or node serves it.
 *
 *    connecting ──welcome──▶ open          Every close has a verdict (CLOSE_CODES in shared/errors.ts): resume and retry wait and
 *        ▲    ╲                │           connect again, refresh asks for another token first, stop is the end.
 *        │     ╲ no welcome    │ loss
 *     timer     ▼              ▼
 *        └──────── waiting ◀───┘ ── stop, close() ──▶ closed
 *
 *  Invariants: a socket that is not the present one is not listened to; a session's publishes are each settled once; a message is
 *  emitted once; after `closed` there is no timer and no socket.
 *  @see docs/client.md, DESIGN §6, §7 */
import { verdictOf } from '../shared/errors.ts';
import {
  BEARER_SUBPROTOCOL_PREFIX,
  type DirectMessage,
  type JoinMessage,
  type Json,
  type LeaveMessage,
  type NoticeMessage,
  type PresenceEntry,
  type PresenceMessage,
  type ResetMessage,
  type RoomMessage,
  type ServerMessage,
  type SignalMessage,
  SUBPROTOCOL,
  type WelcomeMessage,
} from '../shared/protocol.ts';
import { addressOf, parseAddress, withTicket } from './address.ts';
import { Cursor } from './cursor.ts';
import { Emitter } from './emitter.ts';
import { MemberList, type Members } from './members.ts';
import { type ConnectOptions, type WebSocketLike, withDefaults } from './options.ts';
import { jsonOf, Outbox, type Published } from './outbox.ts';
import { Pace } from './pace.ts';
import { Retry } from './retry.ts';
import { RoomError } from './room-error.ts';

export type RoomState =
  | { readonly status: 'connecting'; readonly url: string }
  /** `resumed`: nothing was missed. Otherwise a `reset` follows, unless it is the first time. */
  | { readonly status: 'open'; readonly url: string; readonly resumed: boolean }
  /** Connects again in `retryMs`; `code` and `reason` are those of the close, 1006 where the socket broke without one. */
  | { readonly status: 'waiting'; readonly retryMs: number; readonly code: number; readonly reason: string }
  /** For good. `error`: what the server said before, if it did. */
  | { readonly status: 'closed'; readonly code: number; readonly reason: string; readonly error?: RoomError };

export interface RoomEvents {
  message: RoomMessage;
  signal: SignalMessage;
  direct: DirectMessage;
  presence: PresenceMessage;
  join: JoinMessage;
  leave: LeaveMessage;
  /** After each change of the members that were told. */
  members: Members;
  state: RoomState;
  /** What lies between the last message and the next is not delivered. */
  reset: ResetMessage;
  notice: NoticeMessage;
  /** What no publish is rejected with: refused signals and meta, tokens that could not be had, refusals to enter. */
  error: RoomError;
}

/** An attempt to connect, and the seat it leads to. */
interface Attempt {
  readonly url: string;
  /** Whether it shows a session. */
  readonly resumes: boolean;
  socket: WebSocketLike | undefined;
  /** When the welcome came. */
  seatedMs: number | undefined;
  retryAfterMs: number | undefined;
  error: RoomError | undefined;
}

/** From the moment a token is asked for, and again from the moment it is there, to the welcome: longer than a router lets a client
 *  wait for its room's owner. */
const WELCOME_MS = 15_000;
/** A socket that is given up for another: unlike 1000, it lets the session be resumed. */
const GIVEN_UP = 4000;
/** Stands for a loss without a close frame (RFC 6455 §7.1.5). */
const BROKEN = 1006;
/** Attempts in a row that may be refused for their token. */
const TOKENS_MAX = 3;
/** Until a welcome names the limits. */
const PAYLOAD_BYTES_MAX = 65_536;
const META_CHARS_MAX = 2_048;
/** After these resets the room still knows what this session published before. */
const REMEMBERS: readonly string[] = ['trimmed', 'too_far'];

export class Room {
  readonly #options: ReturnType<typeof withDefaults>;
  readonly #urls: readonly URL[];
  readonly #emitter = new Emitter<RoomEvents>();
  readonly #outbox: Outbox;
  readonly #cursor = new Cursor();
  readonly #members = new MemberList();
  readonly #retry: Retry;
  #state: RoomState;
  #attempt: Attempt | undefined;
  #welcome: WelcomeMessage | undefined;
  #pace = new Pace(0, 0);
  /** Seated, but whether sent publishes may be repeated is only told by the reset that follows. */
  #isHeld = false;
  /** Of #urls: the one in use. */
  #router = 0;
  #tokensRefused = 0;
  #meta: string | undefined;
  #metaDue = false;
  /** The next presence shows whether the room has this client's meta. */
  #metaInDoubt = false;
  #heardMs = 0;
  #pinged = false;
  /** Of the present state: the end of an attempt, the next attempt, or the next look at a silent socket. */
  #timer: unknown;
  #paceTimer: unknown;

  constructor(urls: readonly string[], options: ConnectOptions) {
    this.#options = withDefaults(options);
    const { queueCountMax, queueBytesMax, retryWindowMsMax, random } = this.#options;
    this.#urls = urls.map(parseAddress);
    if (this.#urls.length === 0) throw new RoomError('bad_request', 'an address is needed');
    this.#outbox = new Outbox(queueCountMax, queueBytesMax);
    this.#retry = new Retry(random, retryWindowMsMax);
    this.#state = { status: 'connecting', url: this.#address() };
    this.#connect();
  }

  get state(): RoomState {
    return this.#state;
  }

  /** This client's session; undefined before the first welcome. */
  get session(): string | undefined {
    return this.#welcome?.session;
  }

  get user(): string | undefined {
    return this.#welcome?.user;
  }

  /** The members as far as they were told. */
  get members(): readonly PresenceEntry[] {
    return this.#members.view.list;
  }

  get memberCount(): number {
    return this.#members.view.count;
  }

  /** Calls `listener` at every event of this name. @returns takes it off again */
  on<Name extends keyof RoomEvents>(name: Name, listener: (event: RoomEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Says something to the room, now or as soon as it is open. Kept and repeated over losses until its outcome is known.
   *  @returns where it stands in the room, once acked. Rejects with a RoomError: a `retryable` one did not take effect; after
   *           `outcome_unknown` and `owner_lost` nobody knows */
  publish(data: Json): Promise<Published> {
    if (this.#state.status === 'closed') return Promise.reject(new RoomError('closed', 'the room is closed'));
    const outcome = this.#outbox.add(data);
    this.#flush();
    return outcome;
  }

  /** Says something to whoever is there now. @returns false where it was dropped: the room is not open, or the rate is reached */
  signal(data: Json): boolean {
    const text = jsonOf(data);
    return this.#state.status === 'open' && this.#send(`{"type":"signal","data":${text}}`);
  }

  /** Sets what presence shows of this client, now and after every loss; null takes it back.
   *  @throws RoomError `too_large` */
  setMeta(data: Json): void {
    const text = jsonOf(data);
    if (text.length > META_CHARS_MAX) throw new RoomError('too_large', `meta may have ${META_CHARS_MAX} characters`);
    this.#meta = text;
    this.#metaDue = true;
    this.#flush();
  }

  /** Leaves the room for good. What has no outcome is rejected. */
  close(): void {
    this.#end(1000, 'closed by this client');
  }

  // --- attempts ----------------------------------------------------------------------------------------------------------------

  #address(): string {
    const { user, history } = this.#options;
    const welcome = this.#welcome;
    const sent = this.#outbox.lastId;
    const resume = welcome && { session: welcome.session, token: welcome.resume, sent };
    // Its index is always taken modulo the length, which is not 0.
    return addressOf(this.#urls[this.#router] as URL, { user, history, resume, cursor: this.#cursor.at });
  }

  /** Another one, if there is another; any, so that the clients of a lost router do not all go to the one that is named after it. */
  #nextRouter(): number {
    const others = this.#urls.length - 1;
    if (others === 0) return 0;
    const step = 1 + Math.floor(this.#options.random() * others);
    return (this.#router + step) % this.#urls.length;
  }

  #connect(): void {
    const url = this.#address();
    const resumes = this.#welcome !== undefined;
    const attempt: Attempt = {
      ...{ url, resumes },
      ...{ socket: undefined, seatedMs: undefined, retryAfterMs: undefined, error: undefined },
    };
    this.#attempt = attempt;
    this.#expectWelcome();
    this.#become({ status: 'connecting', url });
    const { token, ticket } = this.#options;
    const shown = token ?? ticket;
    if (this.#attempt !== attempt) return;
    if (shown === undefined) return this.#open(attempt, undefined);
    void (async () => shown())().then(
      (secret) => this.#open(attempt, secret),
      (error: unknown) => {
        if (this.#attempt !== attempt) return;
        this.#emitter.emit('error', new RoomError('token_failed', 'the token could not be had', true, error));
        this.#lose(BROKEN, 'no token');
      },
    );
  }

  #open(attempt: Attempt, secret: string | undefined): void {
    if (this.#attempt !== attempt) return;
    const isBearer = this.#options.token !== undefined;
    const bearer = isBearer ? secret : undefined;
    const url = isBearer || secret === undefined ? attempt.url : withTicket(attempt.url, secret);
    const protocols = bearer === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, BEARER_SUBPROTOCOL_PREFIX + bearer];
    let socket: WebSocketLike;
    try {
      socket = new this.#options.WebSocket(url, protocols);
    } catch (error) {
      // It will be no other the next time: characters that a subprotocol cannot have, or an insecure address in a secure page.
      attempt.error = new RoomError('bad_request', 'the address or the token cannot be used', false, error);
      return this.#end(BROKEN, attempt.error.message);
    }
    attempt.socket = socket;
    const isPresent = () => this.#attempt === attempt;
    let isOpen = false;
    socket.onopen = () => {
      isOpen = true;
      if (isPresent()) this.#expectWelcome();
    };
    socket.onmessage = ({ data }: { readonly data: unknown }) => isPresent() && this.#hear(attempt, data);
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) =>
      isPresent() && this.#lose(code, reason);
    // A close follows, and knows more; only that of Node 20 does not follow where nobody was reached.
    socket.onerror = () => isPresent() && !isOpen && this.#lose(BROKEN, 'not connected');
  }

  #expectWelcome(): void {
    this.#setTimer(() => this.#lose(BROKEN, 'no welcome in time'), WELCOME_MS);
  }

  /** The present attempt, or the seat it led to, is over. */
  #lose(code: number, reason: string): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    const { seatedMs, retryAfterMs, resumes } = attempt;
    const verdict = verdictOf(code);
    // The session may be what is refused, not the user.
    const isForgotten = code === 4403 && resumes && seatedMs === undefined;
    if (isForgotten) this.#loseSession('the session could not be resumed');
    else if (verdict === 'stop') return this.#end(code, reason);
    if (verdict === 'refresh') {
      if ((this.#options.token ?? this.#options.ticket) === undefined || ++this.#tokensRefused >= TOKENS_MAX)
        return this.#end(code, reason);
    } else {
      this.#router = this.#nextRouter();
    }
    this.#drop();
    this.#outbox.rewind();
    const heldMs = seatedMs === undefined ? undefined : this.#options.clock.now() - seatedMs;
    const retryMs = this.#retry.after({ heldMs, retryAfterMs, retryWindowMs: this.#welcome?.retryWindowMs });
    this.#setTimer(() => this.#connect(), retryMs);
    this.#become({ status: 'waiting', retryMs, code, reason });
  }

  /** Lets go of the present socket. */
  #drop(code = GIVEN_UP): void {
    const socket = this.#attempt?.socket;
    this.#attempt = undefined;
    this.#isHeld = false;
    const { clock } = this.#options;
    clock.clearTimer(this.#timer);
    clock.clearTimer(this.#paceTimer);
    this.#paceTimer = undefined;
    socket?.close(code);
  }

  #loseSession(message: string): void {
    this.#welcome = undefined;
    this.#outbox.giveUpSent(message);
    this.#outbox.renumber();
  }

  #end(code: number, reason: string): void {
    if (this.#state.status === 'closed') return;
    const error = this.#attempt?.error;
    this.#drop(1000);
    this.#outbox.end(`the room is closed: ${reason}`);
    this.#become({ status: 'closed', code, reason, ...(error === undefined ? {} : { error }) });
  }

  #become(state: RoomState): void {
    this.#state = state;
    this.#emitter.emit('state', state);
  }

  #setTimer(call: () => void, ms: number): void {
    this.#options.clock.clearTimer(this.#timer);
    this.#timer = this.#options.clock.setTimer(call, ms);
  }

  // --- what is heard -----------------------------------------------------------------------------------------------------------

  #hear(attempt: Attempt, data: unknown): void {
    let message: ServerMessage;
    try {
      message = JSON.parse(String(data)) as ServerMessage;
    } catch {
      return this.#lose(BROKEN, 'not JSON');
    }
    this.#heardMs = this.#options.clock.now();
    this.#pinged = false;
    // What is told next to a close is its cause; what was told before anything else is not.
    if (message.type !== 'notice') attempt.error = undefined;
    switch (message.type) {
      case 'welcome':
        return this.#seat(attempt, message);
      case 'message': {
        const { session, id, seq, tag } = message;
        if (!this.#cursor.take(message)) return;
        if (session === this.session && id !== undefined) this.#outbox.acked(id, { seq, tag });
        return this.#emitter.emit('message', message);
      }
      case 'ack':
        return this.#outbox.acked(message.id, { seq: message.seq, tag: this.#cursor.at?.tag ?? '' });
      case 'error':
        return this.#refused(attempt, message);
      case 'reset':
        this.#cursor.set(message);
        this.#metaInDoubt = true;
        this.#skip(message.reason);
        return this.#emitter.emit('reset', message);
      case 'notice':
        attempt.retryAfterMs = message.retryAfterMs;
        return this.#emitter.emit('notice', message);
      case 'presence':
        this.#release('without a reason');
        this.#members.replace(message);
        this.#checkMeta();
        this.#emitter.emit('presence', message);
        return this.#emitter.emit('members', this.#members.view);
      case 'join':
        this.#members.join(message);
        this.#emitter.emit('join', message);
        return this.#emitter.emit('members', this.#members.view);
      case 'leave':
        this.#members.leave(message);
        this.#emitter.emit('leave', message);
        return this.#emitter.emit('members', this.#members.view);
      case 'members':
        this.#members.count(message);
        return this.#emitter.emit('members', this.#members.view);
      case 'signal':
        return this.#emitter.emit('signal', message);
      case 'direct':
        return this.#emitter.emit('direct', message);
      case 'resume':
        if (this.#welcome !== undefined) this.#welcome = { ...this.#welcome, resume: message.resume };
        return;
      case 'expiring':
        return this.#showToken(attempt);
      case 'authenticated':
      case 'pong':
        return;
      default:
        // Of a later version.
        message satisfies never;
    }
  }

  #seat(attempt: Attempt, welcome: WelcomeMessage): void {
    const { clock } = this.#options;
    const { session, seq, tag } = welcome;
    const before = this.#welcome?.session;
    const isKept = before === session;
    const resumed = isKept && welcome.resumed;
    const isLost = this.#cursor.at !== undefined && !isKept;
    if (!isKept) this.#loseSession('the session has ended');
    else if (welcome.forgotten === true) this.#outbox.giveUpSent('the room does not remember this session');
    this.#welcome = welcome;
    if (!resumed) this.#cursor.set(welcome);
    this.#isHeld = isKept && !resumed;
    this.#metaInDoubt = true;
    this.#tokensRefused = 0;
    this.#pace = new Pace(welcome.limits.messageRate, clock.now());
    attempt.seatedMs = clock.now();
    this.#watch(welcome.pingIntervalMs);
    this.#become({ status: 'open', url: attempt.url, resumed });
    // To a server it is a first join: nobody but this client knows that something is missing.
    if (isLost) this.#emitter.emit('reset', { type: 'reset', reason: 'expired', seq, tag });
    this.#flush();
  }

  /** What is skipped may hold the echo of what was sent on this very socket: where the room still knows, it is asked again. */
  #skip(reason: string): void {
    if (this.#isHeld || !REMEMBERS.includes(reason)) return this.#release(reason);
    this.#outbox.rewind();
    this.#flush();
  }

  /** A seat without its history is told why. */
  #release(reason: string): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    if (!REMEMBERS.includes(reason)) this.#outbox.giveUpSent(`reset: ${reason}`);
    this.#flush();
  }

  #refused(
    attempt: Attempt,
    { code, message, retryable, id }: Extract<ServerMessage, { readonly type: 'error' }>,
  ): void {
    const error = new RoomError(code, message, retryable);
    if (id !== undefined && this.#outbox.refused(id, error)) return;
    attempt.error = error;
    this.#emitter.emit('error', error);
  }

  /** Looks at a socket that is silent, and gives it up where also a ping is not answered: a broken path tells nobody. */
  #watch(intervalMs: number): void {
    const { clock } = this.#options;
    this.#setTimer(() => {
      if (this.#pinged) return this.#lose(BROKEN, 'silent');
      if (clock.now() - this.#heardMs >= intervalMs) {
        this.#pinged = true;
        this.#attempt?.socket?.send('{"type":"ping"}');
      }
      this.#watch(intervalMs);
    }, intervalMs);
  }

  /** Shows a newer token. One that cannot be had is no loss yet: with the close that follows it is asked for again. */
  #showToken(attempt: Attempt): void {
    const { token } = this.#options;
    if (token === undefined) return;
    void (async () => token())().then(
      (bearer) => {
        if (this.#attempt !== attempt || bearer === undefined) return;
        attempt.socket?.send(JSON.stringify({ type: 'auth', token: bearer }));
      },
      (error: unknown) => {
        if (this.#attempt !== attempt) return;
        this.#emitter.emit('error', new RoomError('token_failed', 'the token could not be had', true, error));
      },
    );
  }

  // --- what is said ------------------------------------------------------------------------------------------------------------

  #checkMeta(): void {
    if (!this.#metaInDoubt || this.#meta === undefined) return;
    this.#metaInDoubt = false;
    const own = this.members.find(({ session }) => session === this.session);
    // Where the list is cut short, it cannot be seen.
    if (own !== undefined && JSON.stringify(own.meta ?? null) === this.#meta) return;
    this.#metaDue = true;
    this.#flush();
  }

  /** Sends what waits, as far as the rate lets it. */
  #flush(): void {
    const waitMs = this.#flushUntilRate();
    if (waitMs === 0 || this.#paceTimer !== undefined) return;
    this.#paceTimer = this.#options.clock.setTimer(() => {
      this.#paceTimer = undefined;
      this.#flush();
    }, waitMs);
  }

  /** @returns milliseconds until more may be sent; 0 where nothing waits or the room is not open */
  #flushUntilRate(): number {
    while (this.#state.status === 'open' && !this.#isHeld && (this.#metaDue || this.#outbox.hasWaiting)) {
      const waitMs = this.#pace.take(this.#options.clock.now());
      if (waitMs > 0) return waitMs;
      const isMeta = this.#metaDue;
      this.#metaDue = false;
      const text = isMeta
        ? `{"type":"meta","data":${this.#meta}}`
        : this.#outbox.next(this.#welcome?.limits.payloadBytesMax ?? PAYLOAD_BYTES_MAX);
      if (text !== undefined) this.#attempt?.socket?.send(text);
    }
    return 0;
  }

  #send(text: string): boolean {
    if (this.#pace.take(this.#options.clock.now()) > 0) return false;
    this.#attempt?.socket?.send(text);
    return true;
  }
}
