/** A router under fuzz: link-edge.ts on real sockets and the real core behind it; the node it has dialled says what an input says. Owns:
 *  its oracles: an input ends its own link and nothing else; a valid node beside it goes on to serve; clients end with a code or stay
 *  known; once all have gone nothing is left. Each connection is a router of its own: the numbers in an input mean the same each time. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { RouterLinks } from '../../router/link-edge.ts';
import type { AcceptedClient, ClientClose, ClientOutput } from '../../router/ports.ts';
import { BellhopError, closeRow } from '../../shared/errors.ts';
import type { LinkConnection, LinkEvents } from '../../shared/link/connection.ts';
import { CALL_BYTES_MAX, encode } from '../../shared/link/encode.ts';
import { LinkListener } from '../../shared/link/listener.ts';
import { type LinkMessage, MESSAGE_CONTENT_MAX, type OpenSession } from '../../shared/link/messages.ts';
import { textFrame } from '../../shared/websocket-frame.ts';
import type { FuzzInput } from './input.ts';
import { linkGrammar } from './link-grammar.ts';
import { pour, shake } from './raw-peer.ts';
import { INCARNATIONS, identity, SECRETS } from './records.ts';
import { RouterWorld } from './router-world.ts';
import { goldenInputs } from './seeds.ts';
import { insist, type Target } from './target.ts';

const NAME = 'router';
/** No handshake comes before the input. */
const RAW = 1;
/** Clients speak while the input is taken. */
const SPEAKS = 2;
const WAITS = 4;
/** The router's loop stands still before the input comes. */
const STALLS = 8;
/** The router has asked the bad node questions. */
const ASKS = 16;
/** The router's clients take no more. */
const FULL = 32;
const WINDOW_BYTES = 150_000;
const UNPROVEN_MAX = 3;

/** More than any link carries, as a payload bound set too high would let through. */
const TOO_LARGE: LinkMessage = {
  type: 'client-frame',
  session: 1,
  cseq: 1,
  resent: false,
  payload: Buffer.alloc(MESSAGE_CONTENT_MAX + 1),
};

const BAD = { node: 'n1', incarnation: INCARNATIONS.bad };
const GOOD = { node: 'n2', incarnation: INCARNATIONS.good };
const GOOD_ROOM = 'room-beside-4f1c9d2a';
/** A number that no input hits upon: the good node and the bad one speak of the same table of sessions. */
const GOOD_HANDLE = 3_141_592_653;
const GOOD_BINDING = 2_718_281_828;
const BAD_CLIENTS: readonly (readonly [number, string])[] = [
  [1, 'room'],
  [2, 'room'],
  [3, 'other'],
];

export class RouterTarget implements Target {
  readonly name = NAME;
  readonly grammar = linkGrammar;
  readonly turn = 8;
  readonly variants = 64;
  readonly bytesMax = 150_000;
  readonly words = [
    'room',
    'other',
    BAD.incarnation,
    GOOD.incarnation,
    'n1',
    'n2',
    'not-owner',
    'wait',
    'replaced',
    'aaaa',
  ];
  #good: GoodNode | undefined;

  seeds(): FuzzInput[] {
    const seeds = goldenInputs(NAME, [0, SPEAKS, WAITS, ASKS, STALLS, FULL]);
    for (const variant of [0, SPEAKS, WAITS, ASKS | STALLS]) {
      for (const talk of conversations())
        seeds.push({ target: NAME, variant, links: [talk.map((one) => encode(one))] });
    }
    seeds.push({ target: NAME, variant: RAW, links: [[Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]] });
    return seeds;
  }

