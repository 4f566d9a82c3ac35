/** A node under fuzz: link-edge.ts on a real socket and the real core behind it. Owns: its oracles: an input ends its own link and
 *  nothing else; a valid link beside it goes on being answered; what the link has brought is gone once it is.
 *  Every world serves many inputs, as a node serves many links. */
import { connect, type Socket } from 'node:net';
import { LinkEdge } from '../../node/link-edge.ts';
import type { LinkConnection } from '../../shared/link/connection.ts';
import { dialLink, type LinkAddress } from '../../shared/link/dial.ts';
import { FRAME_TYPES } from '../../shared/link/frame-header.ts';
import type { LinkMessage } from '../../shared/link/messages.ts';
import { SeededRandom } from '../../shared/random.ts';
import type { FuzzInput } from './input.ts';
import { linkGrammar } from './link-grammar.ts';
import { conversations } from './node-seeds.ts';
import { NodeWorld } from './node-world.ts';
import { pour, shake } from './raw-peer.ts';
import { INCARNATIONS, identity, SECRETS } from './records.ts';
import { goldenInputs } from './seeds.ts';
import { Broken, insist, type Target } from './target.ts';

const NAME = 'node';
/** The bad link is another node's, else a router's. */
const AS_NODE = 1;
/** No handshake comes before the input. */
const RAW = 2;
/** The gate is shut while the input is taken. */
const SHUT = 4;
/** Time passes while the link is there. */
const WAITS = 8;

/** Small, so that an input can exceed it. */
const WINDOW_BYTES = 65_536;

const GOOD_ROOM = 'room-beside-4f1c9d2a';
const GOOD_SESSION = 'session-beside-77aa01';

export class NodeTarget implements Target {
  readonly name = NAME;
  readonly grammar = linkGrammar;
  readonly turn = 10;
  readonly variants = 16;
  readonly bytesMax = 150_000;
  readonly words = [
    'room',
    'other',
    's1',
    's2',
    'u1',
    'join',
    'resume',
    'rebind',
    'n1',
    '1.aaaa',
    'publish',
    'signal',
    'rooms',
    'kick',
    'move',
  ];
  #bench: Bench | undefined;

  seeds(): FuzzInput[] {
    const talks = conversations();
    const seeds = goldenInputs(NAME, [0, AS_NODE, SHUT, WAITS]);
    for (const steps of talks)
      for (const variant of [0, AS_NODE]) seeds.push({ target: NAME, variant, links: [steps] });
    for (const steps of talks.slice(0, 2)) seeds.push({ target: NAME, variant: WAITS, links: [steps, steps] });
    seeds.push({ target: NAME, variant: RAW, links: [[Buffer.from('GET / HTTP/1.1\r\n\r\n')]] });
    return seeds;
  }

  async run(input: FuzzInput): Promise<void> {
    for (const steps of input.links) {
      if (this.#bench?.isOver !== false) await this.#renew();
      await this.#bench?.take(input.variant, steps);
    }
  }

  async settle(): Promise<void> {
    await this.#bench?.settle();
  }

  async reset(): Promise<void> {
    await this.#bench?.close();
    this.#bench = undefined;
  }

  async #renew(): Promise<void> {
    await this.reset();
    this.#bench = new Bench();
    await this.#bench.start();
  }
}

class Bench {
  readonly #world: NodeWorld;
  readonly #edge: LinkEdge;
  readonly #up = new Map<number, string>();
  readonly #downs: number[] = [];
  #address: LinkAddress | undefined;
  #good: LinkConnection | undefined;
  readonly #goodHeard: LinkMessage[] = [];
  #goodIsDown = false;
  #wake: (() => void)[] = [];
  #isShut = false;
  #asked = 0;
  #goodCseq = 0;

