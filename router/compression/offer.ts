/** Which offers to compress are taken. Owns: reading the header by which a client makes them. Does not know: sockets, or how bytes are
 *  deflated.
 *  An offer that this router cannot serve, or cannot read, is declined, and the client is served without: that costs bandwidth, and
 *  a refusal would cost the connection.
 *  @see RFC 7692 §5, §7.1; RFC 6455 §9.1 */

const NAME = 'permessage-deflate';
/** What is sent is deflated within a window of 2^12 bytes: a small window costs little to set up for each message, and finds in a
 *  message of a few KiB what a larger one would. */
export const WINDOW_BITS = 12;

/** A name, and a value that may stand between quotes. */
const PARAMETER = /^([a-z_]+)(?:[ \t]*=[ \t]*("?)(8|9|1[0-5])\2)?$/;

/** Chooses the first offer that can be served.
 *  @param header  Sec-WebSocket-Extensions, several of them joined by commas
 *  @returns the offer with nothing in it but what the answer depends on; undefined where none can be served */
export function servedOffer(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  for (const offer of header.split(',')) {
    const served = ifServed(offer);
    if (served !== undefined) return served;
  }
  return undefined;
}

function ifServed(offer: string): string | undefined {
  const [name, ...parameters] = offer.split(';').map((part) => part.trim());
  if (name !== NAME) return undefined;
  const seen = new Set<string>();
  let windowBits: number | undefined;
  for (const parameter of parameters) {
    const [, key = '', , value] = PARAMETER.exec(parameter) ?? [];
    if (seen.has(key)) return undefined;
    seen.add(key);
    switch (key) {
      case 'server_no_context_takeover':
      case 'client_no_context_takeover':
        if (value !== undefined) return undefined;
        break;
      case 'server_max_window_bits':
        if (value === undefined || Number(value) < WINDOW_BITS) return undefined;
        windowBits = Number(value);
        break;
      case 'client_max_window_bits':
        // Whatever window a client chooses is inflated, so nothing is asked of it.
        break;
      default:
        return undefined;
    }
  }
  return windowBits === undefined ? NAME : `${NAME}; server_max_window_bits=${windowBits}`;
}
