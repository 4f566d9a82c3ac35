/** Why a command ends early. Owns: nothing but the sentence for the operator and the ending it stands for. */
import type { Ending } from './exit-codes.ts';

export class Failure extends Error {
  readonly ending: Ending;

  /** @param sentence  shown on stderr after `bellhop: ` */
  constructor(ending: Ending, sentence: string, cause?: unknown) {
    super(sentence, cause === undefined ? undefined : { cause });
    this.name = 'Failure';
    this.ending = ending;
  }
}