  constructor() {
    this.#world = new NodeWorld(INCARNATIONS.node, {
      send: (link, message, lane) => this.#edge.send(link, message, lane),
      lanes: (link) => this.#edge.lanes(link),
      dropQueued: (link, predicate) => this.#edge.dropQueued(link, predicate),
      afterHandedOver: (links, done) => this.#edge.afterHandedOver(links, done),
      dial: (node, incarnation, address) => this.#edge.dial(node, incarnation, address),
      ping: (link) => this.#edge.ping(link),
    });
    const { core, calls } = this.#world;
    this.#edge = new LinkEdge({
      self: identity('node', 'n1', INCARNATIONS.node),
      secrets: SECRETS,
      host: '127.0.0.1',
      port: 0,
      now: () => this.#world.now,
      gateOpen: () => !this.#isShut && core.gateOpen(this.#world.now),
      pulse: () => ({ loopDelayUs: 1, redis: 'answered' }),
      linkUp: (link, peer) => {
        this.#up.set(link, peer.id);
        core.linkUp(link, peer);
        this.#stir();
      },
      linkDown: (link) => {
        this.#up.delete(link);
        this.#downs.push(link);
        core.linkDown(link, this.#world.now);
        this.#stir();
      },
      pong: (link, { sentAt, redis }) => core.pong(link, sentAt, redis, this.#world.now),
      linkDrained: (link) => core.linkDrained(link),
      linkPressed: (link, isPressed) => core.linkPressed(link, isPressed),
      windowBytes: WINDOW_BYTES,
      message: (link, message) => core.message(link, message, this.#world.now),
      dropped: (link, message) => core.dropped(link, message),
      turnEnd: () => {
        core.turnEnd();
        this.#world.settle();
        // Acks of what was logged meanwhile leave at a turn's end.
        core.turnEnd();
      },
      call: (link, call) => {
        calls.handle(call, (result) => this.#edge.send(link, { type: 'return', id: call.id, result }));
        this.#world.settle();
      },
      log: () => undefined,
    });
  }

  /** A router has told it that it is certified, and it believes proven routers. */
  get isOver(): boolean {
    return this.#world.ended !== undefined;
  }

  async start(): Promise<void> {
    this.#address = await this.#edge.start();
    this.#good = dialLink(this.#address, {
      handshake: { self: identity('router', 'beside', INCARNATIONS.good), secrets: SECRETS, accepts: ['node'] },
      events: {
        onUp: () => this.#stir(),
        onMessage: (_link, message) => {
          this.#goodHeard.push(message);
          this.#stir();
        },
        onDown: () => {
          this.#goodIsDown = true;
          this.#stir();
        },
      },
    });
    await this.#until(() => this.#good?.isUp === true && this.#up.size === 1);
    const session = { handle: 1, session: GOOD_SESSION, user: 'beside', seat: 1, kind: 'join', since: 1 } as const;
    this.#good.send({ type: 'open', room: GOOD_ROOM, floor: 0, serial: 1, sessions: [session] });
    await this.#heard((message) => message.type === 'opened');
  }

  /** One bad link, from its first byte to its last. */
  async take(variant: number, steps: readonly Buffer[]): Promise<void> {
    const downs = this.#downs.length;
    const isRaw = (variant & RAW) !== 0;
    const socket = connect({ host: '127.0.0.1', port: this.#address?.port ?? 0 });
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    socket.setNoDelay(true);
    if (isRaw) swallow(socket);
    else await this.#shake(socket, (variant & AS_NODE) !== 0 ? 'node' : 'router');
    this.#isShut = (variant & SHUT) !== 0;
    const poured = pour(socket, steps);
    if ((variant & WAITS) !== 0) this.#world.run(1_200);
    await poured;
    this.#isShut = false;
    if (!isRaw) await this.#until(() => this.#downs.length > downs);
    this.#world.run(20, 20);
    if (this.isOver) return this.#mayEnd(steps);
    this.#judge(isRaw ? undefined : this.#downs.at(-1));
    await this.#ask();
  }

  async #shake(socket: Socket, role: 'router' | 'node'): Promise<void> {
    const self = identity(role, `bad-${role}`, INCARNATIONS.bad);
    const known = this.#up.size;
    await shake(socket, {
      side: 'dialer',
      self,
      secrets: SECRETS,
      accepts: ['node'],
      nonce: new SeededRandom(++this.#asked).hex(16),
    });
    await this.#until(() => this.#up.size > known);
  }

  /** Ending itself is right for a node that a proven router has called certified, and for no other reason. */
  #mayEnd(steps: readonly Buffer[]): void {
    const isTold = linkGrammar
      .split(Buffer.concat(steps))
      .some((frame) => frame[3] === FRAME_TYPES.goaway.code && frame.includes('"certified"'));
    insist(isTold, 'end', `the node ended: ${JSON.stringify(this.#world.ended)}`);
  }

  #judge(bad: number | undefined): void {
    const { core } = this.#world;
    insist(!this.#goodIsDown, 'beside', 'a valid link went down with the bad one');
    insist(this.#up.size === 1, 'down', `${this.#up.size} links are up where one is left`);
    insist(core.load().sessions === 1, 'seats', `${core.load().sessions} seats are left of one`);
    for (const hosted of core.rooms.all()) {
      const isBound = bad !== undefined && hosted.room?.handleOn(bad) !== undefined;
      insist(!isBound, 'binding', `${hosted.name} is bound on a link that is down`);
    }
  }

  /** The link beside is still answered, and its session still heard. */
  async #ask(): Promise<void> {
    const id = ++this.#asked;
    this.#good?.send({ type: 'call', id, op: 'room', args: { room: GOOD_ROOM } });
    const cseq = ++this.#goodCseq;
    const payload = Buffer.from(JSON.stringify({ type: 'publish', id: cseq, data: 'x' }));
    this.#good?.send({ type: 'client-frame', session: 1, cseq, resent: false, payload });
    await this.#heard((message) => message.type === 'return' && message.id === id && 'ok' in message.result);
    await this.#heard(
      (message) => message.type === 'acks' && message.entries.some((one) => one.session === 1 && one.cseq >= cseq),
    );
    this.#goodHeard.length = 0;
  }

  /** After all that a link may leave behind for a while: only the link beside, its room and its session are left. */
  async settle(): Promise<void> {
    if (this.isOver) return;
    this.#world.forget();
    // A room is released once its links have handed over what they had, which no virtual time brings about.
    await new Promise((done) => setImmediate(done));
    this.#world.forget();
    if (this.isOver) throw new Broken('end', `the node ended: ${JSON.stringify(this.#world.ended)}`);
    const { core } = this.#world;
    const names = [...core.rooms.all()].map(({ name }) => name);
    insist(names.length === 1 && names[0] === GOOD_ROOM, 'rooms', `left behind: ${names.join(', ')}`);
    insist(core.handovers.underWay === 0, 'handovers', 'one is under way that nobody began');
  }

  async close(): Promise<void> {
    this.#good?.destroy();
    await this.#edge.closeAll();
  }

  async #heard(predicate: (message: LinkMessage) => boolean): Promise<void> {
    await this.#until(() => this.#goodHeard.some(predicate));
  }

  /** The watchdog of the whole run bounds this wait. */
  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      insist(!this.#goodIsDown, 'beside', 'a valid link went down with the bad one');
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #stir(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

function swallow(socket: Socket): void {
  socket.on('error', () => {});
  socket.resume();
}
