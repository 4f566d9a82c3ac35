/** What a Redis server says of itself. Owns: reading INFO, and which servers Bellhop works with. Does not know: connections. */

export interface ServerInfo {
  readonly runId: string;
  readonly role: string;
  readonly loading: boolean;
  /** As Redis counts; Valkey reports the Redis version it is compatible with. */
  readonly version: string;
  readonly maxmemoryPolicy: string | undefined;
}

/** Reads the answer to INFO.
 *  @throws TypeError if it names no run id: not a Redis, or a proxy in front of one */
export function parseServerInfo(text: string): ServerInfo {
  const fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  const runId = fields.get('run_id');
  if (runId === undefined || runId === '') throw new TypeError('The server names no run id in INFO: is it a Redis?');
  return {
    runId,
    role: fields.get('role') ?? '',
    loading: fields.get('loading') === '1',
    version: fields.get('redis_version') ?? '',
    maxmemoryPolicy: fields.get('maxmemory_policy'),
  };
}

/** Why nothing may be sent to this server now, or undefined. */
export function unfitness(info: ServerInfo): string | undefined {
  if (info.loading) return 'the server is loading its data';
  if (info.role !== '' && info.role !== 'master') return 'the server is a replica';
  return undefined;
}

/** Whether the server reads flags of scripts. */
export function knowsScriptFlags({ version }: ServerInfo): boolean {
  return Number.parseInt(version, 10) >= 7;
}

const VERSION_MIN = [6, 2] as const;

/** What an operator has to change on this server, one sentence each. */
export function serverComplaints(info: ServerInfo): string[] {
  const complaints: string[] = [];
  const [major = 0, minor = 0] = info.version.split('.').map(Number);
  if (major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])) {
    complaints.push(`Redis ${info.version} is too old: Bellhop needs ${VERSION_MIN.join('.')} or newer`);
  }
  if (info.maxmemoryPolicy !== 'noeviction') {
    complaints.push(
      `maxmemory-policy is ${info.maxmemoryPolicy ?? 'unknown'} and must be noeviction: an evicted key would lose rooms without a trace`,
    );
  }
  return complaints;
}
