/** Settings of a process: from flags, then the environment, then defaults. Owns: the only reading of `process.env`, checks that
 *  span several options, and what follows from them. Does not know: what a setting is good for (config-options.ts says).
 *  Invariant: what `loadConfig` returns can be used as it is; everything wrong is one sentence in a ConfigError.
 *  @see STYLE Config */
import { hostname } from 'node:os';
import { addressRanges } from './address-ranges.ts';
import { type ApiToken, parseApiToken } from './api-token.ts';
import { addressOf, isService, targetTemplate } from './attended.ts';
import type { OPTIONS, OptionName } from './config-options.ts';
import { ConfigError, type Parsed, parseOptions } from './config-parse.ts';
import { checkWebhooks } from './config-webhooks.ts';
import { parseRedisUrl } from './directory/redis-url.ts';
import { isIncarnation, isNodeId, isRoomPattern, newIncarnation, workerId } from './ids.ts';
import { LinkAllow } from './link/allow.ts';
import type { Role } from './option-spec.ts';
import { placementKeyFrom } from './placement.ts';
import { type RandomSource, systemRandom } from './random.ts';
import { readSecrets } from './secret-file.ts';
import { brokenRelations, DEFAULT_TIMINGS, type Timings } from './timing.ts';
import type { TlsPaths } from './tls-files.ts';

export { ConfigError } from './config-parse.ts';
export type { Role } from './option-spec.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
type Given<O> = O extends { type: 'list'; choices: readonly (infer C)[] }
  ? readonly C[]
  : O extends { type: 'list' }
    ? readonly string[]
    : O extends { choices: readonly (infer C)[] }
      ? C
      : O extends { type: 'string' }
        ? string
        : O extends { type: 'boolean' }
          ? boolean
          : number;
type ValueOf<O> = O extends { default: unknown } ? Given<O> : Given<O> | undefined;
type NamesOf<R extends Role> = {
  [K in OptionName]: R extends (typeof OPTIONS)[K]['roles'][number] ? K : never;
}[OptionName];
/** Options as the table types them, under their camel-case names. */
export type Values<R extends Role> = { readonly [K in NamesOf<R> as Camel<K>]: ValueOf<(typeof OPTIONS)[K]> };

type Replaced =
  | 'secret'
  | 'placementKey'
  | 'advertise'
  | 'apiToken'
  | 'linkAllow'
  | 'redisUrl'
  | 'id'
  | 'incarnation'
  | 'worker'
  | 'routerIncarnation'
  | 'program'
  | 'rooms'
  | 'target'
  | 'service'
  | 'health'
  | keyof Timings;

interface Common {
  readonly timings: Timings;
  /** Host under which others reach this process. */
  readonly advertise: string;
  /** Sentences an operator should read: log them once at start. */
  readonly warnings: readonly string[];
}

interface Worker extends Common {
  readonly id: string;
  readonly redisUrl: string;
  /** The first is used, all are accepted. At least one. Those of a file are replaced in place when it changes. */
  readonly secrets: string[];
  /** 16 bytes, alike in every process of the cluster. */
  readonly placementKey: Buffer;
  /** Which addresses of nodes are dialled. */
  readonly linkAllow: LinkAllow;
}

/** The place of a process that is one of its router's workers. */
export interface RouterWorkerPlace {
  /** 1 … `workers`; a replacement takes the place of the one that died. */
  readonly position: number;
  /** This life of the router: of its parent, alike in all its workers. */
  readonly routerIncarnation: string;
}

export interface RouterConfig extends Omit<Values<'router'>, Replaced>, Worker {
  readonly role: 'router';
  /** Whether clients must show a token. */
  readonly authenticates: boolean;
  /** None: the API answers this machine alone. */
  readonly apiTokens: readonly ApiToken[];
  /** Undefined: this process is the whole router, or is to be the parent of its workers. For a worker `connectionsMax` and
   *  `backlogTotalBytesMax` are its share. */
  readonly worker: RouterWorkerPlace | undefined;
}

export interface NodeConfig extends Omit<Values<'node'>, Replaced>, Worker {
  readonly role: 'node';
  /** 32 hex characters: this life of the node. */
  readonly incarnation: string;
  /** Modules that run rooms, by pattern, first match wins. Empty: the program that comes with Bellhop runs every room. */
  readonly programs: readonly { readonly pattern: string; readonly path: string }[];
  /** Set: this node is an attendant, and runs no programs. */
  readonly attends: AttendsConfig | undefined;
}

