/** Where a room is connected to. Owns: the URL of an attempt. Does not know: sockets. */

/** What is said of the client in the URL. */
export interface Introduction {
  readonly user: string | undefined;
  readonly history: number | undefined;
  /** `sent`: the highest id of its publishes. */
  readonly resume: { readonly session: string; readonly token: string; readonly sent: number } | undefined;
  readonly cursor: { readonly seq: number; readonly tag: string } | undefined;
}

/** Reads an address as a page gives it: absolute or relative to the page, `http` meaning `ws`.
 *  @throws TypeError where it is no URL */
export function parseAddress(address: string): URL {
  const url = new URL(address, (globalThis as { readonly location?: { readonly href: string } }).location?.href);
  url.protocol = url.protocol.replace('http', 'ws');
  url.hash = '';
  return url;
}

/** The URL of one attempt; what the page put into it itself is kept. */
export function addressOf(base: URL, { user, history, resume, cursor }: Introduction): string {
  const url = new URL(base);
  const set = (name: string, value: string | number | undefined) => {
    if (value !== undefined) url.searchParams.set(name, String(value));
  };
  set('user', user);
  set('session', resume?.session);
  set('resume', resume?.token);
  if (resume === undefined) {
    set('history', history);
  } else {
    set('sent', resume.sent);
    set('after', cursor?.seq);
    set('tag', cursor?.tag);
  }
  return url.href;
}

/** The URL of an attempt with the ticket that is shown in it. */
export function withTicket(address: string, ticket: string): string {
  const url = new URL(address);
  url.searchParams.set('ticket', ticket);
  return url.href;
}
