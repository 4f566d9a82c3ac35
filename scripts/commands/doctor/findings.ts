/** What a machine and a Redis lack for Bellhop. Owns: every check, its bound, the reason for it, and the command that mends it. Pure.
 *  Does not know: how the facts are read (host.ts, redis.ts). */
import { bytes, count, span } from '../units.ts';

export interface HostFacts {
  /** `20.20.2` */
  readonly nodeVersion: string;
  readonly nodeVersionMin: readonly [major: number, minor: number];
  /** Open files that a process may have at most; undefined where the system does not tell. */
  readonly openFilesMax: number | undefined;
  readonly somaxconn: number | undefined;
  readonly portRange: readonly [first: number, last: number] | undefined;
  readonly memoryTotalBytes: number;
  readonly memoryAvailableBytes: number;
  /** Bound of the container or service this runs in. */
  readonly memoryLimitBytes: number | undefined;
  readonly cores: number;
}

export interface RedisFacts {
  /** As it may be shown: without credentials. */
  readonly address: string;
  /** Why nothing could be read; the rest is then undefined. */
  readonly unreachable?: string | undefined;
  readonly version?: string | undefined;
  readonly role?: string | undefined;
  readonly maxmemoryPolicy?: string | undefined;
  readonly maxmemoryBytes?: number | undefined;
  readonly usedBytes?: number | undefined;
  readonly appendonly?: boolean | undefined;
  readonly appendfsync?: string | undefined;
  /** The rules of RDB snapshots; empty: none are made. */
  readonly save?: string | undefined;
  /** How the last snapshot or rewrite ended, where one failed. */
  readonly lastSaveFailed?: boolean | undefined;
  readonly replicas?: number | undefined;
  readonly latency?: { readonly p50Ms: number; readonly maxMs: number } | undefined;
  /** Its clock against this machine's, and how far that can be wrong. */
  readonly clock?: { readonly offsetMs: number; readonly withinMs: number } | undefined;
}

export interface Expectations {
  /** Client sockets of one router. */
  readonly clients: number;
  readonly commandTimeoutMs: number;
  /** What `--replicas` of the processes asks for. */
  readonly replicasWanted: number;
  /** The Redis of `npm start`: it is meant to forget. */
  readonly isRedisPrivate: boolean;
}

/** `change`: Bellhop does not work as promised until it is changed. `advice`: it works, and would be better off. */
export interface Finding {
  readonly about: string;
  readonly level: 'ok' | 'advice' | 'change';
  readonly says: string;
  /** What to type. */
  readonly command?: string | undefined;
}

/** Files besides clients: links, Redis, modules, standard streams. */
const OTHER_FILES = 512;
/** What Node's `listen` asks for. */
const NODE_BACKLOG = 511;
const BACKLOG_WANTED = 4_096;
const PORTS_WANTED = 28_000;
/** User memory and the kernel's for one client of a router: see costs.ts. */
const CLIENT_BYTES = 12_000;
const REDIS_VERSION_MIN = [6, 2] as const;
/** As much as a JWT's times may be off (router/authenticate.ts). */
const CLOCK_MS_MAX = 5_000;
const CLOCK_MS_GOOD = 500;

export function hostFindings(host: HostFacts, { clients }: Expectations): Finding[] {
  return [
    nodeVersion(host),
    openFiles(host.openFilesMax, clients),
    somaxconn(host.somaxconn),
    portRange(host.portRange),
    memory(host, clients),
  ];
}

export function redisFindings(redis: RedisFacts, expected: Expectations): Finding[] {
  const about = `Redis ${redis.address}`;
  if (redis.unreachable !== undefined) {
    return [
      {
        about,
        level: 'change',
        says: `cannot be asked: ${redis.unreachable}`,
        command: 'start it, or name another with --redis-url',
      },
    ];
  }
  return [
    version(redis),
    eviction(redis),
    persistence(redis, expected),
    replication(redis, expected),
    latency(redis, expected),
    clock(redis),
  ].map((finding) => ({ ...finding, about: `${about}: ${finding.about}` }));
}

export function mustChange(findings: readonly Finding[]): boolean {
  return findings.some(({ level }) => level === 'change');
}

function nodeVersion({ nodeVersion: text, nodeVersionMin }: HostFacts): Finding {
  const about = 'Node.js';
  const [major = 0, minor = 0] = text.split('.').map(Number);
  const [wantedMajor, wantedMinor] = nodeVersionMin;
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    return {
      about,
      level: 'change',
      says: `${text} is too old: ${nodeVersionMin.join('.')} is needed`,
      command: 'install Node.js 22 or newer',
    };
  }
  if (major % 2 === 1) {
    return {
      about,
      level: 'advice',
      says: `${text} is of a line without long support`,
      command: 'install an even-numbered Node.js',
    };
  }
  return { about, level: 'ok', says: text };
}

