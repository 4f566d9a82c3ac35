/** The one file that touches private fields of `ws`. Owns: handing ready-made frames to a client's socket in one write, how much of
 *  what was handed over still waits there, and reading whole messages without a stream. Does not know: rooms, order, limits.
 *  `ws.send` builds a header and makes two writes for each message; a frame that was made once for a whole room needs neither.
 *  Where the fields are not what the contract test found, everything goes through the public API: slower, never wrong.
 *  Invariant: a caller hands over whole frames, as made by websocket-frame.ts, and never changes their bytes afterwards. */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { payloadOf } from '../shared/websocket-frame.ts';
import type { ClientSocket } from './client-socket.ts';
import { Inflater, type Inflation } from './compression/inflation.ts';
import { wholeTextAt } from './whole-text.ts';

/** How the router writes to clients. Tests wrap it to count. */
export interface SocketAdapter {
  /** Hands one or more frames, each a whole message, to the socket, in one write. Does nothing unless the socket is open. */
  write(ws: WebSocket, frames: Buffer): void;
  /** Bytes handed over that the kernel has not taken yet. */
  backlogBytes(ws: WebSocket): number;
  /** Writes `frames`, then starts the close handshake: one system call for both.
   *  @param reason  cut to the 123 bytes that RFC 6455 §5.5 allows */
  close(ws: WebSocket, frames: Buffer | undefined, code: number, reason: string): void;
}

const OPEN = 1;
const REASON_BYTES_MAX = 123;

/** What `ws` keeps its socket under; undefined before the handshake. */
interface PrivateFields {
  readonly _socket?: Duplex | null;
  readonly _receiver?: Receiver | null;
  readonly _sender?: { _extensions?: object } | null;
  _extensions?: object;
  _events?: object | undefined;
}

/** The parser of `ws`, a Writable. */
interface Receiver {
  /** 0: the next byte begins a frame. */
  readonly _state: number;
  readonly _bufferedBytes: number;
  /** Opcode of a message of which some fragments have come; 0 for none. */
  readonly _fragmented: number;
  /** 0 for no bound. */
  readonly _maxPayload: number;
  /** A public field of streams: what the receiver failed with. */
  readonly errored?: Error | null;
  _extensions?: object;
}

type DataListener = (this: Duplex, chunk: Buffer) => void;

/** The socket below, if it looks as the installed version has it; undefined sends the caller to the public API. */
export function rawSocketOf(ws: WebSocket): Duplex | undefined {
  const socket = (ws as unknown as PrivateFields)._socket;
  if (socket === undefined || socket === null) return undefined;
  return typeof socket.write === 'function' && typeof socket.writableLength === 'number' ? socket : undefined;
}

/** Writes past `ws`, straight to its socket. Pings and the close frame of `ws` take the same way, so all keep their order
 *  (`ws` itself must not deflate: for that it keeps a queue of its own). */
export const directAdapter: SocketAdapter = {
  write(ws, frames) {
    if (ws.readyState !== OPEN) return;
    const socket = rawSocketOf(ws);
    if (socket === undefined) publicAdapter.write(ws, frames);
    else socket.write(frames);
  },

  backlogBytes(ws) {
    return rawSocketOf(ws)?.writableLength ?? ws.bufferedAmount;
  },

  close(ws, frames, code, reason) {
    const socket = rawSocketOf(ws);
    socket?.cork();
    if (frames !== undefined) directAdapter.write(ws, frames);
    ws.close(code, cutReason(reason));
    socket?.uncork();
  },
};

const OWNER = Symbol('client socket');

interface OwnedSocket extends Duplex {
  [OWNER]?: ClientSocket;
}

/** How `ws` reads a chunk: the same function for every socket. */
let readByWs: DataListener | undefined;

/** Takes whole text messages straight from the socket's chunks, and leaves everything else to `ws`: its parser is a stream, which
 *  costs several times as much for each message. Order is kept, since a chunk goes to `ws` from the first byte that is not such a
 *  message, and to nobody else until `ws` is between two messages again.
 *  To be called once, while the socket is paused. Does nothing where `ws` looks different. */
export function readDirectly(ws: ClientSocket): void {
  const socket: OwnedSocket | undefined = rawSocketOf(ws);
  const { _receiver: receiver } = ws as unknown as PrivateFields;
  const [listener, another] = socket?.listeners('data') ?? [];
  if (socket === undefined || !isReceiver(receiver) || listener === undefined || another !== undefined) return;
  readByWs ??= listener as DataListener;
  if (listener !== readByWs) return;
  socket[OWNER] = ws;
  socket.removeListener('data', readByWs);
  socket.on('data', onData);
}

function isReceiver(receiver: Receiver | null | undefined): receiver is Receiver {
  if (receiver === undefined || receiver === null) return false;
  const { _state, _bufferedBytes, _fragmented, _maxPayload } = receiver;
  // While a message is inflated, `_state` is another one and chunks wait.
  return _state === 0 && _bufferedBytes === 0 && _fragmented === 0 && typeof _maxPayload === 'number';
}

