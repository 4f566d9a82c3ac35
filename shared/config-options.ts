/** The table of options. Owns: every setting's name, roles, type, bounds, default and meaning, once. Does not know: argv, the
 *  environment, or what follows from a setting (config.ts). The parser, `--help` and the table in the docs are made from it.
 *  Invariant: a flag `--some-name` is the environment's `BELLHOP_SOME_NAME` and the property `someName`. */
import { ACCEPT_RATE_DEFAULT } from './herd.ts';
import type { OptionSpec, Role } from './option-spec.ts';
import { DEFAULT_TIMINGS } from './timing.ts';

const ALL = ['start', 'router', 'node'] as const;
const ROUTER = ['start', 'router'] as const;
const NODE = ['start', 'node'] as const;
const WORKERS = ['router', 'node'] as const;
const HOUR = 3_600_000;
const MIB = 1_048_576;

export const OPTIONS = {
  'redis-url': {
    roles: ALL,
    type: 'string',
    alias: 'redis',
    secret: true,
    doc: 'Redis: `redis://`, `redis+sentinel://` or `redis+cluster://` (`rediss` for TLS). `npm start` without it starts a private one; routers and nodes join the one that `npm start` runs from the same checkout, or look at 127.0.0.1:6379.',
  },
  replicas: {
    roles: ALL,
    type: 'integer',
    default: 0,
    min: 0,
    max: 16,
    doc: 'How many replicas of Redis must have a heartbeat, claim, certificate or logged message before it counts. A failover to such a replica loses nothing of that; while too few are in reach, nodes fall silent.',
  },
  prefix: { roles: ALL, type: 'string', default: 'bh', min: 1, max: 32, doc: 'First part of every key in Redis.' },
  cluster: {
    roles: ALL,
    type: 'string',
    default: 'bellhop',
    min: 1,
    max: 64,
    doc: 'Name of the cluster. Routers and nodes see those of the same name.',
  },
  secret: {
    roles: ALL,
    type: 'list',
    min: 16,
    max: 1_024,
    secret: true,
    doc: 'Cluster secret: proves links and signs resume tokens. The first is used, all are accepted, so that it can be rotated. `npm start` makes one where it listens beyond this machine.',
  },
  'secret-file': {
    roles: ['router', 'node'],
    type: 'string',
    min: 1,
    doc: 'File with the cluster secrets, one a line, in the place of `--secret`. Read again when it changes and on SIGHUP, without closing a socket; what a node has signed stays signed as it is until its next start.',
  },
  'placement-key': {
    roles: ALL,
    type: 'string',
    min: 16,
    max: 1_024,
    secret: true,
    doc: 'What placement is keyed with, alike in every process; default the first secret. Before the secret is rotated, set this to the old one, or every room moves.',
  },
  'link-allow': {
    roles: ALL,
    type: 'list',
    default: [],
    doc: 'Where links may be dialled, whatever a node’s record says: addresses or networks, host names (`*` for a part of one label), each with a port, a range of ports or none, e.g. `10.1.0.0/16:7070`, `node-*.internal`; `private` for loopback, the private networks and this machine’s name, which is the default. Metadata, link-local, multicast and any addresses are refused always.',
  },
  'link-tls-cert': {
    roles: ALL,
    type: 'string',
    min: 1,
    doc: 'Certificate file (PEM) that this process shows on links, which then speak TLS. Goes with `--link-tls-key` and `--link-tls-ca`; in every process or in none. A changed file is read by itself.',
  },
  'link-tls-key': { roles: ALL, type: 'string', min: 1, doc: 'Its key.' },
  'link-tls-ca': {
    roles: ALL,
    type: 'string',
    min: 1,
    doc: 'Certificate of the authority that must have signed the one of the other side. Names in certificates are not compared.',
  },
  host: { roles: ALL, type: 'string', default: '127.0.0.1', min: 1, doc: 'Address to listen on.' },
  advertise: {
    roles: ALL,
    type: 'string',
    min: 1,
    doc: 'Host under which others reach this process; default the host, or the machine’s name where that is 0.0.0.0 or ::.',
  },
  insecure: {
    roles: ALL,
    type: 'boolean',
    default: false,
    doc: 'Lets a router listen beyond this machine without authentication.',
  },
  'log-level': {
    roles: ALL,
    type: 'string',
    default: 'info',
    startDefault: 'warn',
    choices: ['debug', 'info', 'warn', 'error'],
    doc: 'Least severe log line written.',
  },
  'log-format': {
    roles: ALL,
    type: 'string',
    default: 'json',
    startDefault: 'text',
    choices: ['json', 'text'],
    doc: 'One JSON object a line, or text for people.',
  },
  durability: {
    roles: ALL,
    type: 'string',
    default: 'durable',
    choices: ['durable', 'relay'],
    doc: 'What rooms keep: `durable`, a log in Redis, so that what was acked outlives its owner; `relay`, the last messages in the owner’s memory.',
  },
  'relay-rooms': {
    roles: NODE,
    type: 'list',
    default: [],
    doc: 'Patterns of rooms that are relay rooms where the others are durable, e.g. `cursor:*`. Alike on every node.',
  },
  'hidden-members': {
    roles: NODE,
    type: 'list',
    default: [],
    doc: 'Patterns of rooms whose members are told how many they are, and not who, e.g. `support:*`; what somebody says still bears their name. Alike on every node.',
  },
  'log-messages': {
    roles: NODE,
    type: 'integer',
    default: 1_000,
    min: 100,
    max: 100_000,
    doc: 'Messages that a durable room’s log keeps, about.',
  },
  'log-age-ms': duration(
    NODE,
    24 * HOUR,
    60_000,
    720 * HOUR,
    'Messages older than this go from a log with what is said next.',
  ),
  'certify-by': {
    roles: ALL,
    type: 'list',
    default: ['supervisor', 'pid', 'patience'],
    choices: ['supervisor', 'pid', 'patience'],
    doc: 'Which witnesses may declare a node dead: the supervisor that reaped it, a process on the same machine that finds it gone, a router that saw its heartbeat stand still.',
  },
  'heartbeat-ms': timing('heartbeatMs', 'A node renews its lease this often.'),
  'command-timeout-ms': timing('commandTimeoutMs', 'A Redis command unanswered for this long has failed.'),
  'reconnect-ms': timing('reconnectMs', 'Longest time between two attempts to reach Redis.'),
  'poll-ms': timing('pollMs', 'A router reads the heartbeats this often.'),
  'fence-ms': timing('fenceMs', 'A node whose last renewal is this old falls silent.'),
  'dead-ms': timing('deadMs', 'A node whose heartbeat stands still for this long is declared dead.'),
  'grace-ms': timing('graceMs', 'Wait before claiming rooms after Redis lost its data.'),
  'route-cache-ms': timing('routeCacheMs', 'A router trusts where it last found a room for this long.'),

  port: {
    roles: ROUTER,
    type: 'integer',
    default: 8_080,
    min: 0,
    max: 65_535,
    doc: 'Port for clients and the HTTP API; 0 takes a free one. Under `npm start` the first router’s, the next ones follow.',
  },
  'tls-cert': {
    roles: ROUTER,
    type: 'string',
    min: 1,
    doc: 'Certificate file (PEM, with its chain) of the router’s port, which then speaks TLS 1.2 or newer. Read again when it changes and on SIGHUP, without closing a socket.',
  },
  'tls-key': { roles: ROUTER, type: 'string', min: 1, doc: 'Its key.' },
  'allow-origins': {
    roles: ROUTER,
    type: 'list',
    default: [],
    doc: 'Origins whose pages may connect, e.g. `https://example.org`; `*` for any. Without it only pages of the router’s own host.',
  },
  'trusted-proxies': {
    roles: ROUTER,
    type: 'list',
    default: [],
    max: 64,
    doc: 'Addresses and ranges, e.g. `10.0.0.0/8`, of the proxies whose `X-Forwarded-For` is believed. Without it the address of a client is that of its socket.',
  },
  'jwt-secret': {
    roles: ROUTER,
    type: 'string',
    min: 32,
    secret: true,
    doc: 'Clients show an HS256 token signed with this secret (32 characters at least: RFC 7518 §3.2).',
  },
  'jwks-url': { roles: ROUTER, type: 'string', doc: 'Clients show a token signed by a key of this JWK set.' },
  tickets: {
    roles: ROUTER,
    type: 'boolean',
    default: false,
    doc: 'Clients show a single-use ticket that a backend got from `POST /api/v1/tickets`, and need no token. Where tokens are set, tickets are taken beside them in any case.',
  },
  'token-life-ms-max': duration(
    ROUTER,
    24 * HOUR,
    60_000,
    8_784 * HOUR,
    'A token is not believed for longer than this after it was issued, and a revocation is remembered for as long. Alike on every router.',
  ),
  'jwt-audience': { roles: ROUTER, type: 'string', min: 1, doc: 'Required `aud` of a token.' },
  'jwt-issuer': { roles: ROUTER, type: 'string', min: 1, doc: 'Required `iss` of a token.' },
  'api-token': {
    roles: ROUTER,
    type: 'list',
    min: 16,
    max: 1_024,
    secret: true,
    doc: 'Bearer token of the HTTP API, repeatable. `read:…`, `publish:…` and `operate:…`, also `read+publish:…`, may do only that; without a scope, everything. Required where a router listens beyond this machine.',
  },
  'api-rate': {
    roles: ROUTER,
    type: 'integer',
    default: 1_000,
    min: 0,
    max: 1_000_000,
    doc: 'Questions (GET) that one API token may ask one router each second, with bursts of as many; 0 for no limit.',
  },
  'payload-bytes-max': {
    roles: ALL,
    type: 'integer',
    unit: 'bytes',
    default: 65_536,
    min: 256,
    max: MIB,
    doc: 'Largest message of a client, and of a room. A client’s backlog must have room for two.',
  },
  compression: {
    roles: ROUTER,
    type: 'boolean',
    default: false,
    doc: 'Takes the offer of clients to compress messages (permessage-deflate): a broadcast is then deflated once at each router, for all members that asked for it, and what they send is inflated.',
  },
  'compression-bytes-min': {
    roles: ROUTER,
    type: 'integer',
    unit: 'bytes',
    default: 256,
    min: 0,
    max: MIB,
    doc: 'Shorter broadcasts are never deflated: too little would be won.',
  },
  'link-window-bytes': {
    roles: ALL,
    type: 'integer',
    unit: 'bytes',
    default: 4 * MIB,
    min: 262_144,
    max: 256 * MIB,
    doc: 'What the other side of a link may send ahead of what was taken here; heartbeats and questions do not count.',
  },
  'backlog-bytes-max': {
    roles: ROUTER,
    type: 'integer',
    unit: 'bytes',
    default: MIB,
    min: 65_536,
    max: 256 * MIB,
    doc: 'A client that has more than this waiting to be written is closed and may resume.',
  },
  'backlog-total-bytes-max': {
    roles: ROUTER,
    type: 'integer',
    unit: 'bytes',
    default: 256 * MIB,
    min: MIB,
    max: 65_536 * MIB,
    doc: 'All clients’ backlog together; above it the largest go first.',
  },
  'ping-interval-ms': duration(ALL, 25_000, 100, HOUR, 'A silent client is pinged this often.'),
  'pong-timeout-ms': duration(
    ROUTER,
    10_000,
    100,
    HOUR,
    'A client that leaves a ping unanswered for this long is gone.',
  ),
  'handshake-timeout-ms': duration(ROUTER, 10_000, 100, HOUR, 'A connection has this long to send its request.'),
  'message-rate': {
    roles: ALL,
    type: 'integer',
    unit: 'messages/s',
    default: 1_000,
    min: 0,
    max: 1_000_000,
    doc: 'Messages one client may send each second, with bursts of as many; 0 for no limit.',
  },
  'connections-max': {
    roles: ROUTER,
    type: 'integer',
    default: 100_000,
    min: 1,
    max: 10_000_000,
    doc: 'Client connections of one router; more are refused.',
  },
  'address-connect-rate': {
    roles: ROUTER,
    type: 'integer',
    unit: 'connections/s',
    default: ACCEPT_RATE_DEFAULT / 2,
    min: 0,
    max: 1_000_000,
    doc: 'Connections that a router, or each of its workers, takes on each second from one address (IPv6: from one /64), with bursts of ten times as many; more get 503. Loopback is not limited. 0 for no limit, where all clients come through a proxy.',
  },
  'user-connect-rate': {
    roles: ROUTER,
    type: 'integer',
    unit: 'connections/s',
    default: 50,
    min: 0,
    max: 1_000_000,
    doc: 'How often one user may enter a room at a router, or each of its workers, each second, with bursts of ten times as many; more are told `too_many`. 0 for no limit.',
  },
  'user-sessions-max': {
    roles: ROUTER,
    type: 'integer',
    default: 1_000,
    min: 0,
    max: 10_000_000,
    doc: 'Sessions one user may have at a router, or each of its workers, at once, and so rooms; more are told `too_many`. 0 for no limit.',
  },
  'user-message-rate': {
    roles: ROUTER,
    type: 'integer',
    unit: 'messages/s',
    default: 10_000,
    min: 0,
    max: 1_000_000,
    doc: 'Messages one user may send each second over all of its sessions at a router, with bursts of as many; 0 for no limit.',
  },
  workers: {
    roles: ROUTER,
    type: 'integer',
    default: 1,
    min: 1,
    max: 64,
    doc: 'Processes that share the router’s address, one for each core it may use; above 1 a small parent keeps them. They divide `--connections-max` and `--backlog-total-bytes-max` among them.',
  },
  'accept-rate': {
    roles: ROUTER,
    type: 'integer',
    unit: 'connections/s',
    default: ACCEPT_RATE_DEFAULT,
    min: 0,
    max: 1_000_000,
    doc: 'Handshakes of clients that a router, or each of its workers, takes on each second at most; fewer, down to a tenth, while its event loop is late. More are told to come back, new sessions before resumed ones. 0 for no limit at all. Clients that lose a router are spread by what the others take.',
  },
  'stop-spread-ms': {
    ...duration(
      ROUTER,
      5_000,
      0,
      HOUR,
      'Clients of a stopping router are told to come back spread over this window at least; over a longer one where the other routers need it.',
    ),
    startDefault: 500,
  },

  'link-port': {
    roles: ['node'],
    type: 'integer',
    default: 0,
    min: 0,
    max: 65_535,
    doc: 'Port for routers and other nodes; 0 takes a free one.',
  },
  'http-port': {
    roles: ['node'],
    type: 'integer',
    min: 0,
    max: 65_535,
    doc: 'Port for /livez, /readyz and /metrics of a node; 0 takes a free one. Without it there is none.',
  },
  weight: {
    roles: NODE,
    type: 'number',
    default: 1,
    min: 0,
    max: 1_000,
    doc: 'Share of rooms relative to other nodes; 0 takes none.',
  },
  program: {
    roles: NODE,
    type: 'list',
    default: [],
    doc: 'Path of a module whose default export makes a room’s program; repeatable, paired with `--rooms` by order.',
  },
  rooms: {
    roles: NODE,
    type: 'list',
    alias: 'rooms',
    default: [],
    doc: 'Pattern of the rooms that the `--program` of the same position runs, e.g. `chess:*`; the most specific match of all nodes wins, and only nodes that list it get the room. One program alone may go without.',
  },
  target: {
    roles: ['node'],
    type: 'string',
    min: 1,
    doc: 'Makes the node an attendant: its rooms are those of the WebSocket server at `ws://host:port/path`, to which routers proxy their sockets. `{room}` in it is the room’s id; without that the id follows the path.',
  },
  service: {
    roles: ['node'],
    type: 'string',
    default: 'default',
    min: 1,
    max: 64,
    doc: 'What the `--target` serves: attendants of one service take each other’s rooms.',
  },
  health: {
    roles: ['node'],
    type: 'string',
    default: 'tcp',
    min: 1,
    doc: 'How an attendant asks whether its target is well: `tcp`, it takes a connection; or an `http://` URL that answers 2xx.',
  },
  'health-interval-ms': duration(['node'], 1_000, 50, HOUR, 'It asks this often, and waits as long for an answer.'),
  'health-failures': {
    roles: ['node'],
    type: 'integer',
    default: 3,
    min: 1,
    max: 100,
    doc: 'After so many failures in a row it gives its rooms up, until half as many successes.',
  },
  'drain-deadline-ms': duration(NODE, 30_000, 0, 24 * HOUR, 'A draining node has this long to hand its rooms over.'),
  'rebalance-rooms-per-second': {
    roles: NODE,
    type: 'integer',
    default: 50,
    min: 0,
    max: 10_000,
    doc: 'A node hands over so many rooms a second, at most, that belong elsewhere since nodes, weights or pins changed; 0: none.',
  },
  'rebalance-step-ms': duration(
    NODE,
    2_000,
    0,
    HOUR,
    'A node that joins others which serve rooms takes its weight in ten steps, this far apart; 0: at once.',
  ),
  'room-idle-ms': duration(NODE, 60_000, 0, 24 * HOUR, 'A room without sessions is given up after this long.'),
  'leave-broken-ms': duration(NODE, 5_000, 0, HOUR, 'A session whose socket broke leaves its room after this long.'),
  'leave-router-lost-ms': duration(
    NODE,
    10_000,
    0,
    HOUR,
    'A session whose router was lost leaves its room after this long.',
  ),
  'resume-ms': duration(NODE, 120_000, 0, 24 * HOUR, 'A session can be resumed for this long.'),
  'sessions-per-room-max': {
    roles: NODE,
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Sessions in one room; more are refused.',
  },

  'webhook-url': {
    roles: NODE,
    type: 'list',
    default: [],
    secret: true,
    doc: 'Receiver of webhooks, `http://` or `https://`: is told who comes into rooms and goes. May be repeated; each gets every event. Alike on every node.',
  },
  'webhook-secret': {
    roles: NODE,
    type: 'list',
    min: 16,
    max: 1_024,
    secret: true,
    doc: 'What webhooks are signed with. With two, each request bears a signature of each, so that a receiver can change from one to the other.',
  },
  'webhook-events': {
    roles: NODE,
    type: 'list',
    default: ['room.occupied', 'room.vacated', 'member.joined', 'member.left'],
    choices: ['room.occupied', 'room.vacated', 'member.joined', 'member.left'],
    doc: 'What receivers are told of.',
  },
  'webhook-rooms': {
    roles: NODE,
    type: 'list',
    default: ['*'],
    doc: 'Patterns of the rooms that they are told of, e.g. `game:*`. Alike on every node.',
  },
  'webhook-queue-bytes': {
    roles: NODE,
    type: 'integer',
    unit: 'bytes',
    default: 16 * MIB,
    min: 65_536,
    max: 1_024 * MIB,
    doc: 'What one node keeps for one receiver that does not answer; beyond it the oldest events are given up, and counted.',
  },
  'webhook-age-ms': duration(
    NODE,
    6 * HOUR,
    1_000,
    168 * HOUR,
    'An event not delivered for this long is given up, and counted.',
  ),
  'webhook-timeout-ms': duration(NODE, 10_000, 100, 60_000, 'A receiver has this long to answer.'),
  'webhook-any-address': {
    roles: NODE,
    type: 'boolean',
    default: false,
    doc: 'Lets webhooks go to link-local addresses, and to those under which clouds serve credentials.',
  },

  nodes: { roles: ['start'], type: 'integer', default: 3, min: 1, max: 64, doc: 'How many nodes to start.' },
  routers: { roles: ['start'], type: 'integer', default: 1, min: 1, max: 64, doc: 'How many routers to start.' },
  restart: {
    roles: ALL,
    type: 'boolean',
    default: true,
    doc: 'Whether a process that died is started again (`--no-restart`); of a router, one of its `--workers`.',
  },
  'restart-delay-ms': duration(ALL, 2_000, 0, HOUR, 'Pause before that; doubled for one that keeps dying.'),
  'redis-server': {
    roles: ['start'],
    type: 'string',
    doc: 'Program to run as the private Redis; default `redis-server` or `valkey-server`, found or installed.',
  },

  id: {
    roles: WORKERS,
    type: 'string',
    doc: 'Stable name of this process; default `router-` or `node-` and six random characters.',
  },
  incarnation: {
    roles: ['node'],
    type: 'string',
    internal: true,
    doc: 'This life of the node; given by its supervisor.',
  },
  worker: {
    roles: ['router'],
    type: 'integer',
    min: 1,
    max: 64,
    internal: true,
    doc: 'Which of its router’s workers this process is; given by their parent.',
  },
  'router-incarnation': {
    roles: ['router'],
    type: 'string',
    internal: true,
    doc: 'This life of the router, alike in all of its workers; given by their parent.',
  },
  development: {
    roles: ['router'],
    type: 'boolean',
    default: false,
    internal: true,
    doc: 'The whole cluster runs on this machine to be tried out: serves the first page, and kills nodes when asked.',
  },
  bootstrap: {
    roles: ['node'],
    type: 'string',
    internal: true,
    doc: 'Name of the history that the supervisor has just made in its own fresh Redis.',
  },
} as const satisfies Record<string, OptionSpec>;

export type OptionName = keyof typeof OPTIONS;
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** Variables of ours that are no option: the operator's commands read them (`bellhop nodes` and the like). */
export const OPERATOR_VARIABLES: readonly string[] = ['BELLHOP_URL', 'BELLHOP_API_TOKEN_FILE', 'BELLHOP_OPERATOR'];

/** The option as its general shape. */
export function specOf(name: OptionName): OptionSpec {
  return OPTIONS[name];
}

export function optionsOf(role: Role): OptionName[] {
  return OPTION_NAMES.filter((name) => specOf(name).roles.includes(role));
}

export function envNameOf(name: OptionName): string {
  return `BELLHOP_${name.toUpperCase().replaceAll('-', '_')}`;
}

function duration<const R extends readonly Role[]>(roles: R, ms: number, min: number, max: number, doc: string) {
  return { roles, type: 'duration', default: ms, min, max, doc } as const;
}

function timing(name: keyof typeof DEFAULT_TIMINGS, doc: string) {
  return duration(ALL, DEFAULT_TIMINGS[name], 1, HOUR, doc);
}
