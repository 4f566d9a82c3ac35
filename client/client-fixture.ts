/** A client under a manual clock, with sockets that do what a test says. Owns: time, chance, and what the client did with them. */
import type { ResetMessage, ServerMessage, WelcomeMessage } from '../shared/protocol.ts';
import { type ConnectOptions, connect, type Room, type RoomEvents, type RoomState } from './index.ts';

export class ManualClock {
  #nowMs = 1_000;
  readonly #timers = new Map<object, { readonly atMs: number; readonly call: () => void }>();

  readonly now = (): number => this.#nowMs;

  readonly setTimer = (call: () => void, ms: number): object => {
    const timer = {};
    this.#timers.set(timer, { atMs: this.#nowMs + ms, call });
    return timer;
  };

  readonly clearTimer = (timer: unknown): void => {
    this.#timers.delete(timer as object);
  };

  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass; timers fire in their order. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#timers]
        .filter(([, { atMs }]) => atMs <= untilMs)
        .sort(([, a], [, b]) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#nowMs = next[1].atMs;
      next[1].call();
    }
    this.#nowMs = untilMs;
  }
}

export class FakeSocket {
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onclose: ((event: { code: number; reason: string }) => void) | undefined;
  onerror: (() => void) | undefined;
  readonly url: URL;
  readonly protocols: readonly string[];
  readonly sent: Record<string, unknown>[] = [];
  /** With which code the client closed it. */
  closed: number | undefined;

  constructor(url: string, protocols: readonly string[]) {
    this.url = new URL(url);
    this.protocols = protocols;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(code?: number): void {
    this.closed ??= code;
  }

  say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The server, or the network, ends it. */
  end(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason });
  }

  parameter(name: string): string | null {
    return this.url.searchParams.get(name);
  }

  /** Ids and data of what was published over it. */
  get published(): (readonly [unknown, unknown])[] {
    return this.sent.filter(({ type }) => type === 'publish').map(({ id, data }) => [id, data] as const);
  }
}

export const TAG = '5.0000000000000000';
export const SESSION = 's'.repeat(22);

export class Bench {
  readonly clock = new ManualClock();
  readonly sockets: FakeSocket[] = [];
  readonly room: Room;
  readonly states: RoomState[] = [];
  readonly resets: ResetMessage[] = [];
  readonly heard: unknown[] = [];
  readonly errors: string[] = [];
  /** What the next draws give. */
  chance = 0.5;

  constructor(options: ConnectOptions = {}, urls: string | string[] = 'ws://r1/rooms/lobby') {
    const { sockets } = this;
    class Socket extends FakeSocket {
      constructor(url: string, protocols: readonly string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    }
    this.room = connect(urls, { WebSocket: Socket, clock: this.clock, random: () => this.chance, ...options });
    this.room.on('state', (state) => this.states.push(state));
    this.room.on('reset', (reset) => this.resets.push(reset));
    this.room.on('message', ({ data }) => this.heard.push(data));
    this.room.on('error', ({ code }) => this.errors.push(code));
  }

  /** The newest one. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error('no socket was opened');
    return socket;
  }

  /** Opens the newest socket and seats the client on it. */
  seat(how: Partial<WelcomeMessage> = {}): FakeSocket {
    const { socket } = this;
    socket.onopen?.();
    socket.say({
      type: 'welcome',
      room: 'lobby',
      user: 'ada',
      session: SESSION,
      resume: `token-${this.sockets.length}`,
      seat: this.sockets.length,
      epoch: 5,
      seq: 0,
      tag: TAG,
      resumed: this.sockets.length > 1,
      members: 1,
      pingIntervalMs: 25_000,
      retryWindowMs: 4_000,
      limits: { payloadBytesMax: 65_536, messageRate: 0 },
      ...how,
    });
    return socket;
  }

  /** The room says something; by default somebody else does. */
  say(seq: number, data: string, own: { id?: number; session?: string; tag?: string } = {}): void {
    const { id, session = 'other', tag = TAG } = own;
    this.socket.say({
      type: 'message',
      seq,
      tag,
      from: 'u',
      session,
      at: 0,
      data,
      ...(id === undefined ? {} : { id }),
    });
  }

  /** Breaks the socket and lets the client come back to the next one. */
  lose(code = 1006): FakeSocket {
    this.socket.end(code);
    this.clock.advance(this.waitMs ?? 0);
    return this.socket;
  }

  get waitMs(): number | undefined {
    const { state } = this.room;
    return state.status === 'waiting' ? state.retryMs : undefined;
  }

  /** Hears every event of one name. */
  all<Name extends keyof RoomEvents>(name: Name): RoomEvents[Name][] {
    const events: RoomEvents[Name][] = [];
    this.room.on(name, (event) => events.push(event));
    return events;
  }
}

/** How a publish ended, without waiting for it. */
export function outcomeOf(publish: Promise<unknown>): { value: unknown } {
  const outcome: { value: unknown } = { value: 'pending' };
  publish.then(
    (value) => {
      outcome.value = value;
    },
    (error: { code: string; retryable: boolean }) => {
      outcome.value = `${error.code}${error.retryable ? ' (retryable)' : ''}`;
    },
  );
  return outcome;
}

/** Lets settled promises be heard. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