  async run(input: FuzzInput): Promise<void> {
    this.#good ??= await GoodNode.listen();
    for (const steps of input.links) {
      // A port of its own each time: a router that dials the last one again must not be taken for the next.
      const bad = await BadNode.listen();
      await new Case(this.#good, bad).run(input.variant, steps);
      await bad.close();
    }
  }

  async settle(): Promise<void> {}

  async reset(): Promise<void> {
    await this.#good?.close();
    this.#good = undefined;
  }
}

function conversations(): LinkMessage[][] {
  const bind = (handle: number, room: string, epoch = 1): LinkMessage => ({
    type: 'bind',
    handle,
    room,
    incarnation: BAD.incarnation,
    epoch,
    nonce: 'aaaa',
    head: 0,
  });
  const opened = (session: number, room: number, serial: number): LinkMessage => ({
    type: 'opened',
    session,
    room,
    cseq: 0,
    serial,
    verdict: 'new',
  });
  const cast = (room: number, seq: number, excluded = 0): LinkMessage => ({
    type: 'cast',
    room,
    class: seq === 0 ? 'event' : 'message',
    seq,
    excluded,
    frame: textFrame(`{"seq":${seq}}`),
  });
  const seated = [
    bind(1, 'room'),
    { type: 'direct', session: 1, ephemeral: false, frame: textFrame('{"type":"welcome"}') } as const,
    // Who comes to a room that is being opened is asked for once it is bound: serial 2 is the other room's.
    opened(1, 1, 1),
    bind(2, 'other'),
    opened(3, 2, 2),
    opened(2, 1, 3),
  ];
  return [
    [
      ...seated,
      cast(1, 1),
      cast(1, 0, 2),
      cast(2, 1),
      { type: 'acks', entries: [{ session: 1, cseq: 1 }] },
      cast(1, 2),
    ],
    [
      ...seated,
      { type: 'moved', room: 1, epoch: 2, to: GOOD },
      { type: 'moved', room: 2, epoch: 1 },
      bind(3, 'room', 2),
    ],
    [
      ...seated,
      { type: 'gone', room: 1, code: 1011, reason: 'failed' },
      cast(1, 3),
      { type: 'close-client', session: 3, code: 4409, reason: 'x' },
    ],
    [
      ...seated,
      bind(3, 'room', 2),
      opened(1, 3, 9),
      { type: 'refused', session: 1, reason: 'not-owner', text: 'no seat' },
    ],
    [
      { type: 'refused', session: 1, reason: 'not-owner', serial: 1, hint: { ...GOOD, epoch: 4 } },
      { type: 'refused', session: 3, reason: 'wait', serial: 2 },
      { type: 'refused', session: 2, reason: 'full', serial: 1 },
      { type: 'refused', session: 3, reason: 'replaced', serial: 3 },
    ],
    [
      { type: 'goaway', reason: 'draining', text: '' },
      { type: 'return', id: 1, result: { ok: [] } },
      { type: 'ping', seq: 1 },
    ],
  ];
}

/** One router's life. */
class Case {
  readonly #good: GoodNode;
  readonly #bad: BadNode;
  readonly #world: RouterWorld;
  readonly #links: RouterLinks;
  readonly #output = new Output();
  readonly #downs: string[] = [];
  #takes = true;
  #answers = 0;

  constructor(good: GoodNode, bad: BadNode) {
    this.#good = good;
    this.#bad = bad;
    this.#world = new RouterWorld({
      nodes: [BAD, GOOD],
      owners: { room: BAD, other: BAD, [GOOD_ROOM]: GOOD },
      output: this.#output,
      send: (_node, incarnation, message) => this.#links.send(incarnation, message),
    });
    const { core } = this.#world;
    this.#links = new RouterLinks({
      self: identity('router', 'r1', INCARNATIONS.router),
      secrets: SECRETS,
      now: () => this.#world.now,
      pulse: () => ({ loopDelayUs: 1, redis: 'answered' }),
      linkUp: (at) => {
        core.linkUp(at, this.#world.now);
        this.#good.stir();
      },
      linkDown: (at) => {
        this.#downs.push(at.node);
        core.linkDown(at, this.#world.now);
        this.#good.stir();
      },
      linkDrained: (at) => core.linkDrained(at),
      message: (at, message) => {
        core.message(at, message, this.#world.now);
        this.#world.settle();
        this.#good.stir();
      },
      afterFreshPoll: (done) => setImmediate(done),
      takes: () => this.#takes,
      windowBytes: WINDOW_BYTES,
      linkPressed: (at, isPressed) => core.linkPressed(at, isPressed),
      roundTrip: () => undefined,
      log: () => undefined,
    });
  }

  async run(variant: number, steps: readonly Buffer[]): Promise<void> {
    const isRaw = (variant & RAW) !== 0;
    const good = this.#good.expect();
    const knock = this.#bad.accept();
    this.#links.keep(BAD, `127.0.0.1:${this.#bad.port}`);
    this.#links.keep(GOOD, `127.0.0.1:${this.#good.port}`);
    const socket = await knock;
    if (isRaw) {
      await good;
      await this.#good.crowd();
      socket.on('error', () => {});
      socket.resume();
    } else {
      const self = identity('node', BAD.node, BAD.incarnation);
      await shake(socket, { side: 'acceptor', self, secrets: SECRETS, accepts: ['router'], nonce: 'd'.repeat(32) });
      await this.#good.until(() => this.#links.isUp(BAD.incarnation));
    }
    await good;
    await this.#good.until(() => this.#links.isUp(GOOD.incarnation));
    this.#seat(GOOD_HANDLE, GOOD_ROOM);
    for (const [handle, room] of BAD_CLIENTS) this.#seat(handle, room);
    await this.#good.until(() => this.#world.core.boundAt(GOOD_ROOM) !== undefined);
    await this.#pour(variant, socket, steps);
    await this.#ask();
    await this.#leave();
  }

