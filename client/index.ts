/** The client library: `import { connect } from 'bellhop/client'`, or `Bellhop.connect` of the one-file build.
 *  Owns: what is public. @see docs/client.md */
import type { ConnectOptions } from './options.ts';
import { Room } from './room.ts';

export type { Json } from '../shared/protocol.ts';
export type { Members } from './members.ts';
export type { ClientClock, ConnectOptions, WebSocketClass, WebSocketLike } from './options.ts';
export type { Published } from './outbox.ts';
export type { Room, RoomEvents, RoomState } from './room.ts';
export { RoomError, type RoomErrorCode } from './room-error.ts';

/** Joins a room and stays in it until `close()`, or until the server says that coming back cannot help.
 *  @param url  `wss://router/rooms/lobby`; several are tried in turn, the next one after each loss
 *  @throws RoomError `no_websocket` | TypeError where a URL is none */
export function connect(url: string | readonly string[], options: ConnectOptions = {}): Room {
  return new Room(typeof url === 'string' ? [url] : url, options);
}
