/** All commands in one parser. Owns: their order in the help, and what a fault of the command line becomes. Does not know: what a
 *  command does.
 *  @see docs/decisions.md "The command line is commander's, options of processes stay the table's" */
import { Command, CommanderError } from '@commander-js/extra-typings';
import { VERSION } from '../../shared/version.ts';
import { ApiFailure } from './api-client.ts';
import type { Cli } from './cli.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { drainCommand, undrainCommand } from './drain.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { publishCommand, tailCommand } from './messages.ts';
import { moveCommand, movesCommand, pinsCommand, unpinCommand } from './moves.ts';
import { hotCommand, nodesCommand } from './nodes.ts';
import { auditCommand, eventsCommand } from './records.ts';
import { restartCommand } from './restart.ts';
import { kickCommand, roomsCommand, userCommand, whoCommand } from './rooms.ts';
import { shown } from './text.ts';
import { tokenCommand } from './token.ts';
import { whereCommand } from './where.ts';

/** A verb that has its own options: those of a process (shared/config-options.ts), or of a program of the checkout. */
export interface ListedVerb {
  readonly name: string;
  readonly what: string;
  /** Absent: another part of the command line runs it. @returns exit code; undefined where it lives on in this process and will end it */
  readonly run?: (flags: readonly string[]) => Promise<number | undefined>;
}

/** What the verbs and the checkout add to the commands. */
export interface ProgramParts {
  readonly verbs: readonly ListedVerb[];
  /** Programs of a checkout. */
  readonly programs: readonly ListedVerb[];
  /** Where the supervisor of the cluster that runs from here takes orders. */
  readonly control: string | undefined;
}

const WHICH_ROUTER =
  'A router is asked by every command but start, router, node, attend, token, doctor and those of a checkout: ' +
  '--url http://host:port, else BELLHOP_URL, else the cluster that npm start runs from here.';
const CODE_COLUMNS = 3;
const COLUMNS = 80;
/** What is left beside a column of names is still wrapped, not left to the terminal. */
const WRAP_COLUMNS_MIN = 20;

/** Carries out a command line.
 *  @returns exit code; undefined where the verb lives on in this process and will end it */
export async function runProgram(argv: readonly string[], cli: Cli, parts: ProgramParts): Promise<number | undefined> {
  const program = programOf(cli, parts);
  const words = argv.length === 0 ? ['--help'] : helpAsFlag(argv, program);
  const [first, ...rest] = words;
  const runnable = argv[0] === 'help' ? parts.verbs : [...parts.verbs, ...parts.programs];
  const verb = runnable.find(({ name }) => name === first);
  // Their options are not ours to look at.
  if (verb?.run !== undefined) return await verb.run(rest);
  try {
    await program.parseAsync([...words], { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    return endOf(error, cli);
  }
}

/** `help X` as `X --help`, and as `X` alone where there is no such command, so that it is refused as the command itself is. */
function helpAsFlag([first, ...asked]: readonly string[], program: Command): readonly string[] {
  if (first !== 'help') return first === undefined ? asked : [first, ...asked];
  const [name = first] = asked;
  if (name === first || name.startsWith('-')) return ['--help'];
  return program.commands.some((command) => command.name() === name) ? [...asked, '--help'] : [name];
}

/** What stands below the list of commands, for a terminal of so many columns. */
function after(program: Command, columns: number): string {
  const help = program.createHelp();
  help.helpWidth = columns;
  const rows = Object.values(EXIT_CODES).map(({ code, doc }) => help.formatItem(`${code}`, CODE_COLUMNS, doc, help));
  return ['', help.boxWrap(WHICH_ROUTER, columns), '', 'Exit codes:', ...rows].join('\n');
}

function programOf(cli: Cli, parts: ProgramParts): Command {
  const program = new Command('bellhop').description('A cluster of rooms for WebSockets.');
  // Before the commands: they take these settings over.
  program
    .version(VERSION, '-v, --version', 'says which version this is')
    .helpCommand('help [command]', 'says what a command does')
    .showHelpAfterError('All commands: bellhop help')
    .showSuggestionAfterError()
    // A command’s option before its subcommand is the command’s own.
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ minWidthToWrap: WRAP_COLUMNS_MIN })
    .configureOutput({
      writeOut: (text) => cli.out.lines(text.trimEnd().split('\n')),
      getOutHelpWidth: () => cli.out.columns ?? COLUMNS,
      getErrHelpWidth: () => cli.err.columns ?? COLUMNS,
      writeErr: (text) => cli.err.lines(text.trimEnd().split('\n')),
      outputError: (text, write) => write(text.replace(/^error: /, 'bellhop: ')),
    })
    .addHelpText('after', () => after(program as unknown as Command, cli.out.columns ?? COLUMNS));
  const group = (name: string, commands: readonly Command[]) => {
    for (const command of commands) {
      program.addCommand(command.copyInheritedSettings(program).helpGroup(name));
      command.showHelpAfterError(`Its help: bellhop help ${command.name()}`);
      for (const part of command.commands) part.copyInheritedSettings(command);
    }
  };
  group(
    'Processes (bellhop <verb> --help lists their options):',
    parts.verbs.map(({ name, what }) => new Command(name).description(what)),
  );
  group('Looking:', [
    nodesCommand(cli),
    roomsCommand(cli),
    whereCommand(cli),
    whoCommand(cli),
    userCommand(cli),
    tailCommand(cli),
    hotCommand(cli),
    movesCommand(cli),
    pinsCommand(cli),
    eventsCommand(cli),
    auditCommand(cli),
  ]);
  group('Changing:', [
    drainCommand(cli),
    undrainCommand(cli),
    moveCommand(cli),
    unpinCommand(cli),
    restartCommand(cli, parts.control),
    publishCommand(cli),
    kickCommand(cli),
  ]);
  group('Preparing:', [tokenCommand(cli), doctorCommand(cli)]);
  group(
    'In a checkout:',
    parts.programs.map(({ name, what }) => new Command(name).description(what)),
  );
  return program;
}

function endOf(error: unknown, cli: Cli): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.wrong.code;
  if (error instanceof Failure) {
    const hint = error instanceof ApiFailure && error.isUnknownRoute;
    const sentence = hint ? 'this router has no such command: it is of an older version.' : error.message;
    cli.err.line(`bellhop: ${shown(sentence)}`);
    return hint ? EXIT_CODES.failed.code : EXIT_CODES[error.ending].code;
  }
  throw error;
}
