/** What a router keeps for each client. Owns: the fields and what each means. Does not know: who changes them when.
 *  There may be a hundred thousand of these, nearly all idle: whatever only a busy client needs is made when it first needs it,
 *  and nothing here is a closure or a timer. */
import type { ClientSocket } from './client-socket.ts';
import type { RateMeter } from './rate-meter.ts';
import type { UserAccount } from './user-accounts.ts';

/** One whole message, as cast to a group. */
export interface Unit {
  readonly bytes: Buffer;
  /** The same for clients that inflate; made for the first of them. */
  packed: Buffer | undefined;
  readonly ephemeral: boolean;
}

export interface Group {
  readonly id: number;
  readonly members: Set<Client>;
  /** What was cast in this turn. */
  readonly units: Unit[];
}

/** Hears what happens on a client's socket: the same object for all of them. */
export interface ClientOwner {
  frame(client: Client, payload: Buffer, isBinary: boolean): void;
  /** Of the client's own accord; it is for the owner to answer. */
  ping(client: Client, data: Buffer): void;
  pong(client: Client): void;
  /** `ws` found a fault in what the client sent, and is closing. */
  fault(client: Client): void;
  /** The socket is closed; `code` is the client's, 1005 where its close frame had none, 1006 without a close frame. */
  gone(client: Client, code: number): void;
}

export class Client {
  readonly owner: ClientOwner;
  readonly handle: number;
  readonly ws: ClientSocket;
  /** It inflates what is sent to it. */
  readonly packs: boolean;
  group: Group | undefined = undefined;
  /** How many of the group's units of this turn are this client's already, or were never meant for it. */
  seen = 0;
  /** Set while this client's output of the turn differs from that of its group. */
  apart = false;
  /** Output of this turn in order, where it differs from the group's. */
  own: Buffer[] | undefined = undefined;
  /** Bytes that the socket had not taken when last looked at. */
  backlogBytes = 0;
  reading = true;
  awaitingPong = false;
  /** The core knows of this client. False once it was told of the close, or ordered it. */
  live = true;
  /** Made with the first message. */
  meter: RateMeter | undefined = undefined;
  /** Of its user, while it counts there. */
  account: UserAccount | undefined;

  constructor(owner: ClientOwner, handle: number, ws: ClientSocket, account: UserAccount | undefined) {
    this.owner = owner;
    this.handle = handle;
    this.ws = ws;
    this.packs = ws.inflater !== undefined;
    this.account = account;
  }
}
