/** The one file that touches private fields of `ws`. Owns: handing ready-made frames to a client's socket in one write, and how
 *  much of what was handed over still waits there. Does not know: rooms, order, limits.
 *  `ws.send` builds a header and makes two writes for each message; a frame that was made once for a whole room needs neither.
 *  Where the fields are not what the contract test found, everything goes through the public API: slower, never wrong.
 *  Invariant: a caller hands over whole frames, as made by websocket-frame.ts, and never changes their bytes afterwards. */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { payloadOf } from '../shared/websocket-frame.ts';

/** How the router writes to clients. Tests wrap it to count. */
export interface SocketAdapter {
  /** Hands one or more whole frames to the socket, in one write. Does nothing unless the socket is open. */
  write(ws: WebSocket, frames: Buffer): void;
  /** Bytes handed over that the kernel has not taken yet. */
  backlogBytes(ws: WebSocket): number;
  /** Writes `frames`, then starts the close handshake: one system call for both.
   *  @param reason  cut to the 123 bytes that RFC 6455 §5.5 allows */
  close(ws: WebSocket, frames: Buffer | undefined, code: number, reason: string): void;
}

const OPEN = 1;
const REASON_BYTES_MAX = 123;
const OPCODE_CONTINUATION = 0x0;

/** What `ws` keeps its socket under; undefined before the handshake. */
interface PrivateFields {
  readonly _socket?: Duplex | null;
}

/** The socket below, if it looks as the installed version has it; undefined sends the caller to the public API. */
export function rawSocketOf(ws: WebSocket): Duplex | undefined {
  const socket = (ws as unknown as PrivateFields)._socket;
  if (socket === undefined || socket === null) return undefined;
  return typeof socket.write === 'function' && typeof socket.writableLength === 'number' ? socket : undefined;
}

/** Writes past `ws`, straight to its socket. Pings and the close frame of `ws` take the same way, so all keep their order
 *  (compression must be off: with it `ws` keeps a queue of its own). */
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

/** The same through the public API alone. */
export const publicAdapter: SocketAdapter = {
  write(ws, frames) {
    if (ws.readyState !== OPEN) return;
    for (let at = 0; at < frames.length; ) {
      const end = at + frameBytesAt(frames, at);
      const frame = frames.subarray(at, end);
      const first = frame[0] ?? 0;
      // `ws` counts fragments itself: it makes each piece after an unfinished one a continuation.
      ws.send(payloadOf(frame), { binary: false, fin: (first & 0x80) !== 0, compress: false });
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

/** Whether a frame goes on with a message that an earlier one began. */
export function isContinuation(frame: Buffer): boolean {
  return ((frame[0] ?? 0) & 0x0f) === OPCODE_CONTINUATION;
}

/** Cuts between characters, not within one: a close reason must be UTF-8. */
export function cutReason(reason: string): string {
  if (Buffer.byteLength(reason) <= REASON_BYTES_MAX) return reason;
  const bytes = Buffer.from(reason);
  let end = REASON_BYTES_MAX;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
