/** The client edge under fuzz: `ws` as the edge sets it up, the table of clients, a router's core and a node's core behind it, all in one
 *  process. Owns: its oracles: a client's bytes end its own socket at most, with a code of the table; a client beside it is served; once
 *  the bad one has gone, its session is. */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { constants, deflateRawSync } from 'node:zlib';
import { type Server, WebSocketServer } from 'ws';
import { ClientSocket } from '../../router/client-socket.ts';
import { type ClientEvents, Clients } from '../../router/clients.ts';
import { Inflation } from '../../router/compression/inflation.ts';
import { checkUpgrade } from '../../router/upgrade.ts';
import { inflateBy } from '../../router/ws-adapter.ts';
import { ERRORS } from '../../shared/errors.ts';
import type { LinkMessage } from '../../shared/link/messages.ts';
import { SeededRandom } from '../../shared/random.ts';
import type { FuzzInput } from './input.ts';
import { MemorySocket, turns } from './memory-socket.ts';
import { NodeWorld } from './node-world.ts';
import { INCARNATIONS } from './records.ts';
import { RouterWorld } from './router-world.ts';
import { insist, type Target } from './target.ts';
import { clientFrame, fragmentsOf, textFrameOf, websocketGrammar } from './websocket-grammar.ts';

const NAME = 'client';
/** The input is the head of an upgrade, not what follows it. */
const HEAD = 1;
/** The client does not read. */
const STALLED = 2;
/** The client breaks off without a goodbye. */
const BREAKS = 4;
const IN_GOOD_ROOM = 8;
/** Compression was agreed on. */
const COMPRESSES = 16;

const PAYLOAD_MAX = 32_768;
const BACKLOG_MAX = 262_144;
/** Of the edge, much shortened: who does not answer a close frame is cut off. */
const CLOSE_TIMEOUT_MS = 20;
const AT = { node: 'n1', incarnation: INCARNATIONS.node };
const LINK = 1;
const CLIENT_CLOSE_CODES = new Set([
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 4100, 4401, 4403, 4409,
]);

const SAYS = [
  '{"type":"publish","id":1,"data":{"text":"hello"}}',
  '{"type":"publish","data":[1,2,3]}',
  '{"type":"publish","id":2,"data":1.0}',
  '{"type":"signal","data":"x"}',
  '{"type":"meta","data":{"name":"é𝄞"}}',
  '{"type":"ping"}',
  '{"type":"unknown"}',
  '{"\\u0074ype":"publish","id":3,"d\\u0061ta":{"a":"\\ud834\\udd1e"}}',
];

export class ClientTarget implements Target {
  readonly name = NAME;
  readonly grammar = websocketGrammar;
  readonly turn = 30;
  readonly variants = 32;
  readonly bytesMax = 120_000;
  readonly words = ['publish', 'signal', 'meta', 'ping', 'room', 's1'];
  #bench: Bench | undefined;

  seeds(): FuzzInput[] {
    const random = new SeededRandom(1);
    const texts = SAYS.map(textFrameOf);
    const control = [0x88, 0x89, 0x8a].map((first) =>
      clientFrame(first, Buffer.from(first === 0x88 ? [0x03, 0xe8] : 'p')),
    );
    const streams = [
      ...texts,
      Buffer.concat(texts),
      Buffer.concat(fragmentsOf(SAYS[0] ?? '', 4, random)),
      Buffer.concat([...texts, ...control]),
      clientFrame(0x82, Buffer.from([1, 2, 3])),
      clientFrame(0x88, Buffer.from([0x03, 0xe9, 0xff])),
      textFrameOf(`{"type":"publish","data":"${'x'.repeat(PAYLOAD_MAX - 30)}"}`),
    ];
    const seeds: FuzzInput[] = [];
    for (const variant of [0, IN_GOOD_ROOM, STALLED | IN_GOOD_ROOM, BREAKS]) {
      for (const stream of streams) seeds.push({ target: NAME, variant, links: [[stream]] });
    }
    for (const variant of [COMPRESSES, COMPRESSES | IN_GOOD_ROOM]) {
      for (const stream of deflatedStreams()) seeds.push({ target: NAME, variant, links: [[stream]] });
    }
    for (const head of HEADS) seeds.push({ target: NAME, variant: HEAD, links: [[Buffer.from(head)]] });
    return seeds;
  }

  async run(input: FuzzInput): Promise<void> {
    for (const steps of input.links) {
      if ((input.variant & HEAD) !== 0) {
        upgrade(Buffer.concat(steps).toString('latin1'));
        continue;
      }
      this.#bench ??= new Bench();
      await this.#bench.take(input.variant, steps);
    }
  }

  async settle(): Promise<void> {
    await this.#bench?.settle();
  }

  async reset(): Promise<void> {
    this.#bench?.close();
    this.#bench = undefined;
  }
}