/** The server that an attendant stands beside. */
export interface AttendsConfig {
  /** In full, with `{room}` where the room's id goes. */
  readonly target: string;
  readonly service: string;
  readonly rooms: readonly string[];
  /** How its health is asked for. */
  readonly health:
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
    | { readonly kind: 'http'; readonly url: string };
}

export interface StartConfig extends Omit<Values<'start'>, Replaced>, Common {
  readonly role: 'start';
  readonly apiTokens: readonly ApiToken[];
  /** Undefined: a private Redis is wanted. */
  readonly redisUrl: string | undefined;
  /** Empty: one is to be made. */
  readonly secrets: readonly string[];
  /** What was given, to be handed on. */
  readonly parsed: Parsed;
}

export type Config = RouterConfig | NodeConfig | StartConfig;

/** Known to everybody. Only ever used between processes that listen on this machine's loopback alone. */
export const DEVELOPMENT_SECRET = 'bellhop-development-secret';
const DEFAULT_REDIS_URL = 'redis://127.0.0.1:6379';

/** Reads the settings of a process in `role`.
 *  @param argv  flags, without the program's and the verb's names
 *  @throws ConfigError with one sentence for the operator; exit code 2 */
export function loadConfig(
  role: 'router',
  argv: readonly string[],
  env?: Environment,
  random?: RandomSource,
): RouterConfig;
export function loadConfig(role: 'node', argv: readonly string[], env?: Environment, random?: RandomSource): NodeConfig;
export function loadConfig(
  role: 'start',
  argv: readonly string[],
  env?: Environment,
  random?: RandomSource,
): StartConfig;
export function loadConfig(
  role: Role,
  argv: readonly string[],
  env: Environment = process.env,
  random: RandomSource = systemRandom,
): Config {
  const parsed = parseOptions(role, argv, env);
  switch (role) {
    case 'router':
      return routerConfig(parsed, parsed.values as Values<'router'>, random);
    case 'node':
      return nodeConfig(parsed, parsed.values as Values<'node'>, random);
    case 'start':
      return startConfig(parsed, parsed.values as Values<'start'>);
    default:
      return role satisfies never;
  }
}

/** The environment for a process that this one starts: its own and `changes`. */
export function childEnvironment(
  changes: Environment,
  env: Environment = process.env,
): Record<string, string | undefined> {
  return { ...env, ...changes };
}

/** The environment for a program that is none of Bellhop's: without its settings, which hold secrets. */
export function foreignEnvironment(env: Environment = process.env): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('BELLHOP_')));
}

/** Whether the settings of a process say where Redis is.
 *  @throws ConfigError as `loadConfig` */
export function isRedisGiven(role: Role, argv: readonly string[], env: Environment = process.env): boolean {
  return parseOptions(role, argv, env).sources.get('redis-url') !== 'default';
}

/** What an operator's commands go by. */
export interface OperatorEnvironment {
  /** Routers to ask: `http://…`, several with commas. */
  readonly url: string | undefined;
  readonly apiToken: string | undefined;
  /** A file that holds the token. */
  readonly apiTokenFile: string | undefined;
  /** Who acts, for the audit log. */
  readonly operator: string | undefined;
  readonly noColor: boolean;
  readonly term: string | undefined;
}

/** Reads what an operator's commands go by. An empty variable counts as not set. */
export function operatorEnvironment(env: Environment = process.env): OperatorEnvironment {
  const of = (name: string) => (env[name] === '' ? undefined : env[name]);
  return {
    url: of('BELLHOP_URL'),
    apiToken: of('BELLHOP_API_TOKEN'),
    apiTokenFile: of('BELLHOP_API_TOKEN_FILE'),
    operator: of('BELLHOP_OPERATOR'),
    noColor: of('NO_COLOR') !== undefined,
    term: of('TERM'),
  };
}

/** A router's options, each checked by itself, for commands that need a few of them and start no router.
 *  @throws ConfigError as `loadConfig` */
export function routerSettings(argv: readonly string[], env: Environment = process.env): Values<'router'> {
  return parseOptions('router', argv, env).values as Values<'router'>;
}

/** Whether npm started this process. It then ends when npm, or the shell between, is gone. */
export function startedByNpm(env: Environment = process.env): boolean {
  return env['npm_lifecycle_event'] !== undefined;
}

