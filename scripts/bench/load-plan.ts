/** What a load generator is told and what it tells. Owns: the two shapes and how a plan becomes arguments. Both generators, load.c
 *  and load-node.ts, keep to it: they write `connected`, `ready` and `result` as JSON lines, and wait for a line after `ready`. */

/** How a client's text is framed: `raw` as it is, `bellhop` as a publish, `socketio` as an event of Socket.IO 4. */
export type Envelope = 'raw' | 'bellhop' | 'socketio';

export interface LoadPlan {
  /** On 127.0.0.1; client i goes to `ports[i % ports.length]`. */
  readonly ports: readonly number[];
  /** Path of the WebSocket, with `{i}` for the client's number and `{room}` for its room's. */
  readonly path: string;
  readonly envelope: Envelope;
  readonly clients: number;
  /** Clients of one room; divides `clients`. */
  readonly members: number;
  /** Size of what a client says, without the envelope. */
  readonly bytes: number;
  /** Messages a second, of all rooms together. */
  readonly rate: number;
  readonly seconds: number;
  /** Seconds of the same load before the measured ones. */
  readonly warm: number;
  /** Milliseconds of silence between connecting and warming up. */
  readonly settle: number;
  /** Longest wait for what is still under way, seconds. */
  readonly drain: number;
  /** Handshakes under way at a time. */
  readonly concurrency: number;
  /** The generator looks at its sockets this often, microseconds; what is due meanwhile leaves together. */
  readonly tick: number;

  // What follows load.c alone knows, for the parts that ask for it; each is nothing unless given.

  /** Clients, evenly among all, that stop reading once they have joined. They neither speak nor count. */
  readonly stalled?: number;
  /** One in ten of these reads on after it joined, to see how it was ended: the first after `wake` milliseconds, the last after
   *  `wakeTo` (as the first, unless given). */
  readonly wake?: number;
  readonly wakeTo?: number;
  /** A stalled client comes again this long after it joined or was closed, milliseconds. */
  readonly stay?: number;
  /** Members of each room, the first ones, that speak. */
  readonly speakers?: number;
  /** Messages of a phase at most. */
  readonly messages?: number;
  /** Number of the first client, where several generators share the clients. */
  readonly first?: number;
  /** File with each client's own header lines, in order: some that end in CRLF, then an empty one. */
  readonly headers?: string;
  /** Own address of the clients, of 127.0.0.0/8. */
  readonly source?: string;
  /** Longest time until all have joined, seconds (120). */
  readonly patience?: number;
}

/** How the stalled clients' connections ended. */
export interface StalledEnds {
  /** Woken, and found a notice and then 4100. */
  readonly noticed: number;
  /** Woken, and found 4100 without a notice. */
  readonly slow: number;
  /** Woken, and found another close code. */
  readonly other: number;
  /** Cut off. */
  readonly cut: number;
  /** How often one came again. */
  readonly again: number;
}

export interface LoadResult {
  readonly sent: number;
  /** Messages that did not fit into a client's queue. */
  readonly unsent: number;
  /** Each delivery counted once. */
  readonly deliveries: number;
  readonly expected: number;
  /** Those within the measured seconds, without the wait afterwards. */
  readonly inTime: number;
  readonly duplicates: number;
  /** Deliveries of another room's messages. */
  readonly foreign: number;
  /** Clients whose connection ended. */
  readonly lost: number;
  readonly seconds: number;
  /** CPU of the generator in the measured seconds, microseconds. */
  readonly cpuUs: number;
  /** −1 where nothing was delivered. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly stalled?: StalledEnds;
}

export function planArguments(plan: LoadPlan): string[] {
  return Object.entries(plan).map(([key, value]) => `${key}=${value}`);
}

/** The inverse of `planArguments`, for what load-node.ts knows. */
export function parsePlan(argv: readonly string[]): LoadPlan {
  const values = new Map(argv.map((arg) => [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)]));
  const text = (key: string): string => values.get(key) ?? '';
  const number = (key: string): number => Number(values.get(key) ?? Number.NaN);
  return {
    ports: text('ports').split(',').map(Number),
    path: text('path'),
    envelope: text('envelope') as Envelope,
    clients: number('clients'),
    members: number('members'),
    bytes: number('bytes'),
    rate: number('rate'),
    seconds: number('seconds'),
    warm: number('warm'),
    settle: number('settle'),
    drain: number('drain'),
    concurrency: number('concurrency'),
    tick: number('tick'),
  };
}