/** Deflated messages: whole ones, one in fragments, one that says more than it may, one that is cut, and empty blocks. */
function deflatedStreams(): Buffer[] {
  const deflated = (text: string) => deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  const payloads = SAYS.map(deflated);
  const [first = Buffer.alloc(0)] = payloads;
  const whole = payloads.map((payload) => clientFrame(0xc1, payload));
  return [
    ...whole.slice(0, 2),
    Buffer.concat(whole),
    Buffer.concat([clientFrame(0x41, first.subarray(0, 9)), textFrameOf(''), clientFrame(0x80, first.subarray(9))]),
    Buffer.concat([
      clientFrame(0x41, first.subarray(0, 9)),
      clientFrame(0x89, first),
      clientFrame(0x80, first.subarray(9)),
    ]),
    clientFrame(0xc1, deflated('x'.repeat(1_000_000))),
    clientFrame(0xc1, first.subarray(0, 12)),
    clientFrame(0xc1, Buffer.from([0, 0, 0, 0xff, 0xff, 0, 0, 0, 0xff, 0xff])),
  ];
}

const COMMON =
  'Host: edge\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==';
const HEADS = [
  `GET /rooms/room?user=u1 1.1\n${COMMON}`,
  `GET /rooms/a%3Ab?session=0123456789abcdef0123456789abcdef&resume=x&after=1&tag=1.0123456789abcdef 1.1\n${COMMON}\nOrigin: http://edge`,
  `GET /rooms/room?history=50 1.1\n${COMMON}\nAuthorization: Bearer abc\nSec-WebSocket-Protocol: bellhop.v1, bearer.abc\nOrigin: https://edge:443`,
];

/** The checks before the 101: an answer for whatever node's parser lets through. */
function upgrade(text: string): void {
  const [line = '', ...rest] = text.split('\n');
  const [method, url, httpVersion = ''] = line.split(' ');
  const rawHeaders = rest.flatMap((header) => {
    const colon = header.indexOf(':');
    return colon < 0 ? [header, ''] : [header.slice(0, colon), header.slice(colon + 1).trim()];
  });
  const head = {
    httpVersion,
    rawHeaders,
    ...(method === undefined ? {} : { method }),
    ...(url === undefined ? {} : { url }),
  };
  for (const origins of [undefined, ['http://edge'], ['*']]) {
    const verdict = checkUpgrade(head, origins);
    insist(verdict.ok || Object.hasOwn(ERRORS, verdict.code), 'code', 'a refusal without a code');
  }
}

class Bench implements ClientEvents {
  readonly #wss: Server<typeof ClientSocket>;
  readonly #inflation = new Inflation(PAYLOAD_MAX);
  readonly #clients: Clients;
  readonly #router: RouterWorld;
  readonly #node: NodeWorld;
  readonly #good: MemorySocket;
  #handles = 0;
  #asked = 0;
  #later: (() => void)[] = [];

