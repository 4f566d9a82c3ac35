/** The question whether an incarnation lives, asked once for all rooms that want to know it at the same time: those of a lost node are
 *  asked for together. Owns: the questions under way. Does not know: what follows from an answer.
 *  Invariant: whoever asks gets an answer that came after it had asked. */
import type { DirectoryError, Reply } from '../shared/directory/directory.ts';
import type { CallDirectory } from './ports.ts';

type Answer = Reply<'standing'> | DirectoryError;

export class Standings {
  readonly #call: CallDirectory;
  readonly #asked = new Map<string, ((answer: Answer) => void)[]>();

  constructor(call: CallDirectory) {
    this.#call = call;
  }

  ask({ node, incarnation }: { readonly node: string; readonly incarnation: string }, done: (answer: Answer) => void) {
    const waiting = this.#asked.get(incarnation);
    if (waiting !== undefined) {
      waiting.push(done);
      return;
    }
    const all = [done];
    this.#asked.set(incarnation, all);
    this.#call('standing', { node, incarnation }, (answer) => {
      this.#asked.delete(incarnation);
      for (const each of all) each(answer);
    });
  }
}