function openFiles(most: number | undefined, clients: number): Finding {
  const about = 'open files';
  const wanted = clients + OTHER_FILES;
  if (most === undefined)
    return { about, level: 'advice', says: 'the system does not tell how many a process may have' };
  if (most >= wanted)
    return { about, level: 'ok', says: `${limit(most)}, enough for ${count(clients)} clients a router` };
  return {
    about,
    level: 'change',
    says: `${count(most)} is less than ${count(clients)} clients a router need (${count(wanted)})`,
    command: `ulimit -Hn ${wanted} before it starts, or LimitNOFILE=${wanted} in its systemd unit`,
  };
}

function limit(value: number): string {
  return Number.isFinite(value) ? count(value) : 'no limit';
}

function somaxconn(value: number | undefined): Finding {
  const about = 'net.core.somaxconn';
  const command = `sysctl -w net.core.somaxconn=${BACKLOG_WANTED}`;
  if (value === undefined) return { about, level: 'advice', says: 'cannot be read on this system' };
  if (value < NODE_BACKLOG) {
    return {
      about,
      level: 'change',
      says: `${count(value)} cuts the queue of new connections short: a herd that comes back is refused`,
      command,
    };
  }
  if (value < BACKLOG_WANTED)
    return { about, level: 'advice', says: `${count(value)} is little for a herd that comes back at once`, command };
  return { about, level: 'ok', says: count(value) };
}

function portRange(range: readonly [number, number] | undefined): Finding {
  const about = 'net.ipv4.ip_local_port_range';
  if (range === undefined) return { about, level: 'advice', says: 'cannot be read on this system' };
  const [first, last] = range;
  const ports = last - first + 1;
  if (ports >= PORTS_WANTED)
    return { about, level: 'ok', says: `${first} to ${last}: ${count(ports)} connections to one address` };
  return {
    about,
    level: 'advice',
    says: `${count(ports)} ports: so many clients at most can be proxied to one attended server or by one proxy in front`,
    command: 'sysctl -w net.ipv4.ip_local_port_range="10240 65535"',
  };
}

function memory({ memoryAvailableBytes, memoryTotalBytes, memoryLimitBytes }: HostFacts, clients: number): Finding {
  const about = 'memory';
  const needed = clients * CLIENT_BYTES;
  const free = Math.min(memoryAvailableBytes, memoryLimitBytes ?? Number.POSITIVE_INFINITY);
  const bound = memoryLimitBytes === undefined ? '' : `, bounded to ${bytes(memoryLimitBytes)}`;
  if (free >= needed)
    return { about, level: 'ok', says: `${bytes(memoryAvailableBytes)} of ${bytes(memoryTotalBytes)} free${bound}` };
  return {
    about,
    level: 'change',
    says: `${bytes(free)} are free${bound}, and ${count(clients)} clients take about ${bytes(needed)}`,
    command:
      memoryLimitBytes === undefined
        ? 'add memory, or routers on other machines'
        : `raise the limit (MemoryMax=, --memory) to ${bytes(needed * 2)}`,
  };
}

function version({ version: text }: RedisFacts): Finding {
  const about = 'version';
  if (text === undefined) return { about, level: 'advice', says: 'it does not say' };
  const [major = 0, minor = 0] = text.split('.').map(Number);
  const [wantedMajor, wantedMinor] = REDIS_VERSION_MIN;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return { about, level: 'ok', says: text };
  return {
    about,
    level: 'change',
    says: `${text} is too old`,
    command: `install Redis ${REDIS_VERSION_MIN.join('.')} or newer, or Valkey`,
  };
}

function eviction({ maxmemoryPolicy, maxmemoryBytes, usedBytes }: RedisFacts): Finding {
  const about = 'eviction';
  if (maxmemoryPolicy !== undefined && maxmemoryPolicy !== 'noeviction') {
    return {
      about,
      level: 'change',
      says: `maxmemory-policy ${maxmemoryPolicy} may drop a room’s record or log without a trace`,
      command: 'redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE',
    };
  }
  if (maxmemoryPolicy === undefined)
    return { about, level: 'advice', says: 'maxmemory-policy cannot be read: it must be noeviction' };
  if (
    maxmemoryBytes !== undefined &&
    maxmemoryBytes > 0 &&
    usedBytes !== undefined &&
    usedBytes > 0.8 * maxmemoryBytes
  ) {
    return {
      about,
      level: 'change',
      says: `${bytes(usedBytes)} of maxmemory ${bytes(maxmemoryBytes)} are used: at the bound it refuses what rooms say`,
      command: `redis-cli CONFIG SET maxmemory ${maxmemoryBytes * 2} && redis-cli CONFIG REWRITE`,
    };
  }
  return {
    about,
    level: 'ok',
    says: `noeviction, ${bytes(usedBytes)} used${maxmemoryBytes ? ` of ${bytes(maxmemoryBytes)}` : ''}`,
  };
}

