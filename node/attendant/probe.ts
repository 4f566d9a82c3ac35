/** Asks a server whether it is well. Owns: one question and its bound. Does not know: what follows from the answer. */
import { get } from 'node:http';
import { connect } from 'node:net';

/** What is asked: whether its port takes a connection, or a page whose status must be 2xx. */
export type ProbeTarget =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'http'; readonly url: string };

/** Asks once. Never throws: whatever goes wrong is a no. */
export function probe(target: ProbeTarget, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    let stop = (): void => undefined;
    const timer = setTimeout(() => answer(false), timeoutMs);
    const answer = (isWell: boolean) => {
      clearTimeout(timer);
      stop();
      resolve(isWell);
    };
    if (target.kind === 'tcp') {
      const socket = connect({ host: target.host, port: target.port }, () => answer(true));
      socket.on('error', () => answer(false));
      stop = () => socket.destroy();
      return;
    }
    const asked = get(target.url, { agent: false }, (response) => {
      const status = response.statusCode ?? 0;
      response.on('error', () => undefined);
      answer(status >= 200 && status < 300);
    });
    asked.on('error', () => answer(false));
    stop = () => asked.destroy();
  });
}
