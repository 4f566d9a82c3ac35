/** A router's core with everything around it played by the test. Owns: what was sent, written and closed. */
import { ManualClock } from '../shared/clock.ts';
import type { RoomRecord } from '../shared/directory/directory.ts';
import type { LinkMessage, Open, OpenSession } from '../shared/link/messages.ts';
import { Placement } from '../shared/placement.ts';
import { SeededRandom } from '../shared/random.ts';
import { ScriptedDirectory } from '../shared/testing/scripted-directory.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';
import { textFrame } from '../shared/websocket-frame.ts';
import { RouterCore } from './core.ts';
import { cluster, inc, nodeRecord } from './fixture.ts';
import { Membership } from './membership.ts';
import type { AcceptedClient, ClientClose } from './ports.ts';
import type { Holder } from './route.ts';

export const A: Holder = { node: 'n1', incarnation: inc('a') };
export const B: Holder = { node: 'n2', incarnation: inc('b') };
export const NONCE = '1'.repeat(16);

export class RouterBench {
  readonly clock = new ManualClock();
  readonly directory = new ScriptedDirectory();
  readonly membership = new Membership();
  readonly core: RouterCore;
  readonly sent: { readonly to: string; readonly message: LinkMessage }[] = [];
  readonly closed = new Map<number, ClientClose>();
  readonly reading: string[] = [];
  /** What each client was shown, in order. */
  readonly shown = new Map<number, string[]>();
  readonly dropped: string[] = [];
  readonly moves: string[] = [];
  polls = 0;
  /** Incarnations that are attendants, and whom they seated: `handle@epoch`. */
  readonly attendants = new Set<string>();
  readonly seated: string[] = [];
  redisFailed = false;
  mayCauseClaims = true;
  full = new Set<string>();
  readonly #groups = new Map<number, Set<number>>();
  /** Session → serial of the OPEN that named it last. */
  readonly #serials = new Map<number, number>();
  #rooms = 10;

  constructor(nodes: readonly Holder[] = [A, B]) {
    this.view(nodes.map(({ node, incarnation }) => nodeRecord(node, incarnation)));
    this.core = new RouterCore(
      {
        timings: DEFAULT_TIMINGS,
        placement: new Placement(Buffer.alloc(16, 1)),
        random: new SeededRandom(3),
        now: () => this.clock.now(),
        membership: this.membership,
        redisFailed: () => this.redisFailed,
        mayCauseClaims: () => this.mayCauseClaims && !this.redisFailed,
        pollSoon: () => this.polls++,
        attended: {
          isAttendant: (at) => this.attendants.has(at.incarnation),
          seated: (handle, _at, epoch) => this.seated.push(`${handle}@${epoch}`),
        },
        onMove: (_room, from, to, epoch) => this.moves.push(`${from?.node ?? '-'}>${to.node}@${epoch}`),
      },
      {
        join: (group, handle) => this.#group(group).add(handle),
        leave: (group, handle) => this.#group(group).delete(handle),
        cast: (group, frame, excluded) => {
          for (const handle of this.#group(group)) if (handle !== excluded) this.#show(handle, frame);
        },
        direct: (handle, frame) => this.#show(handle, frame),
        close: (handle, how) => {
          for (const group of this.#groups.values()) group.delete(handle);
          this.closed.set(handle, how);
        },
        setReading: (handle, reading) => this.reading.push(`${handle}:${reading}`),
        send: (node, _incarnation, message) => {
          if (this.full.has(node)) return false;
          this.sent.push({ to: node, message });
          if (message.type === 'open') {
            for (const one of message.sessions) this.#serials.set(one.handle, message.serial ?? 0);
          }
          return true;
        },
        keepLink: () => undefined,
        dropLink: (node) => this.dropped.push(node),
        call: this.directory.call,
        useRun: () => undefined,
        log: () => undefined,
        count: () => undefined,
        observe: () => undefined,
      },
    );
    for (const at of nodes) this.core.linkUp(at, this.now);
  }

  get now() {
    return this.clock.now();
  }

  #group(group: number): Set<number> {
    const found = this.#groups.get(group) ?? new Set<number>();
    this.#groups.set(group, found);
    return found;
  }

  #show(handle: number, frame: Buffer): void {
    const text = frame.subarray(2).toString('utf8');
    this.shown.set(handle, [...(this.shown.get(handle) ?? []), text]);
  }

