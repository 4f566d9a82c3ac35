/** The command line. Owns: the verbs that are processes of a cluster. Does not know: how to get a checkout ready (run.mjs does), the
 *  operator's commands (commands/program.ts). Exit codes: commands/exit-codes.ts. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  ConfigError,
  isRedisGiven,
  loadConfig,
  operatorEnvironment,
  type Role,
  startedByNpm,
} from '../shared/config.ts';
import { optionsHelp, withConfigTable } from '../shared/config-text.ts';
import { oneLine } from '../shared/log.ts';
import { hideSecrets } from '../shared/process-title.ts';
import { VERSION } from '../shared/version.ts';
import { Cli } from './commands/cli.ts';
import { type ListedVerb, runProgram } from './commands/program.ts';
import { Terminal } from './commands/terminal.ts';
import { findRunning } from './running.ts';
import { onStopRequests } from './stop-requests.ts';
import type { Tools } from './up.ts';

type Flags = readonly string[];

const ROLES = ['start', 'router', 'node'] as const satisfies readonly Role[];

const VERBS: Readonly<Record<Role, string>> = {
  start: 'runs a whole cluster on this machine: Redis if none is given, nodes and routers',
  router: 'runs a router: the edge that holds client sockets',
  node: 'runs a node: the process that owns rooms',
};

const ATTEND = 'runs a node that stands beside a WebSocket server of yours: its rooms are the rooms of that server';

/** Programs of a checkout: run.mjs starts them. */
const PROGRAMS: readonly ListedVerb[] = [
  { name: 'build', what: 'compiles what has changed' },
  { name: 'check', what: 'format, lint, types, import rules, unused code' },
  { name: 'test', what: 'every test; with words, those whose files have them in their names' },
  { name: 'bench', what: 'measures Bellhop beside its peers' },
  { name: 'chaos', what: 'faults on real processes under load' },
  { name: 'herd', what: 'clients that lose their router, and how they come back' },
  { name: 'simulate', what: 'the cores under virtual time, with faults by seed' },
  { name: 'fuzz', what: 'hostile bytes for what is compiled' },
  { name: 'model', what: 'the models of the protocol, by Spin' },
  {
    name: 'config-table',
    what: 'writes the table of options into pages',
    run: async (pages) => writeConfigTables(pages),
  },
  { name: 'metrics-page', what: 'writes the page of metrics' },
  { name: 'http-api-docs', what: 'writes the page of the HTTP API', run: writeApiPage },
];

/** Carries out a verb. Output goes to this process' own streams.
 *  @returns exit code; undefined where the verb lives on in this process and will end it */
export async function main(argv: readonly string[], tools: Tools): Promise<number | undefined> {
  // A reader of our output that went away is no reason to leave processes behind.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  hideSecrets(titleOf(argv), argv);
  if (argv[0] === 'version') return print(`${VERSION}\n`);
  const running = findRunning();
  try {
    return await runProgram(argv, operatorCli(running?.urls ?? []), {
      verbs: [
        ...ROLES.map((role) => ({ name: role, what: VERBS[role], run: (flags: Flags) => runRole(role, flags, tools) })),
        { name: 'attend', what: ATTEND, run: attend },
      ],
      programs: PROGRAMS,
      control: running?.control,
    });
  } catch (error) {
    if (error instanceof ConfigError) return refuse(error.message);
    throw error;
  }
}

/** What `ps` shows in the place of a command line with a secret in it. */
function titleOf([verb = '']: Flags): string {
  return /^[a-z][a-z-]*$/.test(verb) ? `bellhop ${verb}` : 'bellhop';
}

/** A role's options are those of the table, and its own to read. */
async function runRole(role: Role, given: Flags, tools: Tools): Promise<number | undefined> {
  if (given.includes('--help') || given.includes('-h')) return print(helpOf(role));
  const flags = asJson(given);
  switch (role) {
    case 'start': {
      const { up } = await import('./up.ts');
      return await up(loadConfig('start', flags), tools);
    }
    case 'router':
      return await becomeRouter(joining('router', flags));
    case 'node':
      return await superviseNode(joining('node', flags));
    default:
      return role satisfies never;
  }
}

/** `--json` of a process is its log, one object a line. */
function asJson(flags: Flags): Flags {
  return flags.map((flag) => (flag === '--json' ? '--log-format=json' : flag));
}

