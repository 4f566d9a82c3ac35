/** A cluster made of tables, for tests of the HTTP API. Owns: nodes that answer from memory, or with what a test puts in their
 *  place. Does not know: HTTP. */
import type {
  Args,
  Directory,
  NodeRecord,
  Operation,
  Reply,
  RoomRecord,
  RouterRecord,
} from '../shared/directory/directory.ts';
import { DirectoryError } from '../shared/directory/directory.ts';
import type { AuditEntry, Pin } from '../shared/directory/orders.ts';
import { BellhopError } from '../shared/errors.ts';
import type { ApiPorts, NodeOperation, NodeView, OwnerAnswer, RoomMove, RoomSummary } from './api-ports.ts';

export type Answerer = (op: NodeOperation, args: Readonly<Record<string, unknown>>) => unknown;

export class FakeApiPorts implements ApiPorts {
  readonly views: NodeView[] = [];
  /** What a node answers; without an entry it is out of reach. */
  readonly answers = new Map<string, Answerer>();
  /** Which node owns a room. */
  readonly owners = new Map<string, string>();
  readonly records = new Map<string, RoomRecord>();
  readonly presence = new Map<string, Reply<'readPresence'>>();
  readonly logs = new Map<string, Reply<'readLog'>>();
  readonly users = new Map<string, Reply<'readUser'>['sessions']>();
  readonly asked: { node: string; op: NodeOperation; args: unknown }[] = [];
  /** Rooms whose owner is dead and not replaced. */
  readonly settling = new Set<string>();
  readonly pins = new Map<string, Pin>();
  readonly audit: AuditEntry[] = [];
  readonly tickets: Args<'putTicket'>[] = [];
  /** User → how long the mark is kept. */
  readonly revoked = new Map<string, number>();
  redisAway = false;
  isReady = true;

