/** A client of a room that misses nothing: it records what it is told, and checks it as it comes. Owns: one session over any number of
 *  sockets. Does not know: clusters.
 *  Checked on the fly, told in `violations`: seqs are contiguous under a cursor between resets; what one session says comes once and
 *  in the order of its ids; no tag, welcome or reset of a lower epoch after a higher one.
 *  @see DESIGN §4 Invariants 2, 4, 5; §7 */

import { WebSocket } from 'ws';
import type {
  Json,
  PresenceMessage,
  ResetMessage,
  RoomMessage,
  ServerMessage,
  WelcomeMessage,
} from '../../shared/protocol.ts';
import { plantedHeaders, plantedQuery } from './planted.ts';
import { BOUND_MS, Hopeless, until } from './wait.ts';

export interface ClientOptions {
  /** `http://host:port` of a router. */
  readonly url: string;
  readonly room: string;
  readonly user: string;
  /** Without the subprotocol, as wscat would come. */
  readonly plain?: boolean;
  /** Offers to compress, and does where the router takes it. */
  readonly compresses?: boolean;
  readonly history?: number;
  /** Whether messages are kept; without, only counted and checked. */
  readonly keep?: boolean;
}

export interface ClientClosed {
  readonly code: number;
  readonly reason: string;
}

export type Outcome =
  | { readonly kind: 'acked'; readonly seq: number }
  | { readonly kind: 'refused'; readonly code: string };

const VIOLATIONS_MAX = 20;

export class ScenarioClient {
  readonly options: ClientOptions;
  readonly messages: RoomMessage[] = [];
  readonly resets: ResetMessage[] = [];
  readonly welcomes: WelcomeMessage[] = [];
  readonly errors: Extract<ServerMessage, { type: 'error' }>[] = [];
  readonly notices: Extract<ServerMessage, { type: 'notice' }>[] = [];
  readonly directs: Json[] = [];
  /** Closes that this client did not ask for. */
  readonly closes: ClientClosed[] = [];
  readonly violations: string[] = [];
  /** Users by session, as join, leave and presence told. */
  readonly members = new Map<string, string>();
  readonly leaves: string[] = [];
  /** Publishes without an outcome. */
  readonly pending = new Map<number, { readonly data: Json; readonly saidMs: number }>();
  readonly outcomes = new Map<number, Outcome>();
  /** Hears each message with the time of its arrival. */
  onMessage: ((message: RoomMessage, atMs: number) => void) | undefined;
  /** Hears each publish that is acked: how long that took. */
  onAck: ((ms: number, atMs: number) => void) | undefined;
  /** Hears that the socket is gone, whoever ended it. */
  onClosed: (() => void) | undefined;
  received = 0;
  signals = 0;
  /** Messages by sender's session: the highest id. */
  readonly #lastIds = new Map<string, number>();
  #cursor: { seq: number; tag: string } | undefined;
  #isSeated = false;
  #epoch = 0;
  /** Of the last message's tag: what was missed comes under the tags of its time, which may lie below the welcome's. */
  #tagEpoch = 0;
  #lastId = 0;
  /** Sockets that this client ended itself. */
  readonly #ours = new WeakSet<WebSocket>();
  #socket: WebSocket;

  constructor(options: ClientOptions) {
    this.options = options;
    this.#socket = this.#dial(options.url, '');
  }

  /** Connects and waits for its seat. */
  static async join(options: ClientOptions): Promise<ScenarioClient> {
    const client = new ScenarioClient(options);
    await client.seated();
    return client;
  }