/** What the operator's commands act in: this process' streams, and Ctrl-C. */
function operatorCli(urls: readonly string[]): Cli {
  const env = operatorEnvironment();
  const ended = new AbortController();
  const signal = ended.signal;
  return new Cli({
    env,
    running: urls,
    operator: operatorName(),
    out: new Terminal(process.stdout, env),
    err: new Terminal(process.stderr, env),
    signal,
    listen: () => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => ended.abort());
      process.stdout.once('error', (error: NodeJS.ErrnoException) => {
        ended.abort();
        if (error.code !== 'EPIPE') onceLost(error);
      });
    },
    now: () => Date.now(),
  });
}

/** An answer that could not be written, as to a disk that is full, must not look as if it had been. */
function onceLost(error: NodeJS.ErrnoException): void {
  process.stderr.write(`bellhop: the answer could not be written (${error.code ?? error.message}).\n`);
  process.once('exit', () => {
    process.exitCode = 1;
  });
}

function operatorName(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A user id without a name, as containers have it.
    return `${process.getuid?.() ?? 'somebody'}@${hostname()}`;
  }
}

/** An attendant is a node of another kind: its options are a node's. */
async function attend(given: Flags): Promise<number> {
  const flags = asJson(given);
  if (flags.includes('--help') || flags.includes('-h')) {
    return print(`Usage: bellhop attend --target ws://host:port/path [options]\n\n${optionsHelp('node')}`);
  }
  const joined = joining('node', flags);
  if (loadConfig('node', joined).attends === undefined) {
    return refuse('attend needs --target ws://host:port/path: the server to stand beside.');
  }
  return superviseNode(joined);
}

/** What a process needs is loaded when it becomes one: an operator's command must not wait for it. */
async function superviseNode(flags: Flags): Promise<number> {
  const { runNode } = await import('./node-command.ts');
  return await runNode(compiled('../node/main.js'), flags);
}

/** The flags of a process that is to join a cluster: without a word about Redis it joins the one that `npm start` runs from here. */
function joining(role: 'router' | 'node', flags: readonly string[]): readonly string[] {
  if (isRedisGiven(role, flags)) return flags;
  const redisUrl = findRunning()?.redisUrl;
  return redisUrl === undefined ? flags : [...flags, `--redis-url=${redisUrl}`];
}

/** Turns this process into a router: a container then has one process, and signals need no forwarding. With several workers it
 *  becomes their parent. */
async function becomeRouter(flags: readonly string[]): Promise<number | undefined> {
  const { workers } = loadConfig('router', flags);
  const script = compiled('../router/main.js');
  if (workers > 1) {
    const { runRouter } = await import('./router-command.ts');
    return await runRouter(script, flags);
  }
  process.argv = [process.execPath, script, ...flags];
  if (startedByNpm()) watchParentOnly();
  await import(pathToFileURL(script).href);
  return undefined;
}

/** The router listens to signals by itself; only the end of npm must be told to it. */
function watchParentOnly(): void {
  onStopRequests({ watchParent: true, signals: [], on: () => process.kill(process.pid, 'SIGTERM') });
}

function writeConfigTables(pages: readonly string[]): number {
  if (pages.length === 0) return refuse('config-table needs the page to write into.');
  for (const path of pages) {
    const page = existsSync(path) ? withConfigTable(readFileSync(path, 'utf8')) : undefined;
    if (page === undefined)
      return refuse(`${JSON.stringify(path)} is not a page with the marks of the table of options.`);
    writeFileSync(path, page);
  }
  return 0;
}

async function writeApiPage([path = 'docs/http-api.md']: readonly string[]): Promise<number> {
  const [{ ROUTES }, { apiPage }] = await Promise.all([
    import('../router/http-api.ts'),
    import('../router/openapi/page.ts'),
  ]);
  writeFileSync(path, apiPage(ROUTES));
  return 0;
}

function helpOf(role: Role): string {
  return `Usage: bellhop ${role} [options]\n\nbellhop ${role} ${VERBS[role]}.\n\n${optionsHelp(role)}`;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function refuse(sentence: string): number {
  process.stderr.write(`bellhop: ${oneLine(sentence)}\n`);
  return 2;
}

function compiled(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