/** Whether only processes of this machine can reach a listener on `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function routerConfig(parsed: Parsed, values: Values<'router'>, random: RandomSource): RouterConfig {
  checkTogether(values, ['tlsCert', 'tlsKey']);
  const authenticates = checkAuthentication(values);
  const apiTokens = readApiTokens(values);
  checkBacklog(values);
  checkProxies(values.trustedProxies);
  const base = worker(parsed, values, 'router', random);
  const { worker: position, routerIncarnation, apiToken: _tokens, ...own } = values;
  checkRouterId(base.id, values.workers);
  const place = workerPlace(position, routerIncarnation, values.workers);
  const parts = place === undefined ? 1 : values.workers;
  if (values.development && !isForDevelopment({ ...values, apiTokens }, base.secrets)) {
    throw new ConfigError('--development is for npm start on loopback, without secrets and tokens.');
  }
  return {
    ...own,
    ...base,
    role: 'router',
    authenticates,
    apiTokens,
    worker: place,
    connectionsMax: Math.ceil(values.connectionsMax / parts),
    backlogTotalBytesMax: Math.ceil(values.backlogTotalBytesMax / parts),
  };
}

/** Whether a cluster under these settings is one to be tried out, on this machine alone, by whoever sits at it. */
export function isForDevelopment(
  values: Pick<RouterConfig, 'host' | 'apiTokens' | 'jwtSecret' | 'jwksUrl' | 'tickets'>,
  secrets: readonly string[],
): boolean {
  const { host, apiTokens, jwtSecret, jwksUrl, tickets } = values;
  const hasTokens = apiTokens.length > 0 || jwtSecret !== undefined || jwksUrl !== undefined || tickets;
  return isLoopback(host) && !hasTokens && secrets.every((secret) => secret === DEVELOPMENT_SECRET);
}

function workerPlace(
  position: number | undefined,
  routerIncarnation: string | undefined,
  workers: number,
): RouterWorkerPlace | undefined {
  if (position === undefined) return undefined;
  if (position > workers) throw new ConfigError(`--worker ${position} is beyond --workers ${workers}.`);
  if (routerIncarnation === undefined || !isIncarnation(routerIncarnation)) {
    throw new ConfigError('--router-incarnation must be 32 lower-case hexadecimal digits.');
  }
  return { position, routerIncarnation };
}

/** Or a client would be closed as slow for a single message that its network takes a moment to carry. */
function checkBacklog({ backlogBytesMax, payloadBytesMax }: Values<'router'> | Values<'start'>): void {
  if (backlogBytesMax < 2 * payloadBytesMax) {
    throw new ConfigError('--backlog-bytes-max must be at least twice --payload-bytes-max.');
  }
}

function checkProxies(trusted: readonly string[]): void {
  try {
    addressRanges(trusted);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(`--trusted-proxies: ${error.message}.`);
  }
}

/** Workers are registered under names made from the router's. */
function checkRouterId(id: string, workers: number): void {
  if (workers > 1 && !isNodeId(workerId(id, workers))) {
    throw new ConfigError('--id leaves no room for the numbers of workers: give it 60 characters at most.');
  }
}

function nodeConfig(parsed: Parsed, values: Values<'node'>, random: RandomSource): NodeConfig {
  const incarnation = values.incarnation ?? newIncarnation(random);
  if (!isIncarnation(incarnation)) throw new ConfigError('--incarnation must be 32 lower-case hexadecimal digits.');
  if (values.resumeMs < Math.max(values.leaveBrokenMs, values.leaveRouterLostMs)) {
    throw new ConfigError('--resume-ms must not be below --leave-broken-ms and --leave-router-lost-ms.');
  }
  const { target: _target, service: _service, health: _health, ...own } = values;
  const attends = attendsConfig(values);
  checkWebhooks(values);
  const base = worker(parsed, values, 'node', random);
  checkOwnAddress(base, values);
  return {
    ...own,
    ...base,
    role: 'node',
    incarnation,
    programs: attends === undefined ? pairPrograms(values) : [],
    attends,
  };
}

