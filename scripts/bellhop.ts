/** The command line. Owns: verbs, help and exit codes. Does not know: how to get a checkout ready (run.mjs does).
 *  Exit: 0 done, 1 crashed, 2 what one sentence on stderr tells the operator to change, 3 a node that was declared dead. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigError, isRedisGiven, loadConfig, type Role, startedByNpm } from '../shared/config.ts';
import { optionsHelp, withConfigTable } from '../shared/config-text.ts';
import { VERSION } from '../shared/version.ts';
import { runNode } from './node-command.ts';
import { runRouter } from './router-command.ts';
import { findRunning } from './running.ts';
import { onStopRequests } from './stop-requests.ts';
import { type Tools, up } from './up.ts';

const VERBS: Readonly<Record<Role, string>> = {
  start: 'runs a whole cluster on this machine: Redis if none is given, nodes and routers',
  router: 'runs a router: the edge that holds client sockets',
  node: 'runs a node: the process that owns rooms',
};

const ATTEND = 'runs a node that stands beside a WebSocket server of yours: its rooms are the rooms of that server';

const HELP = `Usage: bellhop <verb> [options]

${Object.entries(VERBS)
  .map(([verb, what]) => `  ${verb.padEnd(8)}${what}`)
  .join('\n')}
  ${'attend'.padEnd(8)}${ATTEND}

bellhop <verb> --help lists the options of a verb. Each can also be set in the environment.
In a checkout there are also: build, check, test, bench, simulate, fuzz, chaos, model, and config-table <page.md>.
`;

/** Carries out a verb. Output goes to this process' own streams.
 *  @returns exit code; undefined where the verb lives on in this process and will end it */
export async function main(argv: readonly string[], tools: Tools): Promise<number | undefined> {
  // A reader of our output that went away is no reason to leave processes behind.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const [verb = '--help', ...flags] = argv;
  if (verb === '--version' || verb === '-v' || verb === 'version') return print(`${VERSION}\n`);
  if (verb === '--help' || verb === '-h' || verb === 'help') return print(HELP);
  try {
    if (isRole(verb) && (flags.includes('--help') || flags.includes('-h'))) return print(helpOf(verb));
    switch (verb) {
      case 'start':
        return await up(loadConfig('start', flags), tools);
      case 'router':
        return await becomeRouter(joining('router', flags));
      case 'node':
        return await runNode(compiled('../node/main.js'), joining('node', flags));
      case 'attend':
        return await attend(flags);
      case 'config-table':
        return writeConfigTables(flags);
      default:
        return refuse(`Unknown verb ${JSON.stringify(verb)}: see bellhop --help.`);
    }
  } catch (error) {
    if (error instanceof ConfigError) return refuse(error.message);
    throw error;
  }
}

/** An attendant is a node of another kind: its options are a node's. */
async function attend(flags: readonly string[]): Promise<number> {
  if (flags.includes('--help') || flags.includes('-h')) {
    return print(`Usage: bellhop attend --target ws://host:port/path [options]\n\n${optionsHelp('node')}`);
  }
  const joined = joining('node', flags);
  if (loadConfig('node', joined).attends === undefined) {
    return refuse('attend needs --target ws://host:port/path: the server to stand beside.');
  }
  return runNode(compiled('../node/main.js'), joined);
}

/** The flags of a process that is to join a cluster: without a word about Redis it joins the one that `npm start` runs from here. */
function joining(role: 'router' | 'node', flags: readonly string[]): readonly string[] {
  if (isRedisGiven(role, flags)) return flags;
  const redisUrl = findRunning();
  return redisUrl === undefined ? flags : [...flags, `--redis-url=${redisUrl}`];
}

/** Turns this process into a router: a container then has one process, and signals need no forwarding. With several workers it
 *  becomes their parent. */
async function becomeRouter(flags: readonly string[]): Promise<number | undefined> {
  const { workers } = loadConfig('router', flags);
  const script = compiled('../router/main.js');
  if (workers > 1) return await runRouter(script, flags);
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

function helpOf(role: Role): string {
  return `Usage: bellhop ${role} [options]\n\nbellhop ${role} ${VERBS[role]}.\n\n${optionsHelp(role)}`;
}

function isRole(verb: string): verb is Role {
  return Object.hasOwn(VERBS, verb);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function refuse(sentence: string): number {
  process.stderr.write(`bellhop: ${sentence}\n`);
  return 2;
}

function compiled(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