  readonly directory: Directory = {
    call: <K extends Operation>(operation: K, args: Args<K>): Promise<Reply<K>> => {
      if (this.redisAway) return Promise.reject(new DirectoryError('unavailable', 'redis is away'));
      return Promise.resolve(this.#directoryReply(operation, args) as Reply<K>);
    },
    useRun: () => undefined,
  };

  /** Adds an active node with these rooms. */
  addNode(node: string, rooms: readonly RoomSummary[] = [], changes: Partial<NodeRecord> = {}): void {
    const record: NodeRecord = {
      node,
      incarnation: incarnationOf(node),
      state: 'active',
      link: '127.0.0.1:7001',
      weight: 1,
      programs: [{ pattern: '*', program: 'relay' }],
      version: '0.1.0',
      timings: { fenceMs: 1_500, deadMs: 2_600 },
      host: 'h1',
      pid: 42,
      pidStart: '',
      bootId: '',
      pidNamespace: '',
      startedAt: 1_000,
      ...changes,
    };
    const load = { rooms: rooms.length, sessions: rooms.reduce((sum, room) => sum + room.sessions, 0) };
    const beat = { incarnation: record.incarnation, counter: 7, load };
    this.views.push({ record, beat, heartbeatAgeMs: 120.4, linked: true });
    for (const { room } of rooms) this.owners.set(room, node);
    this.answers.set(node, (op, args) => {
      if (op === 'rooms') return pageOf(rooms, args);
      if (op === 'room') return rooms.find(({ room }) => room === args['room']) ?? null;
      throw new BellhopError('bad_request', `no answer to ${op}`);
    });
  }

  ready(): boolean {
    return this.isReady;
  }

  async callNode(node: string, op: NodeOperation, args: unknown): Promise<unknown> {
    this.asked.push({ node, op, args });
    const answer = this.answers.get(node);
    if (answer === undefined) throw new BellhopError('link_lost');
    return answer(op, args as Readonly<Record<string, unknown>>);
  }

  async callOwner(
    room: string,
    op: NodeOperation,
    args: Readonly<Record<string, unknown>>,
    { open }: { readonly open: boolean },
  ): Promise<OwnerAnswer> {
    if (this.settling.has(room)) throw new BellhopError('settling', undefined, { retryAfterMs: 1_500 });
    const node = this.owners.get(room) ?? (open ? this.views[0]?.record.node : undefined);
    if (node === undefined) throw new BellhopError('not_found', 'nobody owns this room');
    const result = await this.callNode(node, op, { ...args, room });
    return { node, incarnation: incarnationOf(node), epoch: 9, result };
  }

  nodes(): readonly NodeView[] {
    return this.views;
  }

  routers(): readonly RouterRecord[] {
    const timings = { fenceMs: 1_500, deadMs: 2_600 };
    const base = { url: 'http://h1:80', version: '0.1.0', timings, host: 'h1', pid: 1, startedAt: 1, counter: 1 };
    return ['r2', 'r1'].map((router) => ({ ...base, router, incarnation: incarnationOf(router), sessions: 3 }));
  }

  placementOrder(): readonly { readonly node: string; readonly weight: number }[] {
    return this.views.map(({ record }) => ({ node: record.node, weight: record.weight }));
  }

  pin(room: string): Pin | undefined {
    return this.pins.get(room);
  }

  recentMoves(): readonly RoomMove[] {
    return [{ at: 5, from: 'n1', to: 'n2', epoch: 9 }];
  }

  cachedRoute(room: string): { readonly node: string; readonly incarnation: string } | undefined {
    const node = this.owners.get(room);
    return node === undefined ? undefined : { node, incarnation: incarnationOf(node) };
  }

  #directoryReply(operation: Operation, args: unknown): unknown {
    const { room = '', user = '' } = args as { room?: string; user?: string };
    switch (operation) {
      case 'readRoom': {
        const record = this.records.get(room);
        return record === undefined ? { kind: 'missing' } : { kind: 'record', record };
      }
      case 'readPresence':
        return this.presence.get(room) ?? { head: undefined, count: 0, members: [] };
      case 'readLog':
        return this.logs.get(room) ?? { kind: 'missing' };
      case 'readUser':
        return { sessions: this.users.get(user) ?? [] };
      case 'readCluster':
        return { pins: [...this.pins.values()] };
      case 'setPin': {
        const { pin } = args as Args<'setPin'>;
        this.pins.set(pin.room, pin);
        return { kind: 'ok', ver: 2 };
      }
      case 'removePin':
        return this.pins.delete((args as Args<'removePin'>).pinned) ? { kind: 'ok', ver: 3 } : { kind: 'absent' };
      case 'putTicket': {
        const { ticket, grant, lifeMs } = args as Args<'putTicket'>;
        this.tickets.push({ ticket, grant, lifeMs });
        return { kind: 'kept', at: 7 };
      }
      case 'revoke':
        if (this.revoked.size >= (args as Args<'revoke'>).marksMax) return { kind: 'full' };
        this.revoked.set(user, (args as Args<'revoke'>).keepMs);
        return { kind: 'revoked', at: 7 };
      case 'appendAudit':
        this.audit.push({ ...(args as Args<'appendAudit'>).entry, id: this.audit.length + 1, at: 7 });
        return { id: this.audit.length };
      case 'readAudit': {
        const { after = 0, limit } = args as Args<'readAudit'>;
        return { entries: this.audit.filter(({ id }) => id > after).slice(0, limit) };
      }
      default:
        throw new Error(`the API does not ask for ${operation}`);
    }
  }
}

/** A stand-in for 32 hex characters that tells whose it is. */
export function incarnationOf(name: string): string {
  return Buffer.from(name).toString('hex').padEnd(32, '0');
}

export function summary(room: string, changes: Partial<RoomSummary> = {}): RoomSummary {
  return { room, epoch: 9, head: 4, sessions: 2, since: 77, program: 'relay', ...changes };
}

function pageOf(rooms: readonly RoomSummary[], args: Readonly<Record<string, unknown>>): unknown {
  const { prefix = '', cursor = '', limit = 100 } = args as { prefix?: string; cursor?: string; limit?: number };
  const wanted = rooms
    .filter(({ room }) => room.startsWith(prefix) && room > cursor)
    .sort((a, b) => (a.room < b.room ? -1 : 1));
  const page = wanted.slice(0, limit);
  return { rooms: page, ...(wanted.length > page.length ? { next: page.at(-1)?.room } : {}) };
}
