/** A question to the directory that was asked before its answer is needed. Owns: whichever of answer and asker came first. */
export class Ahead<T> {
  #answer: { readonly value: T } | undefined;
  #then: ((value: T) => void) | undefined;

  answer(value: T): void {
    this.#answer = { value };
    this.#then?.(value);
  }

  /** Calls back with the answer: now, where it is there. One asker. */
  whenAnswered(then: (value: T) => void): void {
    if (this.#answer === undefined) this.#then = then;
    else then(this.#answer.value);
  }
}
