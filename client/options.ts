/** What a page may set. Owns: options, their defaults, and what is taken from the runtime. Does not know: rooms. */
import { RoomError } from './room-error.ts';

/** A WebSocket as browsers, Node ≥ 22 and the package `ws` have it. */
export interface WebSocketLike {
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** Time as the client needs it; tests give another. */
export interface ClientClock {
  /** Monotonic milliseconds. */
  now(): number;
  setTimer(call: () => void, ms: number): unknown;
  clearTimer(timer: unknown): void;
}

export interface ConnectOptions {
  /** Access token, asked for at every attempt to connect, and when the one before is about to end. */
  readonly token?: (() => string | undefined | Promise<string | undefined>) | undefined;
  /** Single-use ticket, asked for at every attempt to connect. Not asked for where there is `token`. */
  readonly ticket?: (() => string | undefined | Promise<string | undefined>) | undefined;
  /** Name of this user, for a cluster without authentication. */
  readonly user?: string | undefined;
  /** How many of the last messages are wanted at a first join, at most 100. */
  readonly history?: number | undefined;
  /** Publishes without an outcome, at most. Default 1,000. */
  readonly queueCountMax?: number | undefined;
  /** Bytes of their data, at most. Default 1 MiB. */
  readonly queueBytesMax?: number | undefined;
  /** Longest window from which a moment to retry is drawn, milliseconds. Default 30,000. */
  readonly retryWindowMsMax?: number | undefined;
  /** Where the runtime has none: on Node 20, `import { WebSocket } from 'ws'`. */
  readonly WebSocket?: WebSocketClass | undefined;
  readonly clock?: ClientClock | undefined;
  /** From 0 inclusive to 1 exclusive. */
  readonly random?: (() => number) | undefined;
}

const systemClock: ClientClock = {
  now: () => performance.now(),
  setTimer: (call, ms) => setTimeout(call, ms),
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** @throws RoomError `no_websocket` */
export function withDefaults({ token, ticket, user, history, ...given }: ConnectOptions) {
  const found = given.WebSocket ?? (globalThis as { readonly WebSocket?: unknown }).WebSocket;
  if (found === undefined) {
    throw new RoomError(
      'no_websocket',
      'this runtime has no WebSocket: give one as an option, on Node 20 that of `ws`',
    );
  }
  return {
    token,
    ticket,
    user,
    history,
    queueCountMax: given.queueCountMax ?? 1_000,
    queueBytesMax: given.queueBytesMax ?? 1_048_576,
    retryWindowMsMax: given.retryWindowMsMax ?? 30_000,
    WebSocket: found as WebSocketClass,
    clock: given.clock ?? systemClock,
    random: given.random ?? Math.random,
  };
}