function onData(this: OwnedSocket, chunk: Buffer): void {
  const ws = this[OWNER];
  const receiver = ws === undefined ? undefined : (ws as unknown as PrivateFields)._receiver;
  // After a fault `ws` hears no more: bytes that it refuses to take would stop the socket, and hide that the client has gone.
  if (receiver?.errored) return;
  let at = 0;
  if (ws?.client !== undefined) {
    if (isReceiver(receiver)) at = takeWholeTexts(ws, chunk, receiver._maxPayload || Number.POSITIVE_INFINITY);
  }
  if (at < chunk.length) readByWs?.call(this, at === 0 ? chunk : chunk.subarray(at));
}

/** @returns where something begins that is not a whole text message, or that comes after the close */
function takeWholeTexts(ws: ClientSocket, chunk: Buffer, payloadBytesMax: number): number {
  let at = 0;
  while (at < chunk.length && ws.readyState === OPEN && ws.client !== undefined) {
    const payload = wholeTextAt(chunk, at, payloadBytesMax);
    if (payload === undefined) break;
    at = payload.byteOffset - chunk.byteOffset + payload.length;
    ws.client.owner.frame(ws.client, payload, false);
  }
  return at;
}

const NO_EXTENSIONS = Object.freeze({});
const DEFLATE = 'permessage-deflate';

/** Has what a client deflates inflated by `inflation`, where compression was agreed on and `ws` looks as the contract test found it.
 *  Otherwise `ws` goes on inflating by itself, and such a client is sent nothing that is deflated. To be called before the socket is
 *  read from. */
export function inflateBy(ws: ClientSocket, inflation: Inflation): void {
  const fields = ws as unknown as PrivateFields;
  const { _receiver: receiver, _sender: sender, _extensions: agreed } = fields;
  const socket: OwnedSocket | undefined = rawSocketOf(ws);
  if (agreed === undefined || !isReceiver(receiver) || !sender || socket === undefined) return;
  if (receiver._extensions !== agreed || sender._extensions !== agreed || !isInflater(agreed)) return;
  const inflater = new Inflater(ws, inflation);
  receiver._extensions = { [DEFLATE]: inflater };
  // What it sends by itself (`ws` would deflate that for each socket) goes out as it is.
  fields._extensions = NO_EXTENSIONS;
  sender._extensions = NO_EXTENSIONS;
  ws.inflater = inflater;
  // Heard behind `ws`, which closes only once its parser has an answer.
  socket[OWNER] = ws;
  socket.on('close', onSocketClosed);
}

function onSocketClosed(this: OwnedSocket): void {
  this[OWNER]?.inflater?.resumed();
}

function isInflater(extensions: { readonly [DEFLATE]?: { readonly decompress?: unknown } }): boolean {
  return Object.keys(extensions).join() === DEFLATE && typeof extensions[DEFLATE]?.decompress === 'function';
}

/** Lets go of what `ws` and Node's EventEmitter make for each socket and an idle one has no use for: three ways to say that there
 *  are no extensions become one for all, and an empty table of listeners goes (EventEmitter makes another when it needs one). */
export function slim(ws: WebSocket): void {
  const fields = ws as unknown as PrivateFields;
  const { _receiver, _sender } = fields;
  for (const holder of [fields, _receiver, _sender]) {
    const extensions = holder?._extensions;
    if (holder && extensions !== undefined && Object.keys(extensions).length === 0) holder._extensions = NO_EXTENSIONS;
  }
  if (fields._events !== undefined && ws.eventNames().length === 0) fields._events = undefined;
}

/** The same through the public API alone. */
export const publicAdapter: SocketAdapter = {
  write(ws, frames) {
    if (ws.readyState !== OPEN) return;
    for (let at = 0; at < frames.length; ) {
      const end = at + frameBytesAt(frames, at);
      ws.send(payloadOf(frames.subarray(at, end)), { binary: false, compress: false });
      at = end;
    }
  },

  backlogBytes(ws) {
    return ws.bufferedAmount;
  },

  close(ws, frames, code, reason) {
    if (frames !== undefined) publicAdapter.write(ws, frames);
    ws.close(code, cutReason(reason));
  },
};

/** Length of the unmasked frame that begins at `at`, its header included.
 *  @throws RangeError where the buffer ends within it */
export function frameBytesAt(frames: Buffer, at: number): number {
  const length = frames.readUInt8(at + 1) & 0x7f;
  const bytes =
    length < 126
      ? 2 + length
      : length === 126
        ? 4 + frames.readUInt16BE(at + 2)
        : 10 + frames.readUInt32BE(at + 2) * 2 ** 32 + frames.readUInt32BE(at + 6);
  if (at + bytes > frames.length) throw new RangeError('a frame is cut short');
  return bytes;
}

/** Cuts between characters, not within one: a close reason must be UTF-8. */
export function cutReason(reason: string): string {
  if (Buffer.byteLength(reason) <= REASON_BYTES_MAX) return reason;
  const bytes = Buffer.from(reason);
  let end = REASON_BYTES_MAX;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
