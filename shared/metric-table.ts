/** The table of metrics. Owns: each metric's name, type, unit, labels, meaning and the alarms that look at it, once. Does not know: where
 *  the numbers come from. Registries (metric-registry.ts) and docs/metrics.md are made from it.
 *  Invariants: no label holds a room, a user or a session, so that the number of series is bounded by the cluster, not by its use; names
 *  follow Prometheus' conventions (https://prometheus.io/docs/practices/naming): base units, the unit last, `_total` behind counters alone.
 *  A metric of a table is called `bellhop_<table>_<key>`. */

/** What the rules in deploy/prometheus wake somebody up for, without the `Bellhop` before it. */
export type Alarm =
  | 'NodeLost'
  | 'FencedAppend'
  | 'ResetRate'
  | 'LogLost'
  | 'Islanded'
  | 'Suspended'
  | 'DrainStuck'
  | 'OpenFiles'
  | 'EventLoopDelay'
  | 'RedisAway'
  | 'RedisSlow'
  | 'SlowConsumers'
  | 'Imbalance';

export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** What it counts or measures in; a counter's or gauge's noun where it is no base unit. */
  readonly unit: string;
  readonly labels?: readonly string[];
  readonly doc: string;
  readonly alarms?: readonly Alarm[];
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
  /** How the workers of one router are taken together; a sum without it. */
  readonly aggregator?: 'sum' | 'min' | 'max' | 'first';
}

/** 0.1 ms to 10 s: what Redis, links and rooms take. */
const SECONDS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
/** 1 ms to 20 s: what people wait for. */
const LONG_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20];

export const ROUTER_METRICS = {
  sockets: gauge('sockets', 'Client sockets, those that are closing included.'),
  attended_sockets: gauge('sockets', 'Client sockets that are proxied to attended servers.'),
  sessions: gauge('sessions', 'Sessions held.'),
  rooms: gauge('rooms', 'Rooms with a session here; one that several workers have counts at each.'),
  links: gauge('links', 'Links to nodes that are up.'),
  link_backlog_bytes: gauge('bytes', 'Bytes queued on links to nodes and not handed to the kernel.'),
  client_backlog_bytes: gauge(
    'bytes',
    'Bytes waiting in client sockets, each client’s counted; above `--backlog-total-bytes-max` the largest go.',
    ['SlowConsumers'],
  ),
  redis_up: { ...gauge('bool', '1 while Redis answers this router.', ['RedisAway']), aggregator: 'min' },
  nodes: {
    ...gauge('nodes', 'Nodes in the table of nodes, as this router last read it.'),
    labels: ['state'],
    aggregator: 'max',
  },
  node_heartbeat_age_seconds: {
    ...gauge('seconds', 'How long a living node’s heartbeat has stood still, as this router sees it.'),
    labels: ['node'],
    aggregator: 'max',
  },
  workers: gauge('workers', 'Workers of this router that serve; only with `--workers` above 1.'),
  worker_restarts_total: counter('workers', 'Workers started in the place of one that died; only with `--workers`.'),

  clients_admitted_total: counter('clients', 'Upgrades that became a client: first joins, resumes and reconnects.'),
  clients_refused_total: {
    ...counter('clients', 'Upgrades that did not, by the code of the error they were told.'),
    labels: ['code'],
  },
  handshakes_total: {
    ...counter(
      'handshakes',
      'Handshakes by `kind` (new, resume) and what became of them: admitted, told to come back by a notice, or refused with 503.',
    ),
    labels: ['kind', 'verdict'],
  },
  handshakes_per_second_max: gauge(
    'handshakes/s',
    'What the router takes on now: `--accept-rate`, or less while its event loop is late; 0 for no limit.',
  ),
  limited_total: {
    ...counter(
      'refusals',
      'Refused so that something is left for others, by `limit`: clients at connections, address_rate, user_rate, user_sessions; messages at user_messages.',
    ),
    labels: ['limit'],
  },
  client_messages_total: counter('messages', 'Messages read from clients.'),
  client_received_bytes_total: counter('bytes', 'Bytes of messages read from clients.'),
  deliveries_total: counter('messages', 'Messages handed to client sockets, each client counted.'),
  client_sent_bytes_total: counter('bytes', 'Bytes handed to client sockets.'),
  client_writes_total: counter('writes', 'Writes to client sockets.'),
  rate_limited_total: counter('messages', 'Messages refused because a client sent too many.'),
  slow_closes_total: counter('clients', 'Clients closed with 4100 because they read too slowly.', ['SlowConsumers']),
  silent_closes_total: counter('clients', 'Clients closed because they did not answer a ping.'),
  dropped_total: counter('messages', 'Ephemeral messages dropped for clients under pressure.'),

  deflated_total: counter('messages', 'Broadcasts deflated, each once for all members; only with `--compression`.'),
  deflate_skipped_total: counter(
    'messages',
    'Broadcasts left as they were though a member inflates, since they did not shrink or a turn had deflated enough.',
  ),
  deflate_plain_bytes_total: counter('bytes', 'Bytes of those broadcasts that were deflated, before.'),
  deflate_packed_bytes_total: counter('bytes', 'Bytes of those broadcasts that were deflated, after.'),
  inflated_total: counter('messages', 'Compressed messages of clients that were inflated.'),
  inflate_faults_total: counter(
    'messages',
    'Compressed messages of clients that were wrong (1007) or too large (1009).',
  ),
  inflate_packed_bytes_total: counter('bytes', 'Bytes of those messages as they came.'),
  inflate_plain_bytes_total: counter('bytes', 'Bytes of those messages once inflated.'),

  messages_in_total: counter('messages', 'Messages of clients sent on to nodes.'),
  messages_out_total: counter('frames', 'Frames of nodes taken for single clients.'),
  opens_total: counter('opens', 'Questions to nodes to seat sessions; one may name many.'),
  refusals_total: counter('sessions', 'Sessions that a node refused: elsewhere, moving, full, replaced.'),
  rebinds_total: counter('sessions', 'Sessions shown to another owner, their sockets kept.'),
  hops_total: counter('hops', 'Redirections to another node.'),
  certificates_total: counter('incarnations', 'Incarnations this router certified as dead.'),
  nodes_lost_total: counter('incarnations', 'Incarnations this router saw certified without having left.', [
    'NodeLost',
  ]),
  nodes_left_total: counter('incarnations', 'Incarnations this router saw leave: a drain that ended.'),
  stale_frames_dropped_total: counter('frames', 'Frames dropped because they bore an epoch lower than one seen.'),
  records_ignored_total: counter(
    'records',
    'Records of nodes that this cluster has not signed, or that name an address that is not allowed.',
  ),

  takeover_seconds: histogram(
    LONG_SECONDS,
    'From losing a room’s owner to being seated at the next, each room counted.',
  ),
  open_seconds: histogram(LONG_SECONDS, 'From accepting a client to its seat.'),
  message_seconds: histogram(SECONDS, 'From reading a client’s frame to its owner’s ack; a sample of frames.'),
  link_round_trip_seconds: histogram(SECONDS, 'Ping and pong over links to nodes.'),
  redis_seconds: {
    ...histogram(SECONDS, 'Directory operations, by connection and outcome.', ['RedisSlow']),
    labels: ['connection', 'outcome'],
  },
} as const satisfies Record<string, MetricRow>;

