/** Whether a server's 101 may be passed on, and as what. Owns: the check of RFC 6455 §4.1 that a client would make, made before it
 *  can be shown anything. Does not know: sockets.
 *  Invariant: what is passed on is built from checked values; nothing else of the server's answer reaches the client. */
import { createHash } from 'node:crypto';
import { extensionNames, type Offer } from './request-head.ts';

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const VISIBLE = /^[\x20-\x7e]+$/;
const COOKIES_MAX = 16;

export type AnswerVerdict =
  | { readonly ok: true; readonly head: string }
  /** `why` is for the log and for whoever runs the server. */
  | { readonly ok: false; readonly why: string };

/** Checks the head of an answer that the HTTP parser read as a switch of protocols. */
export function checkAnswer(status: number | undefined, rawHeaders: readonly string[], offer: Offer): AnswerVerdict {
  const all = (name: string): string[] => {
    const values: string[] = [];
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      if (rawHeaders[at]?.toLowerCase() === name) values.push(rawHeaders[at + 1] ?? '');
    }
    return values;
  };
  const fail = (why: string) => ({ ok: false, why }) as const;
  if (status !== 101) return fail(`it answered ${status ?? 'no status'} instead of 101`);
  const upgrade = all('upgrade');
  if (upgrade.length !== 1 || upgrade[0]?.toLowerCase() !== 'websocket') return fail('it did not upgrade to websocket');
  const connection = all('connection').flatMap((value) => value.split(',').map((one) => one.trim().toLowerCase()));
  if (!connection.includes('upgrade')) return fail('its Connection is not Upgrade');
  const accept = all('sec-websocket-accept');
  if (accept.length !== 1 || accept[0] !== acceptFor(offer.key)) {
    return fail('its Sec-WebSocket-Accept is not the one of the key');
  }
  const subprotocol = all('sec-websocket-protocol');
  if (subprotocol.length > 1 || subprotocol.some((one) => !offer.subprotocols.includes(one))) {
    return fail('it chose a subprotocol that was not offered');
  }
  const extensions = all('sec-websocket-extensions').join(', ');
  if (extensions !== '' && !VISIBLE.test(extensions)) return fail('its Sec-WebSocket-Extensions is malformed');
  if (extensionNames(extensions).some((name) => !offer.extensions.includes(name))) {
    return fail('it chose an extension that was not offered');
  }
  const cookies = all('set-cookie').filter((value) => VISIBLE.test(value));
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptFor(offer.key)}`,
    ...subprotocol.map((one) => `Sec-WebSocket-Protocol: ${one}`),
    ...(extensions === '' ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]),
    ...cookies.slice(0, COOKIES_MAX).map((one) => `Set-Cookie: ${one}`),
  ];
  return { ok: true, head: `${lines.join('\r\n')}\r\n\r\n` };
}

/** @see RFC 6455 §4.2.2 */
export function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}