function persistence(
  { appendonly, appendfsync, save, lastSaveFailed }: RedisFacts,
  { isRedisPrivate }: Expectations,
): Finding {
  const about = 'persistence';
  const turnOn = 'redis-cli CONFIG SET appendonly yes && redis-cli CONFIG REWRITE';
  if (isRedisPrivate) {
    return {
      about,
      level: 'advice',
      says: 'the private Redis of npm start forgets everything when it ends: it is meant for trying things out',
    };
  }
  if (lastSaveFailed === true) {
    return {
      about,
      level: 'change',
      says: 'its last write to disk failed: it may refuse every write',
      command: 'look at its log, and at the disk (df -h)',
    };
  }
  if (appendonly === undefined)
    return { about, level: 'advice', says: 'appendonly cannot be read: without it a restart of Redis loses messages' };
  if (appendonly && appendfsync === 'no') {
    return {
      about,
      level: 'advice',
      says: 'AOF, written when the system likes: a crash of the machine loses up to 30 s',
      command: 'redis-cli CONFIG SET appendfsync everysec',
    };
  }
  if (appendonly) {
    const loss =
      appendfsync === 'always' ? 'a crash of the machine loses nothing' : 'a crash of the machine loses about 1 s';
    return { about, level: 'ok', says: `AOF, appendfsync ${appendfsync ?? 'unknown'}: ${loss}` };
  }
  if (save !== undefined && save !== '') {
    return {
      about,
      level: 'advice',
      says: `snapshots alone (save ${save}): a crash loses what was said since the last`,
      command: turnOn,
    };
  }
  return {
    about,
    level: 'change',
    says: 'neither AOF nor snapshots: a restart of Redis forgets every message of durable rooms',
    command: turnOn,
  };
}

function replication({ replicas }: RedisFacts, { replicasWanted }: Expectations): Finding {
  const about = 'replicas';
  if (replicas === undefined) return { about, level: 'advice', says: 'it does not say' };
  if (replicas < replicasWanted) {
    return {
      about,
      level: 'change',
      says: `${replicas} connected and --replicas ${replicasWanted}: nodes fall silent`,
      command: 'start the replicas, or lower --replicas',
    };
  }
  return { about, level: 'ok', says: `${replicas} connected, ${replicasWanted} wanted` };
}

function latency({ latency: measured }: RedisFacts, { commandTimeoutMs }: Expectations): Finding {
  const about = 'latency';
  if (measured === undefined) return { about, level: 'advice', says: 'could not be measured' };
  const { p50Ms, maxMs } = measured;
  const says = `half of the answers within ${span(p50Ms)}, the slowest after ${span(maxMs)}`;
  if (maxMs > commandTimeoutMs / 2) {
    return {
      about,
      level: 'change',
      says: `${says}: heartbeats fail at ${span(commandTimeoutMs)}`,
      command: 'redis-cli --latency, SLOWLOG GET and INFO persistence show why; Redis belongs near the nodes',
    };
  }
  if (p50Ms > 5)
    return {
      about,
      level: 'advice',
      says: `${says}: every message of a durable room waits for it`,
      command: 'bring Redis nearer to the nodes',
    };
  return { about, level: 'ok', says };
}

function clock({ clock: measured }: RedisFacts): Finding {
  const about = 'clock';
  if (measured === undefined) return { about, level: 'advice', says: 'could not be measured' };
  const { offsetMs, withinMs } = measured;
  const off = Math.max(0, Math.abs(offsetMs) - withinMs);
  const says = `${span(Math.abs(offsetMs))} ${offsetMs < 0 ? 'behind' : 'ahead of'} this machine’s (±${span(withinMs)})`;
  if (off > CLOCK_MS_MAX)
    return {
      about,
      level: 'change',
      says: `${says}: tokens are refused, times of messages are wrong`,
      command: 'timedatectl set-ntp true on both',
    };
  if (off > CLOCK_MS_GOOD) return { about, level: 'advice', says, command: 'timedatectl set-ntp true on both' };
  return { about, level: 'ok', says };
}
