/** A command line without a process: what it writes is kept. For tests. */
import { Cli } from './cli.ts';
import { type ListedVerb, runProgram } from './program.ts';
import { Terminal } from './terminal.ts';

export interface Ran {
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
}

export interface FakeCliOptions {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly running?: readonly string[];
  readonly env?: { readonly url?: string; readonly apiToken?: string; readonly apiTokenFile?: string };
  readonly signal?: AbortSignal;
  readonly now?: () => number;
  readonly control?: string;
  readonly verbs?: readonly ListedVerb[];
}

/** Carries out a command line. */
export async function runCli(argv: readonly string[], options: FakeCliOptions = {}): Promise<Ran> {
  const {
    isTTY = false,
    columns = 100,
    running = [],
    env,
    signal = new AbortController().signal,
    now = Date.now,
  } = options;
  const texts = { out: '', err: '' };
  const sink = (name: 'out' | 'err') => {
    const write = (text: string) => {
      texts[name] += text;
    };
    return new Terminal({ isTTY, columns, write }, { noColor: false, term: 'xterm' });
  };
  const unset = { url: undefined, apiToken: undefined, apiTokenFile: undefined, operator: undefined };
  const cli = new Cli({
    env: { ...unset, ...env, noColor: false, term: 'xterm' },
    running,
    operator: 'ops@desk',
    out: sink('out'),
    err: sink('err'),
    signal,
    listen: () => undefined,
    now,
  });
  const code = await runProgram(argv, cli, { verbs: options.verbs ?? [], programs: [], control: options.control });
  return { code, ...texts };
}