  #seat(handle: number, room: string): void {
    const client: AcceptedClient = {
      room,
      user: `u${handle}`,
      session: `s${handle}`,
      seat: 1,
      since: 1,
      kind: 'join',
      cursor: undefined,
      history: 0,
    };
    this.#world.core.clientOpened(handle, client, this.#world.now);
    this.#world.settle();
  }

  async #pour(variant: number, socket: Socket, steps: readonly Buffer[]): Promise<void> {
    if ((variant & SPEAKS) !== 0) {
      for (const [handle] of BAD_CLIENTS) for (let cseq = 0; cseq < 3; cseq++) this.#say(handle);
      this.#links.send(BAD.incarnation, TOO_LARGE);
    }
    const asked = (variant & ASKS) === 0 ? 0 : 4;
    for (let id = 1; id <= asked; id++)
      this.#question(id === asked ? 1 : 60_000, id === 2 ? 'x'.repeat(CALL_BYTES_MAX) : '');
    if ((variant & STALLS) !== 0) this.#world.clock.advance(1_500);
    this.#takes = (variant & FULL) === 0;
    const poured = pour(socket, steps);
    if ((variant & WAITS) !== 0) this.#world.run(600);
    if ((variant & SPEAKS) !== 0) for (const [handle] of BAD_CLIENTS) this.#say(handle);
    await poured;
    this.#takes = true;
    this.#links.tick();
    if ((variant & RAW) === 0) await this.#good.until(() => this.#downs.includes(BAD.node));
    // Each is answered, in whatever way, at the latest as its link goes.
    while (this.#answers < asked) await new Promise<void>((resolve) => setTimeout(resolve, 1));
  }

  #question(timeoutMs: number, text: string): void {
    const over = () => {
      this.#answers += 1;
    };
    this.#links.call(BAD.incarnation, 'rooms', { text }, timeoutMs).then(over, (error: unknown) => {
      insist(error instanceof BellhopError, 'code', 'a question failed without a code');
      over();
    });
  }

  #say(handle: number): void {
    if (!this.#output.closed.has(handle)) this.#world.core.clientFrame(handle, Buffer.from('{"type":"ping"}'));
  }

  /** The node beside is still there, in both directions. */
  async #ask(): Promise<void> {
    const { core } = this.#world;
    insist(!this.#downs.includes(GOOD.node), 'beside', 'a valid link went down with the bad one');
    insist(core.boundAt(GOOD_ROOM)?.incarnation === GOOD.incarnation, 'beside', 'the room beside has lost its owner');
    const shown = this.#output.shownTo(GOOD_HANDLE);
    this.#good.cast();
    await this.#good.until(() => this.#output.shownTo(GOOD_HANDLE) > shown);
    const frames = this.#good.frames;
    core.clientFrame(GOOD_HANDLE, Buffer.from('x'));
    await this.#good.until(() => this.#good.frames > frames);
    const answer = await this.#links.call(GOOD.incarnation, 'rooms', {}, 30_000);
    insist(answer === 'answered', 'beside', 'a call to the node beside was answered wrongly');
  }

  /** Clients end with a code of the table or stay known; when all have gone nothing is left. */
  async #leave(): Promise<void> {
    const { core } = this.#world;
    this.#world.run(200);
    for (const [handle, how] of this.#output.closed) {
      const isKnown = closeRow(how.code) !== undefined || (how.code >= 1_000 && how.code <= 4_999);
      insist(isKnown, 'close code', `client ${handle} was closed with ${how.code}`);
    }
    const handles = [GOOD_HANDLE, ...BAD_CLIENTS.map(([handle]) => handle)];
    const open = handles.filter((handle) => !this.#output.closed.has(handle));
    insist(core.sessions === open.length, 'sessions', `${core.sessions} are known where ${open.length} are open`);
    insist(!this.#output.closed.has(GOOD_HANDLE), 'beside', 'the client beside was closed');
    for (const handle of open) core.clientClosed(handle, 'left');
    insist(core.sessions === 0 && core.rooms === 0, 'left behind', `${core.sessions} sessions, ${core.rooms} rooms`);
    insist(this.#output.members === 0, 'left behind', 'a group has members');
    this.#links.keep(BAD, 'no address');
    this.#links.drop(BAD);
    await this.#links.closeAll();
    this.#links.drop(GOOD);
    insist(this.#links.up === 0, 'left behind', 'links are up');
  }
}

/** What clients would see. */
class Output implements ClientOutput {
  readonly closed = new Map<number, ClientClose>();
  readonly #groups = new Map<number, Set<number>>();
  readonly #shown = new Map<number, number>();

  get members(): number {
    let count = 0;
    for (const [, group] of this.#groups) for (const handle of group) if (!this.closed.has(handle)) count++;
    return count;
  }

  shownTo(handle: number): number {
    return this.#shown.get(handle) ?? 0;
  }

  join(group: number, handle: number): void {
    const members = this.#groups.get(group) ?? new Set();
    this.#groups.set(group, members.add(handle));
  }

  leave(group: number, handle: number): void {
    this.#groups.get(group)?.delete(handle);
  }

  cast(group: number, _frame: Buffer, excluded: number): void {
    for (const handle of this.#groups.get(group) ?? []) if (handle !== excluded) this.direct(handle);
  }

  direct(handle: number): void {
    insist(!this.closed.has(handle), 'close', 'a client that was closed is written to');
    this.#shown.set(handle, this.shownTo(handle) + 1);
  }

  close(handle: number, how: ClientClose): void {
    insist(!this.closed.has(handle), 'close', 'a client was closed twice');
    this.closed.set(handle, how);
    for (const group of this.#groups.values()) group.delete(handle);
  }

  setReading(): void {}
}

/** A well-behaved node: seats whom it is asked to, casts when told, answers calls. */
class GoodNode implements LinkEvents {
  readonly #listener = new LinkListener({
    host: '127.0.0.1',
    port: 0,
    handshake: { self: identity('node', GOOD.node, GOOD.incarnation), secrets: SECRETS, accepts: ['router'] },
    events: this,
    unprovenMax: UNPROVEN_MAX,
    onRefused: () => {
      this.#refused += 1;
      this.stir();
    },
  });
  #refused = 0;
  port = 0;
  frames = 0;
  #link: LinkConnection | undefined;
  #seq = 0;
  #wake: (() => void)[] = [];

  static async listen(): Promise<GoodNode> {
    const node = new GoodNode();
    node.port = (await node.#listener.start()).port;
    return node;
  }

  /** Resolves with the next router's link. */
  async expect(): Promise<void> {
    this.#link = undefined;
    this.#seq = 0;
    await this.until(() => this.#link !== undefined);
  }

  onUp(link: LinkConnection): void {
    this.#link = link;
    this.stir();
  }

  onMessage(link: LinkConnection, message: LinkMessage): void {
    if (message.type === 'open') this.#seat(link, message.room, message.serial ?? 0, message.sessions);
    if (message.type === 'client-frame') this.frames += 1;
    if (message.type === 'call') link.send({ type: 'return', id: message.id, result: { ok: 'answered' } });
    this.stir();
  }

  onDown(): void {
    this.stir();
  }

  /** More knock than may, and go again: none of them is left in the books. */
  async crowd(): Promise<void> {
    const before = this.#refused;
    await this.until(() => this.#listener.unproven === 0);
    const sockets = Array.from({ length: UNPROVEN_MAX + 2 }, () => connect({ host: '127.0.0.1', port: this.port }));
    for (const socket of sockets) socket.on('error', () => {});
    await this.until(() => this.#refused === before + 2);
    for (const socket of sockets) socket.destroy();
    await this.until(() => this.#listener.unproven === 0);
    insist(this.#listener.links().length === 1, 'listener', `${this.#listener.links().length} links are up of one`);
  }

  #seat(link: LinkConnection, room: string, serial: number, sessions: readonly OpenSession[]): void {
    if (room !== GOOD_ROOM) {
      for (const { handle } of sessions) link.send({ type: 'refused', session: handle, reason: 'full', serial });
      return;
    }
    const { incarnation } = GOOD;
    link.send({ type: 'bind', handle: GOOD_BINDING, room, incarnation, epoch: 1, nonce: 'cccc', head: 0 });
    for (const { handle } of sessions) {
      link.send({ type: 'opened', session: handle, room: GOOD_BINDING, cseq: 0, serial, verdict: 'new' });
    }
  }

  cast(): void {
    const frame = textFrame('{"type":"message"}');
    this.#seq += 1;
    this.#link?.send({ type: 'cast', room: GOOD_BINDING, class: 'message', seq: this.#seq, excluded: 0, frame });
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  stir(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  async close(): Promise<void> {
    await this.#listener.close();
  }
}

/** A port at which a router knocks. */
class BadNode {
  readonly #server: Server;
  readonly port: number;
  #next: ((socket: Socket) => void) | undefined;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (socket) => {
      socket.setNoDelay(true);
      if (this.#next === undefined) socket.destroy();
      else this.#next(socket);
      this.#next = undefined;
    });
  }

  static async listen(): Promise<BadNode> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return new BadNode(server, typeof address === 'object' && address !== null ? address.port : 0);
  }

  /** The next socket. A router that dials again is refused. */
  accept(): Promise<Socket> {
    return new Promise((resolve) => {
      this.#next = resolve;
    });
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
