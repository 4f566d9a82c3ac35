/** A TCP proxy that can be told to fail: cut, held in one direction or both, delayed, or to keep one message back. Owns: a listening port, its connections, and how they
 *  fail now. Does not know: what is spoken through it.
 *  A held direction is a partition as TCP shows it: bytes wait where they are and arrive late if the connection outlives it. Only its
 *  first moment differs: a new connection is taken, and answered by nothing.
 *  Invariant: after `close` no socket or listener is left. */
import { createServer, connect as dial, type Server, type Socket } from 'node:net';

/** `up`: from who dialled to the target. */
export type Fault =
  | { readonly kind: 'none' }
  /** Connections are reset, and new ones too. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'hold'; readonly up: boolean; readonly down: boolean }
  | { readonly kind: 'delay'; readonly ms: number };

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a proxy keeps back. */
export interface Kept {
  /** Whether what was waited for has come. */
  readonly isHere: boolean;
  /** It goes on, with what came behind it. */
  letGo(): void;
}

const NONE: Fault = { kind: 'none' };

export class FaultProxy {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #target: Address;
  #fault: Fault = NONE;
  /** Whom the fault strikes: text that must stand in the first bytes of who dialled. Empty: everyone. */
  #only = '';
  /** Bytes that are to be kept back once they come. */
  #awaited: { readonly text: string; readonly take: (direction: Direction) => void } | undefined;
  #port = 0;

  private constructor(target: Address) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Listens on `host`, at a port that is free. */
  static async open(host: string, target: Address): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen({ host, port: 0 }, resolve);
    });
    const address = proxy.#server.address();
    if (address === null || typeof address === 'string') throw new Error('a proxy listens on a port');
    proxy.#port = address.port;
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Fails from now on as told, `only` towards who names himself so in his first bytes. */
  fail(fault: Fault, only = ''): void {
    this.#fault = fault;
    this.#only = only;
    for (const connection of this.#connections) this.#apply(connection);
  }

  /** Keeps back the next bytes from who dialled that bear `text`, and all that follows on that connection, its end too; the other connections
   *  go on. They are looked for in each piece that comes by itself. */
  keep(text: string): Kept {
    let direction: Direction | undefined;
    this.#awaited = {
      text,
      take: (one) => {
        direction = one;
        one.shut();
      },
    };
    return {
      get isHere() {
        return direction !== undefined;
      },
      letGo: () => direction?.open(),
    };
  }

  heal(): void {
    this.fail(NONE);
  }

  /** New connections go elsewhere; those that are there are reset. */
  retarget(target: Address): void {
    this.#target = target;
    for (const connection of this.#connections) connection.reset();
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.reset();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    if (this.#fault.kind === 'cut' && this.#only === '') {
      socket.on('error', () => undefined);
      socket.resetAndDestroy();
      return;
    }
    const connection = new Connection(socket, this.#target, {
      named: () => this.#apply(connection),
      said: (chunk, direction) => this.#look(chunk, direction),
      over: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    this.#apply(connection);
  }

  #look(chunk: Buffer, direction: Direction): void {
    const awaited = this.#awaited;
    if (awaited === undefined || !chunk.includes(awaited.text)) return;
    this.#awaited = undefined;
    awaited.take(direction);
  }

  #apply(connection: Connection): void {
    const strikes = this.#only === '' || connection.name.includes(this.#only);
    connection.fail(strikes ? this.#fault : NONE);
  }
}

interface ConnectionEvents {
  /** Its first bytes have come. */
  readonly named: () => void;
  /** These bytes from who dialled have come, and are about to go on. */
  readonly said: (chunk: Buffer, direction: Direction) => void;
  readonly over: () => void;
}

class Connection {
  /** The first bytes from who dialled. */
  name = '';
  readonly #sides: readonly [Socket, Socket];
  readonly #up: Direction;
  readonly #down: Direction;

  constructor(socket: Socket, target: Address, events: ConnectionEvents) {
    const far = dial({ ...target, allowHalfOpen: true, noDelay: true });
    this.#sides = [socket, far];
    socket.once('data', (chunk: Buffer) => {
      this.name = chunk.toString('latin1');
      events.named();
    });
    this.#up = new Direction(socket, far, events.said);
    this.#down = new Direction(far, socket, () => undefined);
    for (const side of this.#sides) {
      side.on('error', () => this.reset());
      side.on('close', () => {
        // What an orderly end still has to deliver goes first.
        if (this.#sides.every(({ destroyed }) => destroyed)) events.over();
        else if (side.errored !== null) this.reset();
      });
    }
  }

  fail(fault: Fault): void {
    if (fault.kind === 'cut') return this.reset();
    this.#up.delayMs = this.#down.delayMs = fault.kind === 'delay' ? fault.ms : 0;
    this.#up.hold(fault.kind === 'hold' && fault.up);
    this.#down.hold(fault.kind === 'hold' && fault.down);
  }

  reset(): void {
    for (const direction of [this.#up, this.#down]) direction.stop();
    for (const side of this.#sides) side.resetAndDestroy();
  }
}

/** Bytes from one socket to another, in order. */
class Direction {
  delayMs = 0;
  readonly #from: Socket;
  readonly #to: Socket;
  /** What is delayed or kept back. Bounded by what arrives during a delay, which is short, or is said before an answer is missed. */
  readonly #queue: { readonly dueMs: number; readonly act: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isHeld = false;
  #isFull = false;
  #isShut = false;

  constructor(from: Socket, to: Socket, hear: (chunk: Buffer, direction: Direction) => void) {
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => {
      hear(chunk, this);
      this.#inTurn(() => this.#write(chunk));
    });
    from.on('end', () => this.#inTurn(() => void to.end()));
    to.on('drain', () => {
      this.#isFull = false;
      this.#flow();
    });
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#flow();
  }

  /** What comes from now on stays here. */
  shut(): void {
    this.#isShut = true;
  }

  open(): void {
    this.#isShut = false;
    clearTimeout(this.#timer);
    this.#awaitHead();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #write(chunk: Buffer): void {
    if (this.#to.destroyed || this.#to.write(chunk)) return;
    this.#isFull = true;
    this.#flow();
  }

  #flow(): void {
    if (this.#isHeld || this.#isFull) this.#from.pause();
    else this.#from.resume();
  }

  /** Acts after the delay, and never before what came earlier: one timer for the head of the queue, since two timers of nearly the same
   *  moment may fire in either order. */
  #inTurn(act: () => void): void {
    if (this.#queue.length === 0 && this.delayMs === 0 && !this.#isShut) return act();
    this.#queue.push({ dueMs: performance.now() + this.delayMs, act });
    if (this.#queue.length === 1) this.#awaitHead();
  }

  #awaitHead(): void {
    const [head] = this.#queue;
    if (head === undefined || this.#isShut) return;
    this.#timer = setTimeout(
      () => {
        this.#queue.shift();
        head.act();
        this.#awaitHead();
      },
      Math.max(0, head.dueMs - performance.now()),
    );
  }
}