function attendsConfig(values: Values<'node'>): AttendsConfig | undefined {
  const { target: given, service, health: asked, program, rooms } = values;
  if (given === undefined) return undefined;
  if (program.length > 0) throw new ConfigError('A node has either --program or --target, not both.');
  if (!isService(service)) throw new ConfigError('--service must be 1–64 of A–Z a–z 0–9 . _ -.');
  for (const pattern of rooms) checkPattern(pattern);
  let target: string;
  try {
    target = targetTemplate(given);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(`--target: ${error.message}.`);
  }
  const { host, port } = addressOf(target, 'room', '');
  if (asked !== 'tcp' && !(/^http:\/\/[^/]/.test(asked) && URL.canParse(asked))) {
    throw new ConfigError('--health must be tcp or an http:// URL.');
  }
  const health = asked === 'tcp' ? ({ kind: 'tcp', host, port } as const) : ({ kind: 'http', url: asked } as const);
  return { target, service, rooms: rooms.length === 0 ? ['*'] : rooms, health };
}

function startConfig(parsed: Parsed, values: Values<'start'>): StartConfig {
  checkAuthentication(values);
  const apiTokens = readApiTokens(values);
  checkBacklog(values);
  checkWebhooks(values);
  checkProxies(values.trustedProxies);
  pairPrograms(values);
  linkAllowFrom(values);
  if (values.redisUrl !== undefined) checkRedisUrl(values.redisUrl);
  else if (values.replicas > 0) {
    throw new ConfigError('--replicas needs --redis-url: the private Redis of bellhop start has no replicas.');
  }
  if (values.port !== 0 && values.port + values.routers - 1 > 65_535) {
    throw new ConfigError(`--port ${values.port} leaves no room for ${values.routers} routers below 65536.`);
  }
  return {
    ...values,
    ...common(parsed, values),
    role: 'start',
    apiTokens,
    redisUrl: values.redisUrl,
    secrets: values.secret ?? [],
    parsed,
  };
}

type Shared = Values<'router'> | Values<'node'> | Values<'start'>;

function common(parsed: Parsed, values: Shared): Common {
  const timings: Timings = pick(values, Object.keys(DEFAULT_TIMINGS) as (keyof Timings)[]);
  checkTogether(values, ['linkTlsCert', 'linkTlsKey', 'linkTlsCa']);
  const broken = brokenRelations(timings);
  if (broken.length > 0) throw new ConfigError(`${broken.join('; ')}.`);
  return { timings, advertise: advertised(values), warnings: parsed.warnings };
}

function worker(
  parsed: Parsed,
  values: Values<'router'> | Values<'node'>,
  role: 'router' | 'node',
  random: RandomSource,
): Worker {
  const base = common(parsed, values);
  const id = values.id ?? `${role}-${random.hex(3)}`;
  if (!isNodeId(id))
    throw new ConfigError('--id must be 1–64 of A–Z a–z 0–9 . _ - and start with a letter or a digit.');
  const redisUrl = values.redisUrl ?? DEFAULT_REDIS_URL;
  checkRedisUrl(redisUrl);
  const warnings = [...base.warnings];
  if (values.secret !== undefined && values.secretFile !== undefined) {
    throw new ConfigError('Give either --secret or --secret-file, not both.');
  }
  let secrets = [...(values.secretFile === undefined ? (values.secret ?? []) : readSecrets(values.secretFile))];
  if (secrets.length === 0) {
    if (!isLoopback(values.host) || !isLoopback(base.advertise)) {
      throw new ConfigError(
        `A ${role} that others can reach needs the cluster secret: set BELLHOP_SECRET (16 characters at least), alike in every process.`,
      );
    }
    secrets = [DEVELOPMENT_SECRET];
    warnings.push('No BELLHOP_SECRET is set: using the development secret, which everybody knows.');
  }
  const linkAllow = linkAllowFrom(values);
  const placementKey = placementKeyFrom(values.placementKey ?? secrets[0] ?? DEVELOPMENT_SECRET);
  return { ...base, id, redisUrl, secrets, placementKey, linkAllow, warnings };
}

function advertised(values: Shared): string {
  const anywhere = values.host === '0.0.0.0' || values.host === '::';
  return values.advertise ?? (anywhere ? hostname() : values.host);
}

/** @returns whether clients must show a token */
function checkAuthentication(values: Values<'router'> | Values<'start'>): boolean {
  checkJwksUrl(values);
  const authenticates = values.jwtSecret !== undefined || values.jwksUrl !== undefined || values.tickets;
  if (!authenticates && !values.insecure && !isLoopback(values.host)) {
    throw new ConfigError(
      `Without authentication a router listens on this machine only, not on ${values.host}: set --jwt-secret, --jwks-url or --tickets, or say --insecure.`,
    );
  }
  // A list may have been given and be empty: `${A},${B}` of two variables that are not set.
  if ((values.apiToken ?? []).length === 0 && !values.insecure && !isLoopback(values.host)) {
    throw new ConfigError(
      `Without an API token a router listens on this machine only, not on ${values.host}: set BELLHOP_API_TOKEN, or say --insecure.`,
    );
  }
  return authenticates;
}

