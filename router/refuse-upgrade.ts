/** The answer to an upgrade that is refused before its 101. Owns: that answer's bytes, and the orderly end of its socket. Does not
 *  know: why.
 *  Invariant: what the client still sends is read and thrown away; the socket is destroyed within a second of the answer. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ErrorCode, errorBody, errorRow } from '../shared/errors.ts';

const LINGER_MS = 1_000;

/** Answers on a socket that no longer belongs to the HTTP server, and ends it.
 *  @param status  where it is not the status of the code */
export function refuseUpgrade(
  socket: Duplex,
  code: ErrorCode,
  message: string,
  status: number = errorRow(code).status,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(errorBody(code, message));
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  // What the client still sends is read and thrown away until it sees the end, or a reset could overtake the answer.
  socket.once('finish', () => setTimeout(() => socket.destroy(), LINGER_MS).unref());
  socket.resume();
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
