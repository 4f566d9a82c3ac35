/** Holds the directory in memory to that in Redis: random sequences of calls, drawn from a few ids so that they collide, must get
 *  equal replies. Every documented reply has to be drawn often; the table of how often is printed.
 *
 *  Epochs depend on Redis' clock only where time is the largest of the three candidates. Floors far above any time keep it from being
 *  so; the conformance suite covers the rest. Expiry is compared by letting a day pass in both. The time of an entry is compared as far as the
 *  test gives it. Streams keep one entry a node here, so that what is trimmed about is trimmed exactly. */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SeededRandom } from '../random.ts';
import { passTime, plainRedis } from '../testing/redis-client.ts';
import { type RedisServer, startRedis } from '../testing/redis-server.ts';
import type { AppendItem, Args, LogEntry, LogOpening, Operation, Reply, RoomRecord, Triple } from './directory.ts';
import { FORGOTTEN } from './directory.ts';
import { nodeRecord, routerRecord, token, tripleOf } from './example-records.ts';
import { MemoryDirectory } from './memory-directory.ts';
import { DIRECTORY_CONNECTIONS } from './plan.ts';
import { RedisDirectory } from './redis-directory.ts';

const SEQUENCES = 600;
const CALLS_A_SEQUENCE = 70;
const DRAWN_MIN = 20;
const CERTS_MAX = 5;
const FAR = 2 ** 50;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const NODES = ['n1', 'n2', 'n3'] as const;
const LIVES = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => token(name));
const NONCES = ['x', 'y'].map((name) => token(name, 16));
const GENS = ['g1', 'g1', 'g1', 'g2'] as const;
const ROOMS = ['lobby', 'hall'] as const;
const ROUTERS = ['r1', 'r2'] as const;
const TICKETS = ['a', 'b', 'c'].map((digit) => digit.repeat(64));
const SESSIONS = ['s1', 's2', 's3', 's4'] as const;
const SENDERS = [...SESSIONS, '*', 'k:ü 1'] as const;
/** Long enough ago that `KEEP_MS` trims it, and never trimmed. */
const LONG_AGO = 1_000;
const KEEP_MS = 1e12;
const OTHER_RUN = token('other', 40);

/** Every reply that the interface documents, as `kindOf` names it. */
const DOCUMENTED = `
readCluster:full readCluster:unchanged readCluster:unnamed
createHistory:created createHistory:exists
register:registered:first register:registered:again register:living register:certified register:other-run
heartbeat:ok heartbeat:dead heartbeat:absent heartbeat:empty heartbeat:other-gen heartbeat:other-run
setState:ok setState:refused setState:other-run
leave:left leave:refused leave:other-run
certify:certified certify:already certify:moved certify:absent certify:other-gen certify:other-gen:unnamed certify:other-run
standing:living standing:certified standing:unknown
registerRouter:ok refreshRouter:ok refreshRouter:absent removeRouter:removed removeRouter:changed
readRoom:missing readRoom:record:owned readRoom:record:released
claim:owned claim:owned:restored claim:owned:afresh claim:owned:opened claim:owned:opened-empty claim:changed claim:changed:missing claim:other-run
release:released release:rolled-back release:changed release:changed:missing
transfer:moved transfer:changed transfer:changed:missing transfer:rolled-back
append:appended append:fenced append:fenced:missing append:rolled-back append:late
append:item:logged append:item:duplicate:at append:item:duplicate:nowhere append:item:unknown append:evicted append:repeated
readLog:missing readLog:log:none readLog:log:some openLog:empty openLog:entries openLog:senders openLog:snapshot openLog:trimmed
writePresence:written writePresence:stale readPresence:empty readPresence:members
writeUser:written writeUser:written:stale readUser:none readUser:some
setPin:ok removePin:ok removePin:absent appendAudit:some readAudit:none readAudit:some
putTicket:kept putTicket:exists takeTicket:taken takeTicket:absent revoke:revoked revoke:full readRevoked:none readRevoked:some
`
  .trim()
  .split(/\s+/);

let server: RedisServer;
let plain: Redis;
let redis: RedisDirectory;

