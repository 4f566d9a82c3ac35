/** A directory whose every reply the test gives: in any order, late, or as a fault. Owns: the calls that wait for an answer.
 *  Does not know: what any operation means; MemoryDirectory does. */
import { type Args, DirectoryError, type DirectoryFault, type Operation, type Reply } from '../directory/directory.ts';

export interface Asked<K extends Operation> {
  readonly operation: K;
  readonly args: Args<K>;
  /** Answers this call; a second answer is a mistake of the test. */
  reply(result: Reply<K>): void;
  fail(code?: DirectoryFault, runId?: string): void;
}

interface Waiting {
  readonly operation: Operation;
  readonly args: unknown;
  readonly done: (result: never) => void;
}

export class ScriptedDirectory {
  #waiting: Waiting[] = [];

  /** The port that the cores are given. */
  readonly call = <K extends Operation>(
    operation: K,
    args: Args<K>,
    done: (result: Reply<K> | DirectoryError) => void,
  ): void => {
    this.#waiting.push({ operation, args, done: done as (result: never) => void });
  };

  /** Operations that wait for an answer, oldest first. */
  get waiting(): Operation[] {
    return this.#waiting.map((one) => one.operation);
  }

  /** Takes the oldest unanswered call of this operation, to be answered when the test likes.
   *  @throws Error when there is none */
  take<K extends Operation>(operation: K): Asked<K> {
    const at = this.#waiting.findIndex((one) => one.operation === operation);
    const [found] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (found === undefined) throw new Error(`nothing asked for ${operation}, but: ${this.waiting.join(', ') || '-'}`);
    let answered = false;
    const settle = (result: Reply<K> | DirectoryError) => {
      if (answered) throw new Error(`${operation} was answered before`);
      answered = true;
      found.done(result as never);
    };
    return {
      operation,
      args: found.args as Args<K>,
      reply: settle,
      fail: (code = 'timeout', runId) => settle(directoryError(code, runId)),
    };
  }

  /** Answers the oldest unanswered call of this operation. @returns its arguments */
  answer<K extends Operation>(operation: K, result: Reply<K>): Args<K> {
    const asked = this.take(operation);
    asked.reply(result);
    return asked.args;
  }
}

export function directoryError(code: DirectoryFault = 'timeout', runId?: string): DirectoryError {
  return new DirectoryError(code, 'scripted', runId === undefined ? {} : { runId });
}