export const NODE_METRICS = {
  webhooks_delivered_total: counter('events', 'Events that arrived at a receiver of webhooks, each receiver counted.'),
  webhooks_failed_total: counter('requests', 'Requests to receivers of webhooks that failed; each is repeated.'),
  webhooks_dropped_total: counter('events', 'Events given up for a receiver, by a bound of bytes, age or number.'),
  webhooks_queued: gauge('events', 'Events that wait for receivers of webhooks, or are under way to them.'),
  webhooks_failing: gauge('receivers', 'Receivers of webhooks that do not answer well now, or want no more.'),
  rooms: gauge('rooms', 'Rooms held.', ['DrainStuck', 'Imbalance']),
  sessions: gauge('sessions', 'Sessions seated.', ['ResetRate']),
  share_ratio: gauge(
    'ratio',
    'Part of the rooms that placement gives this node: its weight over that of all active nodes; 0 while it drains.',
    ['Imbalance'],
  ),
  gate_open: gauge('bool', '1 while output that Redis does not fence may leave.', ['Suspended']),
  islanded: gauge('bool', '1 while it speaks without a lease, since every router says that Redis is away.', [
    'Islanded',
  ]),
  redis_up: gauge('bool', '1 while the last question of this node to Redis was answered.', ['RedisAway']),
  draining: gauge('bool', '1 while it hands its rooms over to leave.', ['DrainStuck', 'Imbalance', 'Suspended']),
  handovers_under_way: gauge('rooms', 'Rooms that are being handed over now.'),
  link_backlog_bytes: gauge('bytes', 'Bytes queued on links to routers and nodes and not handed to the kernel.'),
  log_backlog_bytes: gauge('bytes', 'Bytes of publishes that wait for logs, in all rooms; bounded by 64 MiB.'),

  publishes_total: counter('messages', 'Publishes taken from clients.'),
  casts_total: counter('frames', 'Frames cast to routers, one a router and message.'),
  claims_total: counter('rooms', 'Rooms claimed.'),
  claims_lost_total: counter('claims', 'Claims that met a changed record.'),
  releases_total: counter('rooms', 'Empty rooms released.'),
  handovers_total: counter('rooms', 'Rooms handed over to another node.', ['DrainStuck']),
  handovers_failed_total: counter('handovers', 'Handovers called off before anything was written.'),
  suspensions_total: counter('times', 'Times the gate shut.'),
  islandings_total: counter('times', 'Times routers’ answers kept the gate open past the lease.'),
  history_changes_total: counter('times', 'Changes of Redis history met: a restart, a failover or a rollback.'),
  dropped_gated_total: counter('messages', 'Messages dropped at a shut gate.'),
  dropped_ephemeral_total: counter('messages', 'Ephemeral messages dropped because much waits for their router.'),
  program_failures_total: counter('rooms', 'Rooms closed because their program threw.'),
  resets_total: {
    ...counter('sessions', 'Sessions told that their cursor cannot be continued, by reason.', ['ResetRate', 'LogLost']),
    labels: ['reason'],
  },
  appends_total: counter('batches', 'Batches appended to logs.'),
  appended_total: counter('messages', 'Items of those batches, states and repetitions included.'),
  appends_fenced_total: counter('batches', 'Batches that a log refused: the room is another owner’s.', [
    'FencedAppend',
  ]),
  appends_rolled_back_total: counter('batches', 'Batches that a log refused: it does not stand where it was left.'),
  duplicates_total: counter('messages', 'Items that a log had already, and did not take again.'),
  senders_evicted_total: counter('senders', 'Senders that a log forgot because it remembers too many.'),
  publishes_refused_total: counter('messages', 'Publishes refused because they could not be logged in time.'),
  records_ignored_total: counter(
    'records',
    'Records of nodes that this cluster has not signed, or that name an address that is not allowed.',
  ),

  claim_seconds: histogram(SECONDS, 'From sending a claim to its answer.'),
  append_seconds: histogram(SECONDS, 'From handing a batch to a room’s log to its answer.'),
  append_batch_items: histogram([1, 2, 4, 8, 16, 32, 64], 'Items of a batch that was appended.', undefined, 'items'),
  handover_pause_seconds: histogram(LONG_SECONDS, 'How long a room stood still until its handover was written.'),
  handover_seconds: histogram(
    LONG_SECONDS,
    'How long a room that was handed over to this node stood still, to the first publish that waited being logged.',
  ),
  redis_seconds: {
    ...histogram(SECONDS, 'Directory operations, by connection and outcome.', ['RedisSlow']),
    labels: ['connection', 'outcome'],
  },
} as const satisfies Record<string, MetricRow>;