beforeAll(async () => {
  server = await startRedis({ args: ['--stream-node-max-entries', '1'] });
  plain = await plainRedis(server.port);
  redis = RedisDirectory.connect({
    url: server.url,
    cluster: 'test',
    certsMax: CERTS_MAX,
    // Generous: a machine that stands still for a while is not what is tested here.
    timings: { commandTimeoutMs: 20_000, reconnectMs: 5_000 },
  });
  const up = new Promise<void>((resolve) => {
    const ups = new Set<string>();
    redis.onState((event) => {
      if (event.kind === 'up' && ups.add(event.connection).size === DIRECTORY_CONNECTIONS.length) resolve();
    });
  });
  redis.start();
  await up;
});

afterAll(async () => {
  await redis.close();
  plain.disconnect();
  await server.stop();
});

it('memory and Redis give the same replies', { timeout: 180_000 }, async () => {
  const counts = new Map(DOCUMENTED.map((kind) => [kind, 0]));
  const seed = Number(process.env['BELLHOP_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  const { runId } = await redis.call('readCluster', {});
  for (let sequence = 0; sequence < SEQUENCES; sequence++) {
    await plain.flushall();
    const memory = new MemoryDirectory({ runId, certsMax: CERTS_MAX });
    const draw = new Draw(new SeededRandom(seed + sequence), runId);
    const trace: string[] = [];
    let nowMs = Date.now();
    for (let step = 0; step < CALLS_A_SEQUENCE; step++) {
      if (draw.random.below(40) === 0) {
        nowMs += DAY_MS;
        await passTime(plain, DAY_MS);
        trace.push('a day passes');
      }
      const { operation, args } = draw.call();
      trace.push(`${operation} ${JSON.stringify(args)}`);
      const fromMemory = memory.execute(operation, args, nowMs);
      const fromRedis = await redis.call(operation, args);
      const hint = `sequence ${sequence} of BELLHOP_TEST_SEED=${seed}:\n${trace.join('\n')}`;
      expect(timeless(fromMemory), hint).toEqual(timeless(fromRedis));
      for (const kind of kindsOf(operation, args, fromRedis)) {
        expect(counts.has(kind), `${kind} is not documented; ${hint}`).toBe(true);
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
      }
      if (operation === 'append' && draw.isRepeated(args as Args<'append'>, fromRedis as Reply<'append'>))
        counts.set('append:repeated', (counts.get('append:repeated') ?? 0) + 1);
      draw.learn(operation, args, fromRedis);
    }
  }
  console.info(
    `seed ${seed}\n${[...counts].map(([kind, count]) => `${String(count).padStart(6)}  ${kind}`).join('\n')}`,
  );
  const rare = [...counts].filter(([, count]) => count < DRAWN_MIN);
  expect(rare, `replies drawn fewer than ${DRAWN_MIN} times; BELLHOP_TEST_SEED=${seed}`).toEqual([]);
});

type AnyCall = { [K in Operation]: { readonly operation: K; readonly args: Args<K> } }[Operation];

/** Draws calls that often make sense, because it remembers what was last seen. */
class Draw {
  readonly random: SeededRandom;
  readonly #runId: string;
  readonly #counters = new Map<string, number>();
  readonly #records = new Map<string, RoomRecord | undefined>();
  readonly #standing = new Map<string, string>();
  /** Room → the last batch that its present owner appended. */
  readonly #batches = new Map<string, number>();
  #known: { gen: string; ver: number } | undefined;

  constructor(random: SeededRandom, runId: string) {
    this.random = random;
    this.#runId = runId;
  }

  learn<K extends Operation>(operation: K, args: Args<K>, reply: Reply<K>): void {
    if (operation === 'readCluster') {
      const { gen, ver, beats } = reply as Reply<'readCluster'>;
      this.#known = gen === undefined ? undefined : { gen, ver };
      for (const [node, beat] of Object.entries(beats)) this.#counters.set(node, beat.counter);
    }
    if (operation === 'register' && 'kind' in reply && reply.kind === 'registered') {
      const { record } = args as Args<'register'>;
      this.#standing.set(record.node, record.incarnation);
    }
    const { room } = args as { room?: string };
    if (room !== undefined && 'kind' in reply) {
      if (reply.kind === 'owned' || reply.kind === 'moved') this.#batches.delete(room);
      const record = this.#records.get(room);
      if (reply.kind === 'appended' && record !== undefined) {
        this.#batches.set(room, (args as Args<'append'>).batch);
        this.#records.set(room, { ...record, head: reply.head });
      }
    }
    if ('record' in reply) this.#records.set((args as Args<'readRoom'>).room, reply.record as RoomRecord | undefined);
    if (operation === 'readRoom' && 'kind' in reply && reply.kind === 'missing') {
      this.#records.set((args as Args<'readRoom'>).room, undefined);
    }
  }

  isRepeated({ room, batch }: Args<'append'>, reply: Reply<'append'>): boolean {
    return reply.kind === 'appended' && this.#batches.get(room) === batch;
  }

  call(): AnyCall {
    const { random } = this;
    const node = random.pick(NODES);
    // Mostly the incarnation that stands there.
    const standing = this.#standing.get(node);
    const incarnation = standing !== undefined && random.below(10) < 7 ? standing : random.pick(LIVES);
    const runId = random.below(8) === 0 ? OTHER_RUN : this.#runId;
    const gen = random.pick(GENS);
    const router = random.pick(ROUTERS);
    const room = random.pick(ROOMS);
    const seen = this.#records.get(room);
    const triple = seen?.owner === undefined || random.below(6) === 0 ? this.#anyTriple() : tripleOf(seen);
    const head = random.below(40);
    const expireMs = random.below(2) === 0 ? HOUR_MS : 1.5 * DAY_MS;
    const nonce = random.pick(NONCES);
    switch (random.below(46)) {
      case 0:
        return { operation: 'readCluster', args: random.below(2) === 0 ? {} : { known: this.#known } };
      case 1:
        return random.below(3) === 0
          ? { operation: 'createHistory', args: { gen } }
          : { operation: 'readCluster', args: { known: this.#known } };
      case 2:
      case 3: {
        const record = nodeRecord(node, random.pick(LIVES), { weight: random.below(5) / 4, state: 'active' });
        return { operation: 'register', args: { record, runId, newGen: gen } };
      }
      case 4:
      case 5:
      case 6: {
        const load = { rooms: random.below(9), sessions: random.below(99) };
        return { operation: 'heartbeat', args: { node, incarnation, runId, gen, load } };
      }
      case 7: {
        const state = random.pick(['active', 'draining'] as const);
        const weight = random.below(2) === 0 ? undefined : random.unit();
        return { operation: 'setState', args: { node, incarnation, state, weight, runId } };
      }
      case 8:
        return { operation: 'leave', args: { node, incarnation, runId } };
      case 9:
      case 10: {
        const counter = (this.#counters.get(node) ?? 0) + random.below(2);
        const by =
          random.below(3) === 0
            ? ({ kind: 'proof', how: 'reaped' } as const)
            : ({ kind: 'patience', counter } as const);
        return { operation: 'certify', args: { node, incarnation, by, runId, gen } };
      }
      case 11:
        return { operation: 'standing', args: { node, incarnation } };
      case 12: {
        const record = routerRecord(router, random.pick(LIVES.slice(0, 2)), { counter: random.below(3) });
        return { operation: 'registerRouter', args: { record } };
      }
      case 13: {
        const args = { router, incarnation: random.pick(LIVES.slice(0, 2)), counter: random.below(3), sessions: head };
        return { operation: 'refreshRouter', args };
      }
      case 14: {
        const counter = random.below(2) === 0 ? undefined : random.below(3);
        return { operation: 'removeRouter', args: { router, incarnation: random.pick(LIVES.slice(0, 2)), counter } };
      }
      case 15:
        return { operation: 'readRoom', args: { room } };
      case 16:
      case 17:
      case 18:
        return { operation: 'claim', args: this.#claim(room, runId) };
      case 19:
        return { operation: 'release', args: { room, triple, head, expireMs, isLogged: random.below(2) === 0 } };
      case 20:
      case 21: {
        const to = { node, incarnation: random.pick(LIVES), nonce };
        const isLogged = random.below(2) === 0;
        return { operation: 'transfer', args: { room, triple, to, head, isLogged } };
      }
      case 22:
      case 23:
        return { operation: 'writePresence', args: this.#presence(room, expireMs) };
      case 24: {
        const after = random.below(2) === 0 ? undefined : random.pick(SESSIONS);
        return { operation: 'readPresence', args: { room, after, limit: random.below(4) } };
      }
      case 25:
      case 26:
        return { operation: 'openLog', args: { room, last: random.below(8), bytesMax: random.below(30) } };
      case 27:
      case 28:
        return {
          operation: 'readLog',
          args: { room, after: random.below(seen?.head ?? 1), limit: random.below(6), bytesMax: random.below(30) },
        };
      case 29:
      case 30:
      case 31:
      case 32:
      case 33:
      case 34:
      case 35:
        return { operation: 'append', args: this.#append(room, triple) };
      case 36: {
        const pin = { room, node, by: random.pick(['api', 'ü "x"']), at: random.below(9) };
        return { operation: 'setPin', args: { pin } };
      }
      case 37:
        return { operation: 'removePin', args: { pinned: room } };
      case 38: {
        const entry = { by: 'api', action: 'move', room, ...(random.below(2) === 0 ? {} : { detail: '"é"' }) };
        return { operation: 'appendAudit', args: { entry } };
      }
      case 39: {
        const after = random.below(2) === 0 ? undefined : random.below(3);
        return { operation: 'readAudit', args: { after, limit: 1 + random.below(3) } };
      }
      case 40: {
        const grant = { user: 'ü 2', rooms: [room], ...(random.below(2) === 0 ? {} : { origin: 'https://a.example' }) };
        return { operation: 'putTicket', args: { ticket: random.pick(TICKETS), grant, lifeMs: expireMs } };
      }
      case 41:
        return { operation: 'takeTicket', args: { ticket: random.pick(TICKETS) } };
      case 42:
        return {
          operation: 'revoke',
          args: { user: random.pick(['u1', 'ü 2']), keepMs: KEEP_MS, marksMax: 1 + random.below(2) },
        };
      case 43:
        return { operation: 'readRevoked', args: { after: 0, limit: 1 + random.below(3) } };
      case 44:
        return { operation: 'writeUser', args: this.#user(expireMs) };
      default:
        return { operation: 'readUser', args: { user: random.pick(['u1', 'ü 2']) } };
    }
  }

  #anyTriple() {
    const { random } = this;
    return { incarnation: random.pick(LIVES), epoch: FAR + random.below(9), nonce: random.pick(NONCES) };
  }

  #claim(room: string, runId: string): Args<'claim'> {
    const { random } = this;
    const record = this.#records.get(room);
    const wrong = random.below(5) === 0;
    const { epoch, nonce, incarnation } = wrong ? this.#anyTriple() : { ...record, ...ownerOf(record) };
    const seen =
      epoch === undefined || nonce === undefined || (wrong && random.below(2) === 0)
        ? undefined
        : { incarnation, epoch, nonce };
    // Mostly not above the stored head: that drops the log.
    const stored = record?.head ?? 0;
    const head = random.below(2) === 0 ? undefined : Math.max(0, stored + 2 - random.below(9));
    const restore = head !== undefined && random.below(2) === 0 ? this.#restore(head, record) : undefined;
    return {
      room,
      seen,
      node: random.pick(NODES),
      incarnation: random.pick(LIVES),
      nonce: random.pick(NONCES),
      floor: FAR + random.below(20),
      numbering: restore === undefined && random.below(8) === 0 ? { kind: 'restart' } : { kind: 'continue', head },
      ...(restore === undefined ? {} : { restore }),
      ...(random.below(2) === 0 ? {} : { open: { last: random.below(8), bytesMax: random.below(30) } }),
      runId,
    };
  }

  #restore(head: number, record: RoomRecord | undefined): NonNullable<Args<'claim'>['restore']> {
    const { random } = this;
    const afresh = random.below(3) === 0;
    const tag = random.pick([...(record?.tags.map((each) => each.tag) ?? []), `${FAR - 1}.${random.pick(NONCES)}`]);
    const many = Math.min(head, random.below(8));
    const entries = Array.from({ length: many }, (_, i): LogEntry => {
      const { message, id } = this.#item();
      const { from = null, session, data = '0' } = message ?? {};
      const seq = head - many + 1 + i;
      return { seq, tag, from, session, id: id === 0 ? undefined : id, at: afresh ? LONG_AGO : FAR, data };
    });
    const mark = () => ({ seat: random.below(3), cseq: random.below(7), id: random.below(9), seq: random.below(40) });
    const known = [...SENDERS, FORGOTTEN].filter(() => random.below(4) === 0);
    const senders = Object.fromEntries(known.map((each) => [each, mark()]));
    return { afresh, entries, senders };
  }

  #append(room: string, triple: Triple): Args<'append'> {
    const { random } = this;
    const last = this.#batches.get(room) ?? 0;
    const next = random.pick([
      last + 1,
      last + 1,
      last + 1,
      (Math.floor(last / 64) + 1) * 64,
      last,
      Math.max(0, last - 1),
    ]);
    const head = random.below(10) === 0 ? random.below(60) : (this.#records.get(room)?.head ?? 0);
    return {
      room,
      triple,
      batch: next,
      head,
      items: Array.from({ length: random.below(6) }, () => this.#item()),
      keep: { entries: random.pick([0, 3, 8, 1_000, 1_000, 1_000]), ms: random.pick([KEEP_MS, 1e15]) },
      forget: SENDERS.filter(() => random.below(12) === 0),
      sendersMax: random.pick([2, 4, 9]),
      snapshot: random.below(4) === 0 ? random.pick(['', '{"a":\n1}']) : undefined,
    };
  }

  #item(): AppendItem {
    const { random } = this;
    const sender = random.pick(SENDERS);
    const session = SESSIONS.find((each) => each === sender);
    const item = {
      sender,
      seat: 1 + random.below(2),
      cseq: random.below(7),
      id: random.below(9),
      isResumed: random.below(4) === 0,
    };
    if (random.below(5) === 0) return item;
    const data = random.pick(['1', '"é\\n"', '{"a":[1,2,3]}']);
    return { ...item, message: { from: random.pick([null, 'ann', 'ü 2']), session, data } };
  }

  #presence(room: string, expireMs: number): Args<'writePresence'> {
    const { random } = this;
    const set = Object.fromEntries(
      SESSIONS.filter(() => random.below(3) === 0).map((session) => {
        const meta = random.pick([undefined, null, [], {}, { a: [1.5, 'é"\n'] }]);
        return [session, { user: 'u1', node: 'n1', router: 'r1', since: random.below(9), meta }];
      }),
    );
    return {
      room,
      epoch: FAR + random.below(6),
      incarnation: random.pick(LIVES),
      node: random.pick(NODES),
      asOf: random.below(9) + 0.5,
      set,
      remove: SESSIONS.filter(() => random.below(4) === 0),
      replace: random.below(4) === 0,
      expireMs,
    };
  }

  #user(expireMs: number): Args<'writeUser'> {
    const { random } = this;
    const epoch = () => FAR + random.below(6);
    const at = () => ({
      room: random.pick(ROOMS),
      node: random.pick(NODES),
      incarnation: random.pick(LIVES),
      router: random.pick(ROUTERS),
      epoch: epoch(),
      since: random.below(9),
    });
    return {
      user: random.pick(['u1', 'ü 2']),
      set: Object.fromEntries(SESSIONS.filter(() => random.below(3) === 0).map((session) => [session, at()])),
      remove: SESSIONS.filter(() => random.below(4) === 0).map((session) => ({ session, epoch: epoch() })),
      expireMs,
    };
  }
}

const ownerOf = (record: RoomRecord | undefined) => ({ incarnation: record?.owner?.incarnation });

/** A reply without the times that Redis' own clock gave. */
function timeless<R extends object>(reply: R): unknown {
  const without = <T extends { readonly at: number }>(value: T) =>
    value.at > LONG_AGO && value.at < FAR ? { ...value, at: 'now' } : value;
  const clean = 'at' in reply ? without(reply as R & { at: number }) : reply;
  if ('opening' in clean && clean.opening !== undefined)
    return { ...clean, opening: timeless(clean.opening as LogOpening) };
  if ('revoked' in clean) return { revoked: (clean.revoked as { at: number }[]).map(without) };
  return 'entries' in clean ? { ...clean, entries: (clean.entries as { at: number }[]).map(without) } : clean;
}

/** Names all that is documented of this reply. */
function kindsOf<K extends Operation>(operation: K, args: Args<K>, reply: Reply<K>): string[] {
  if (operation === 'openLog') {
    const { entries, senders, snapshot, first } = reply as Reply<'openLog'>;
    const kinds = [
      entries.length > 0 && 'entries',
      Object.keys(senders).length > 0 && 'senders',
      snapshot !== undefined && 'snapshot',
      entries.length > 0 && first > 1 && 'trimmed',
    ].filter((kind) => kind !== false);
    return (kinds.length === 0 ? ['empty'] : kinds).map((kind) => `openLog:${kind}`);
  }
  const kind = kindOf(operation, reply);
  if (kind === 'claim:owned') {
    const { restore } = args as Args<'claim'>;
    const { opening } = reply as { readonly opening?: LogOpening };
    return [
      restore === undefined ? kind : `${kind}:${restore.afresh ? 'afresh' : 'restored'}`,
      ...(opening === undefined ? [] : [`${kind}:${opening.entries.length > 0 ? 'opened' : 'opened-empty'}`]),
    ];
  }
  if (kind !== 'append:appended') return [kind];
  const { outcomes, evicted } = reply as Reply<'append'> & { kind: 'appended' };
  const items = outcomes.map((outcome) => {
    const where = outcome.kind === 'duplicate' ? (outcome.seq > 0 ? ':at' : ':nowhere') : '';
    return `append:item:${outcome.kind}${where}`;
  });
  return [kind, ...items, ...(evicted > 0 ? ['append:evicted'] : [])];
}

/** Names which of the documented replies this is. */
function kindOf<K extends Operation>(operation: K, reply: Reply<K>): string {
  const fields = reply as { readonly [name: string]: unknown };
  switch (operation) {
    case 'readCluster':
      return `readCluster:${fields['gen'] === undefined ? 'unnamed' : fields['nodes'] === undefined ? 'unchanged' : 'full'}`;
    case 'standing':
      return `standing:${fields['standing']}`;
    case 'readPresence':
      return `readPresence:${fields['head'] === undefined ? 'empty' : 'members'}`;
    case 'appendAudit':
      return 'appendAudit:some';
    case 'readAudit':
      return `readAudit:${(fields['entries'] as unknown[]).length === 0 ? 'none' : 'some'}`;
    case 'readRevoked':
      return `readRevoked:${(fields['revoked'] as unknown[]).length === 0 ? 'none' : 'some'}`;
    case 'readUser':
      return `readUser:${(fields['sessions'] as unknown[]).length === 0 ? 'none' : 'some'}`;
    default: {
      const kind = `${operation}:${fields['kind']}`;
      if (kind === 'register:registered') return `${kind}:${fields['first'] === true ? 'first' : 'again'}`;
      if (kind === 'certify:other-gen' && fields['gen'] === undefined) return `${kind}:unnamed`;
      if (kind === 'readRoom:record') {
        return `${kind}:${(fields['record'] as RoomRecord).owner === undefined ? 'released' : 'owned'}`;
      }
      if (kind === 'readLog:log') return `${kind}:${(fields['entries'] as unknown[]).length === 0 ? 'none' : 'some'}`;
      if (
        (fields['kind'] === 'changed' || fields['kind'] === 'fenced') &&
        'record' in fields &&
        fields['record'] === undefined
      )
        return `${kind}:missing`;
      if (kind === 'writeUser:written' && fields['stale'] !== 0) return `${kind}:stale`;
      return kind;
    }
  }
}