  /** Waits until a welcome beyond the first `after` has come. */
  async seated(after = 0): Promise<WelcomeMessage> {
    return until(`${this.options.user} is welcome in ${this.options.room}`, () => {
      const { code, reason } = this.closes.at(-1) ?? { code: 'nothing', reason: '' };
      if (this.#socket.readyState === WebSocket.CLOSED) throw new Hopeless(`closed with ${code} ${reason}`);
      return this.welcomes[after];
    });
  }

  get welcome(): WelcomeMessage {
    const welcome = this.welcomes.at(-1);
    if (welcome === undefined) throw new Error(`${this.options.user} has no welcome`);
    return welcome;
  }

  get session(): string {
    return this.welcome.session;
  }

  get cursor(): { readonly seq: number; readonly tag: string } | undefined {
    return this.#cursor;
  }

  /** Highest epoch seen. */
  get epoch(): number {
    return Math.max(this.#epoch, this.#tagEpoch);
  }

  /** Whether it has its seat on the present socket. */
  get isSeated(): boolean {
    return this.isOpen && this.#isSeated;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  get socket(): WebSocket {
    return this.#socket;
  }

  get users(): string[] {
    return [...this.members.values()].sort();
  }

  /** Says something under the next id. @returns the id */
  publish(data: Json): number {
    const id = ++this.#lastId;
    this.pending.set(id, { data, saidMs: performance.now() });
    this.#socket.send(JSON.stringify({ type: 'publish', id, data }));
    return id;
  }

  signal(data: Json): void {
    this.#socket.send(JSON.stringify({ type: 'signal', data }));
  }

  /** Says something and waits until it is acked.
   *  @throws Error when it is refused, or not acked in time */
  async say(data: Json, boundMs: number = BOUND_MS): Promise<number> {
    const id = this.publish(data);
    const outcome = await until(`${this.options.user} hears of ${id}`, () => this.outcomes.get(id), boundMs);
    if (outcome.kind === 'refused') throw new Error(`the publish was refused: ${outcome.code}`);
    return outcome.seq;
  }

  /** Says it again and again until one is acked: a room answers. */
  async sayUntilAcked(data: Json, boundMs: number = BOUND_MS): Promise<number> {
    const untilMs = performance.now() + boundMs;
    for (;;) {
      try {
        return await this.say(data, Math.max(1, untilMs - performance.now()));
      } catch (error) {
        if (performance.now() >= untilMs) throw error;
      }
    }
  }

  /** Comes back on another socket, at any router, and waits for its seat. */
  async resume(url: string = this.options.url): Promise<WelcomeMessage> {
    const { session, resume } = this.welcome;
    const at = this.#cursor;
    const after = at === undefined ? '' : `&after=${at.seq}&tag=${at.tag}`;
    const seats = this.welcomes.length;
    this.#socket = this.#dial(url, `&session=${session}&resume=${encodeURIComponent(resume)}${after}`);
    return this.seated(seats);
  }

  /** Says again under the same ids what has no outcome. After a reset nobody can know what became of it, so it is given up. */
  #repeat(resumed: boolean): void {
    for (const [id, { data }] of [...this.pending]) {
      if (resumed) this.#socket.send(JSON.stringify({ type: 'publish', id, data }));
      else this.#settle(id, { kind: 'refused', code: 'reset' });
    }
  }

  /** Leaves the room. */
  close(code = 1000): void {
    this.#ours.add(this.#socket);
    this.#socket.close(code);
  }

  /** Breaks its own socket; the session can be resumed. */
  terminate(): void {
    this.#ours.add(this.#socket);
    this.#socket.terminate();
  }

  #dial(base: string, more: string): WebSocket {
    const { room, user, plain, compresses, history } = this.options;
    const url = `${base.replace('http', 'ws')}/rooms/${room}?user=${user}${more}${history === undefined ? '' : `&history=${history}`}${plantedQuery()}`;
    this.#isSeated = false;
    const socket = new WebSocket(url, plain === true ? [] : ['bellhop.v1'], {
      perMessageDeflate: compresses === true && { threshold: 100 },
      headers: plantedHeaders(),
    });
    socket.on('message', (data, isBinary) => {
      // What an older socket still had is void: the newer one goes on from the cursor it showed.
      if (socket === this.#socket) this.#hear(data as Buffer, isBinary);
    });
    socket.on('close', (code, reason) => {
      if (!this.#ours.has(socket)) this.closes.push({ code, reason: reason.toString() });
      if (socket === this.#socket) this.onClosed?.();
    });
    socket.on('error', () => undefined);
    return socket;
  }

  #hear(data: Buffer, isBinary: boolean): void {
    if (isBinary) return this.#violation('a binary message');
    const message = JSON.parse(data.toString()) as ServerMessage;
    switch (message.type) {
      case 'welcome':
        this.#seen(message.epoch, 'welcome');
        if (!message.resumed) this.#cursor = { seq: message.seq, tag: message.tag };
        this.welcomes.push(message);
        this.#isSeated = true;
        // Not before: only now it is known whether the room remembers; not later: ids go in order.
        this.#repeat(message.resumed);
        return;
      case 'message':
        return this.#said(message);
      case 'reset':
        this.#seen(epochOf(message.tag), 'reset');
        this.#tagEpoch = Math.max(this.#tagEpoch, epochOf(message.tag));
        this.#cursor = { seq: message.seq, tag: message.tag };
        this.resets.push(message);
        return;
      case 'ack':
        return this.#settle(message.id, { kind: 'acked', seq: message.seq });
      case 'error':
        this.errors.push(message);
        if (message.id !== undefined) this.#settle(message.id, { kind: 'refused', code: message.code });
        return;
      case 'presence':
        return this.#present(message);
      case 'join':
        this.members.set(message.session, message.user);
        return;
      case 'leave':
        this.members.delete(message.session);
        this.leaves.push(message.user);
        return;
      case 'signal':
        this.signals++;
        return;
      case 'direct':
        this.directs.push(message.data);
        return;
      case 'notice':
        this.notices.push(message);
        return;
      case 'members':
      case 'expiring':
      case 'resume':
      case 'authenticated':
      case 'pong':
        return;
      default:
        message satisfies never;
    }
  }

  #said(message: RoomMessage): void {
    const { seq, tag, session, id } = message;
    const atMs = performance.now();
    this.received++;
    const cursor = this.#cursor;
    if (cursor !== undefined && seq !== cursor.seq + 1) {
      this.#violation(`seq ${seq} of ${tag} after ${cursor.seq} of ${cursor.tag}`);
    }
    if (cursor?.tag !== tag) this.#underTag(epochOf(tag));
    this.#cursor = { seq, tag };
    if (session !== null && id !== undefined) {
      const last = this.#lastIds.get(session) ?? 0;
      if (id <= last) this.#violation(`id ${id} of ${session} after ${last}`);
      this.#lastIds.set(session, Math.max(id, last));
      if (session === this.welcomes.at(-1)?.session) this.#settle(id, { kind: 'acked', seq });
    }
    if (this.options.keep !== false) this.messages.push(message);
    this.onMessage?.(message, atMs);
  }

  #settle(id: number, outcome: Outcome): void {
    const said = this.pending.get(id);
    if (said === undefined) {
      const before = this.outcomes.get(id);
      if (before?.kind === 'refused' && outcome.kind === 'acked')
        this.#violation(`publish ${id} was refused (${before.code}) and then said`);
      return;
    }
    this.pending.delete(id);
    this.outcomes.set(id, outcome);
    if (outcome.kind === 'acked') this.onAck?.(performance.now() - said.saidMs, performance.now());
  }

  #present(message: PresenceMessage): void {
    this.members.clear();
    for (const { session, user } of message.members) this.members.set(session, user);
  }

  #seen(epoch: number, what: string): void {
    if (epoch < this.#epoch) this.#violation(`a ${what} of epoch ${epoch} after ${this.#epoch}`);
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  #underTag(epoch: number): void {
    if (epoch < this.#tagEpoch) this.#violation(`a message of epoch ${epoch} after ${this.#tagEpoch}`);
    this.#tagEpoch = Math.max(this.#tagEpoch, epoch);
  }

  #violation(text: string): void {
    if (this.violations.length < VIOLATIONS_MAX)
      this.violations.push(`${this.options.user} in ${this.options.room}: ${text}`);
  }
}

export function epochOf(tag: string): number {
  return Number(tag.slice(0, tag.indexOf('.')));
}