  constructor() {
    // As edge-server.ts sets it up.
    const options = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: { serverNoContextTakeover: true, clientNoContextTakeover: true },
      maxPayload: PAYLOAD_MAX,
      closeTimeout: CLOSE_TIMEOUT_MS,
      maxFragments: 1_024,
      maxBufferedChunks: 4_096,
      autoPong: false,
      WebSocket: ClientSocket,
    };
    this.#wss = new WebSocketServer<typeof ClientSocket>(options);
    this.#node = new NodeWorld(AT.incarnation, {
      send: (_link, message) => this.#pass(() => this.#router.core.message(AT, message, this.#router.now)),
      dropQueued: () => [],
      afterHandedOver: (_links, done) => void this.#later.push(done),
      dial: () => 99,
      ping: () => undefined,
    });
    this.#node.core.linkUp(LINK, { role: 'router', id: 'r1', incarnation: INCARNATIONS.router });
    const random = new SeededRandom(2);
    this.#clients = new Clients(
      { clock: this.#node.clock, random, messageRate: 1_000, backlogBytesMax: BACKLOG_MAX },
      this,
    );
    this.#router = new RouterWorld({
      nodes: [AT],
      owners: {},
      output: this.#clients,
      send: (_node, _incarnation, message) => this.#pass(() => this.#told(message)),
    });
    this.#router.core.linkUp(AT, this.#router.now);
    this.#good = this.#connect('beside').socket;
  }

  #pass(step: () => void): boolean {
    this.#later.push(step);
    return true;
  }

  #told(message: LinkMessage): void {
    this.#node.core.message(LINK, message, this.#node.now);
    this.#node.core.turnEnd();
  }

  #settle(): void {
    for (;;) {
      this.#router.settle();
      this.#node.settle();
      const step = this.#later.shift();
      if (step === undefined) return;
      step();
    }
  }

  clientFrame(handle: number, payload: Buffer): void {
    this.#router.core.clientFrame(handle, payload);
    this.#settle();
  }

  clientClosed(handle: number, how: 'left' | 'broken'): void {
    this.#router.core.clientClosed(handle, how);
    this.#settle();
  }

  #connect(room: string, compresses = false): { readonly socket: MemorySocket; readonly handle: number } {
    const socket = new MemorySocket();
    const request = new IncomingMessage(new Socket());
    request.method = 'GET';
    request.headers = {
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      ...(compresses && { 'sec-websocket-extensions': 'permessage-deflate' }),
    };
    const handle = ++this.#handles;
    const accept = (ws: ClientSocket) => {
      ws.pause();
      inflateBy(ws, this.#inflation);
      this.#clients.add(handle, ws);
    };
    this.#wss.handleUpgrade(request, socket, Buffer.alloc(0), accept);
    const client = {
      room,
      user: `u${handle}`,
      session: `s${handle}`,
      seat: 1,
      since: 1,
      kind: 'join',
      cursor: undefined,
      history: 0,
    } as const;
    this.#router.core.clientOpened(handle, client, this.#router.now);
    this.#settle();
    return { socket, handle };
  }

  async take(variant: number, steps: readonly Buffer[]): Promise<void> {
    const { socket } = this.#connect((variant & IN_GOOD_ROOM) !== 0 ? 'beside' : 'room', (variant & COMPRESSES) !== 0);
    await turns(1);
    socket.isStalled = (variant & STALLED) !== 0;
    for (const step of steps) {
      if (socket.destroyed) break;
      socket.push(Buffer.from(step));
      await turns(1);
      this.#settle();
    }
    const bound = 4 * BACKLOG_MAX;
    insist(this.#clients.backlogBytes <= bound, 'bound', `${this.#clients.backlogBytes} bytes wait for clients`);
    await this.#ask();
    const code = closeCodeOf(socket.written);
    const isOurs = code === undefined || CLIENT_CLOSE_CODES.has(code) || wasSent(Buffer.concat(steps), code);
    insist(isOurs, 'close code', `${code}`);
    socket.release();
    await turns(1);
    if ((variant & BREAKS) !== 0) socket.destroy(new Error('reset'));
    else if (!socket.destroyed) socket.push(null);
    await this.#gone(socket);
  }

  /** The socket is closed, the session is no longer seated, the one beside is. */
  async #gone(socket: MemorySocket): Promise<void> {
    for (let turn = 0; turn < 20 && !this.#isAlone(socket); turn++) await turns(1);
    // Bounded by the edge's own deadline, and by the watch over the whole run.
    while (!this.#isAlone(socket)) await new Promise<void>((resolve) => setTimeout(resolve, 1));
    this.#settle();
    insist(socket.destroyed, 'end', 'a client has gone and its socket is open');
    insist(this.#clients.sockets === 1, 'end', `${this.#clients.sockets} sockets are known of one`);
    insist(this.#router.core.sessions === 1, 'sessions', `the router knows ${this.#router.core.sessions} of one`);
    this.#router.run(20, 20);
    this.#node.run(20, 20);
    this.#settle();
    insist(
      this.#node.core.load().sessions === 1,
      'seats',
      `the node has ${this.#node.core.load().sessions} seats of one`,
    );
  }

  #isAlone(socket: MemorySocket): boolean {
    return socket.destroyed && this.#clients.sockets === 1;
  }

  /** The client beside is answered. */
  async #ask(): Promise<void> {
    this.#good.written.length = 0;
    const id = ++this.#asked;
    this.#good.push(textFrameOf(JSON.stringify({ type: 'publish', id, data: id })));
    for (let turn = 0; turn < 20; turn++) {
      await turns(1);
      this.#settle();
      if (Buffer.concat(this.#good.written).includes(`"id":${id},`)) return;
    }
    insist(false, 'beside', 'a client beside the bad one is not answered');
  }

  async settle(): Promise<void> {
    this.#node.forget();
    // A room is released once its links have handed over what they had.
    await new Promise((done) => setImmediate(done));
    this.#node.forget();
    this.#settle();
    const names = [...this.#node.core.rooms.all()].map(({ name }) => name);
    insist(names.length === 1, 'rooms', `left behind: ${names.join(', ')}`);
    insist(
      this.#router.core.rooms === 1 && this.#clients.groups === 1,
      'groups',
      'more than that of the client beside',
    );
  }

  close(): void {
    this.#clients.closeAll();
    this.#wss.close();
  }
}

/** The code of the close frame that a client was sent, if it was. */
function closeCodeOf(written: readonly Buffer[]): number | undefined {
  const bytes = Buffer.concat(written);
  // Behind the answer to the upgrade.
  const head = bytes.indexOf('\r\n\r\n');
  const stream = head < 0 ? bytes : bytes.subarray(head + 4);
  for (const frame of websocketGrammar.split(stream)) {
    const payload = websocketGrammar.payload(frame);
    if ((frame[0] ?? 0) === 0x88 && payload !== undefined && payload.length >= 2) return payload.readUInt16BE(0);
  }
  return undefined;
}

/** Whether the client closed with this code: it is then echoed (RFC 6455 §5.5.1). */
function wasSent(bytes: Buffer, code: number): boolean {
  for (let at = bytes.indexOf(0x88); at >= 0; at = bytes.indexOf(0x88, at + 1)) {
    const [length = 0, ...mask] = bytes.subarray(at + 1, at + 6);
    const [high = -1, low = -1] = bytes.subarray(at + 6, at + 8);
    const isMasked = (length & 0x80) !== 0 && (length & 0x7f) >= 2;
    if (isMasked && (((high ^ (mask[0] ?? 0)) << 8) | (low ^ (mask[1] ?? 0))) === code) return true;
  }
  return false;
}