/** Of every process: `bellhop_<key>`. */
export const PROCESS_METRICS = {
  build_info: {
    ...gauge('info', 'Always 1; the labels tell what runs.'),
    labels: ['version', 'role'],
    aggregator: 'first',
  },
  event_loop_delay_seconds: histogram(
    LONG_SECONDS,
    'How late the event loop is for what is due every 20 ms. While it stands still, each moment that was missed counts.',
    ['EventLoopDelay'],
  ),
  process_open_fds: gauge('files', 'Open files, sockets included.', ['OpenFiles']),
  process_max_fds: gauge('files', 'How many it may have open (`ulimit -n`).', ['OpenFiles']),
  process_cpu_user_seconds_total: counter('seconds', 'CPU time in user mode.'),
  process_cpu_system_seconds_total: counter('seconds', 'CPU time in the kernel.'),
  process_cpu_seconds_total: counter('seconds', 'CPU time of both.'),
  process_start_time_seconds: { ...gauge('seconds', 'When it started, Unix time.'), aggregator: 'min' },
  process_resident_memory_bytes: gauge('bytes', 'Resident memory.'),
  process_virtual_memory_bytes: gauge('bytes', 'Virtual memory.'),
  process_heap_bytes: gauge('bytes', 'Data segment of the process.'),
  nodejs_heap_size_total_bytes: gauge('bytes', 'JavaScript heap, reserved.'),
  nodejs_heap_size_used_bytes: gauge('bytes', 'JavaScript heap, used.'),
  nodejs_external_memory_bytes: gauge('bytes', 'Buffers outside of the JavaScript heap.'),
  nodejs_heap_space_size_total_bytes: { ...gauge('bytes', 'A space of the heap, reserved.'), labels: ['space'] },
  nodejs_heap_space_size_used_bytes: { ...gauge('bytes', 'A space of the heap, used.'), labels: ['space'] },
  nodejs_heap_space_size_available_bytes: { ...gauge('bytes', 'A space of the heap, free.'), labels: ['space'] },
  nodejs_version_info: {
    ...gauge('info', 'Always 1; the labels tell Node’s version.'),
    labels: ['version', 'major', 'minor', 'patch'],
    aggregator: 'first',
  },
  nodejs_gc_duration_seconds: {
    ...histogram([0.001, 0.01, 0.1, 1, 2, 5], 'Garbage collections, by kind.'),
    labels: ['kind'],
  },
} as const satisfies Record<string, MetricRow>;

function counter(unit: string, doc: string, alarms?: readonly Alarm[]) {
  return { type: 'counter', unit, doc, ...(alarms === undefined ? {} : { alarms }) } as const;
}

function gauge(unit: string, doc: string, alarms?: readonly Alarm[]) {
  return { type: 'gauge', unit, doc, ...(alarms === undefined ? {} : { alarms }) } as const;
}

function histogram(buckets: readonly number[], doc: string, alarms?: readonly Alarm[], unit = 'seconds') {
  return { type: 'histogram', unit, doc, buckets, ...(alarms === undefined ? {} : { alarms }) } as const;
}
