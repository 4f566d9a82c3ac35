/** A client's WebSocket as the router holds it. Owns: how its events reach the client's owner. Does not know: what they mean.
 *  There may be a hundred thousand of these: `ws` is told to make this class, so that an event is a method call and not an entry in
 *  a table of listeners that every socket would have to itself, and pongs are answered without a closure a socket.
 *  Invariant: a fault of a socket is never uncaught, also before it has a client. */
import { WebSocket } from 'ws';
import type { Client } from './client-record.ts';
import type { Inflater } from './compression/inflation.ts';

export class ClientSocket extends WebSocket {
  /** Who hears this socket. Until it is set, events go to listeners as with any WebSocket. */
  client: Client | undefined = undefined;
  /** Of a client with which compression was agreed on. */
  inflater: Inflater | undefined = undefined;

  override resume(): void {
    super.resume();
    this.inflater?.resumed();
  }

  override emit(event: string | symbol, first?: unknown, second?: unknown): boolean {
    const client = this.client;
    if (client === undefined) {
      // `ws` closes the socket behind a fault: until somebody listens there is nothing else to do.
      if (event === 'error' && this.listenerCount('error') === 0) return false;
      return super.emit(event, first, second);
    }
    const { owner } = client;
    switch (event) {
      case 'message':
        // With the default binaryType a message is always one Buffer, and so is what a ping holds.
        if (Buffer.isBuffer(first)) owner.frame(client, first, second === true);
        return true;
      case 'ping':
        if (Buffer.isBuffer(first)) owner.ping(client, first);
        return true;
      case 'pong':
        owner.pong(client);
        return true;
      case 'error':
        owner.fault(client);
        return true;
      case 'close':
        owner.gone(client, Number(first));
        return true;
      default:
        return super.emit(event, first, second);
    }
  }
}
