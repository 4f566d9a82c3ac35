/** What every command has: where it writes, which router it asks, how it ends. Owns: the flags that all of them share. Does not know:
 *  any single command. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from '@commander-js/extra-typings';
import type { ApiClient } from './api-client.ts';
import { type Ending, EXIT_CODES } from './exit-codes.ts';
import { findRouter, type RouterFlags, type Surroundings } from './find-router.ts';
import type { Terminal } from './terminal.ts';

export interface CliSurroundings extends Surroundings {
  readonly out: Terminal;
  readonly err: Terminal;
  /** Aborted when the operator wants no more of it (Ctrl-C), from when `listen` was called. */
  readonly signal: AbortSignal;
  readonly listen: () => void;
  readonly now: () => number;
}

export class Cli {
  readonly out: Terminal;
  readonly err: Terminal;
  readonly signal: AbortSignal;
  readonly around: CliSurroundings;
  #ending: Ending = 'done';

  constructor(around: CliSurroundings) {
    this.around = around;
    this.out = around.out;
    this.err = around.err;
    this.signal = around.signal;
  }

  get exitCode(): number {
    return EXIT_CODES[this.#ending].code;
  }

  now(): number {
    return this.around.now();
  }

  /** How this command is to end, where it is not `done`. */
  end(ending: Ending): void {
    this.#ending = ending;
  }

  /** Finds the router that answers. @throws Failure */
  router(flags: RouterFlags): Promise<ApiClient> {
    this.around.listen();
    return findRouter(flags, this.around);
  }

  /** Waits, or less where the operator wants no more. @returns whether to go on */
  async pause(ms: number): Promise<boolean> {
    await sleep(ms, undefined, { signal: this.signal }).catch(() => undefined);
    return !this.signal.aborted;
  }
}

/** A command that asks a router. */
export function asking<const Usage extends string>(nameAndArguments: Usage, what: string) {
  return new Command(nameAndArguments)
    .description(what)
    .option('--url <url,…>', 'router to ask, the first of several that answers [BELLHOP_URL]')
    .option('--api-token <token>', 'token of the HTTP API; seen by others on this machine [BELLHOP_API_TOKEN]')
    .option('--api-token-file <path>', 'file that holds it [BELLHOP_API_TOKEN_FILE]')
    .option('--json', 'the answer as JSON');
}