  view(nodes: ReturnType<typeof nodeRecord>[]): void {
    this.membership.update(cluster(nodes), this.now.monoMs);
  }

  client(handle: number, more: Partial<AcceptedClient> = {}): void {
    const client: AcceptedClient = {
      room: 'room',
      user: `u${handle}`,
      session: `s${handle}`,
      seat: 1,
      since: 1,
      kind: 'join',
      cursor: undefined,
      history: 0,
      ...more,
    };
    this.core.clientOpened(handle, client, this.now);
  }

  read(owner: Holder | undefined, epoch = 5): void {
    const record: RoomRecord = { owner, epoch, nonce: NONCE, head: 0, tags: [] };
    this.directory.answer('readRoom', { kind: 'record', record });
  }

  /** The OPENs sent since this was last asked. */
  opens(): { readonly to: string; readonly open: Open; readonly handles: number[] }[] {
    return this.take('open').map(({ to, message }) => ({
      to,
      open: message,
      handles: message.sessions.map((one: OpenSession) => one.handle),
    }));
  }

  take<T extends LinkMessage['type']>(type: T): { to: string; message: Extract<LinkMessage, { type: T }> }[] {
    const found = this.sent.filter(
      (one): one is { to: string; message: Extract<LinkMessage, { type: T }> } => one.message.type === type,
    );
    for (const one of found) this.sent.splice(this.sent.indexOf(one), 1);
    return found;
  }

  frames(): string[] {
    return this.take('client-frame').map(
      ({ to, message }) => `${to} ${message.session}:${message.cseq}${message.resent ? '*' : ''}`,
    );
  }

  from(at: Holder, ...messages: LinkMessage[]): void {
    for (const message of messages) this.core.message(at, message, this.now);
  }

  /** The owner at `at` seats these sessions under one binding. @returns the room's handle */
  seat(
    at: Holder,
    handles: readonly number[],
    more: { epoch?: number; head?: number; cseq?: number; nonce?: string } = {},
  ): number {
    const room = ++this.#rooms;
    const { epoch = 5, head = 0, cseq = 0, nonce = NONCE } = more;
    this.from(at, { type: 'bind', handle: room, room: 'room', incarnation: at.incarnation, epoch, nonce, head });
    for (const session of handles) this.opened(at, session, room, cseq);
    return room;
  }

  /** Answers the OPEN that named the session last. */
  opened(at: Holder, session: number, room: number, cseq = 0): void {
    const serial = this.#serials.get(session) ?? 0;
    this.from(at, { type: 'opened', session, room, cseq, serial, verdict: 'new' });
  }

  cast(at: Holder, room: number, seq: number, text = `m${seq}`): void {
    this.from(at, { type: 'cast', room, class: 'message', seq, excluded: 0, frame: textFrame(text) });
  }

  /** A client in `room`, seated at A. @returns the room's handle */
  bound(handles: readonly number[] = [1]): number {
    for (const handle of handles) this.client(handle);
    this.read(A);
    const room = this.seat(A, handles.slice(0, 1));
    for (const session of handles.slice(1)) this.opened(A, session, room);
    this.opens();
    return room;
  }

  refuse(
    at: Holder,
    session: number,
    reason: Extract<LinkMessage, { type: 'refused' }>['reason'],
    hint?: Holder & { epoch: number },
  ): void {
    const serial = this.#serials.get(session) ?? 0;
    this.from(at, { type: 'refused', session, reason, serial, ...(hint === undefined ? {} : { hint }) });
  }

  tick(ms: number): void {
    this.clock.advance(ms);
    this.core.tick(this.now);
  }

  say(handle: number, text = 'x'): void {
    this.core.clientFrame(handle, Buffer.from(text));
  }
}