function checkJwksUrl({ jwksUrl, jwtSecret }: Values<'router'> | Values<'start'>): void {
  if (jwksUrl === undefined) return;
  if (jwtSecret !== undefined) throw new ConfigError('Give either --jwt-secret or --jwks-url, not both.');
  if (!/^https?:\/\/[^/]/.test(jwksUrl) || !URL.canParse(jwksUrl)) {
    throw new ConfigError('--jwks-url must be an http:// or https:// URL.');
  }
  const { username, password } = new URL(jwksUrl);
  if (username + password !== '')
    throw new ConfigError('--jwks-url has no user and no password: such keys are public.');
}

function readApiTokens({ apiToken = [] }: Values<'router'> | Values<'start'>): ApiToken[] {
  try {
    return apiToken.map(parseApiToken);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(`--api-token: ${error.message}.`);
  }
}

function pairPrograms(values: Values<'node'> | Values<'start'>): { pattern: string; path: string }[] {
  const { program: paths, rooms } = values;
  const patterns = paths.length === 1 && rooms.length === 0 ? ['*'] : rooms;
  if (paths.length !== patterns.length) {
    throw new ConfigError(
      `--program and --rooms come in pairs, but there are ${paths.length} of one and ${patterns.length} of the other.`,
    );
  }
  return patterns.map((pattern, index) => {
    checkPattern(pattern);
    return { pattern, path: paths[index] ?? '' };
  });
}

function checkPattern(pattern: string): void {
  if (!isRoomPattern(pattern))
    throw new ConfigError(`--rooms ${JSON.stringify(pattern)} is not a pattern of room ids.`);
}

/** Of these, all are given or none. */
function checkTogether<T extends object>(values: T, names: readonly (keyof T & string)[]): void {
  const given = names.filter((name) => values[name] !== undefined);
  if (given.length === 0 || given.length === names.length) return;
  const flags = names.map((name) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  throw new ConfigError(`${flags.join(', ')} go together: give all or none.`);
}

/** The files of a router's own certificate; undefined where it speaks no TLS. */
export function tlsPaths({ tlsCert: cert, tlsKey: key }: RouterConfig): TlsPaths | undefined {
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

/** Whether it goes by files that are read again while it runs: certificates, secrets. */
export function hasFiles(config: RouterConfig | NodeConfig | StartConfig): boolean {
  const files = [
    config.linkTlsCert,
    'tlsCert' in config ? config.tlsCert : undefined,
    'secretFile' in config ? config.secretFile : undefined,
  ];
  return files.some((file) => file !== undefined);
}

/** Where others reach a router that listens on `port`. */
export function routerUrl({ tlsCert, advertise }: RouterConfig, port: number): string {
  return `${tlsCert === undefined ? 'http' : 'https'}://${advertise}:${port}`;
}

/** The files of a link's certificate; undefined where links speak no TLS. */
export function linkTlsPaths(config: RouterConfig | NodeConfig): TlsPaths | undefined {
  const { linkTlsCert: cert, linkTlsKey: key, linkTlsCa: ca } = config;
  return cert === undefined || key === undefined ? undefined : { cert, key, ca };
}

function linkAllowFrom({ linkAllow }: Shared): LinkAllow {
  try {
    return new LinkAllow(linkAllow);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(`--link-allow: ${error.message}.`);
  }
}

/** A node that nobody would dial should say so itself. */
function checkOwnAddress({ advertise, linkAllow }: Worker, { linkPort }: Values<'node'>): void {
  const why = linkAllow.refusal({ host: advertise, port: linkPort });
  if (why === undefined) return;
  throw new ConfigError(
    `Routers would not dial this node: ${why}. Give --advertise an address of a private network, or name what it is in --link-allow, alike in every process.`,
  );
}

function checkRedisUrl(url: string): void {
  try {
    parseRedisUrl(url);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(`--redis-url: ${error.message}.`);
  }
}

function pick<T extends object, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, from[name]])) as Pick<T, K>;
}
