/** One case of the fuzzer, as a value and as a file. Owns: the shape, and how bytes are written so that a person can read them.
 *  Does not know: what a target makes of the bytes. Invariant: what was written is read back byte for byte. */

export interface FuzzInput {
  /** Name of the target that takes it. */
  readonly target: string;
  /** Bits that choose the surroundings, with a meaning of each target's own. */
  readonly variant: number;
  /** Connections one after another; of each, what is written at a time. */
  readonly links: readonly (readonly Buffer[])[];
}

/** Hex, and `[byte, count]` for long runs of one byte. */
type Run = string | readonly [string, number];

interface InputFile {
  readonly target: string;
  readonly variant: number;
  readonly links: readonly (readonly Run[])[][];
}

const RUN_MIN = 24;

/** One line of JSON. */
export function writeInput(input: FuzzInput): string {
  const links = input.links.map((steps) => steps.map(runsOf));
  return JSON.stringify({ target: input.target, variant: input.variant, links } satisfies InputFile);
}

/** Reads one input, or a list of them.
 *  @throws SyntaxError | TypeError for what `writeInput` has not written */
export function readInputs(text: string): FuzzInput[] {
  const value: unknown = JSON.parse(text);
  return (Array.isArray(value) ? value : [value]).map((one: InputFile) => ({
    target: one.target,
    variant: one.variant,
    links: one.links.map((steps) => steps.map(bytesOf)),
  }));
}

export function inputBytes(input: FuzzInput): number {
  return input.links.reduce((sum, steps) => sum + steps.reduce((bytes, step) => bytes + step.length, 0), 0);
}

function runsOf(bytes: Buffer): Run[] {
  const runs: Run[] = [];
  let plainFrom = 0;
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at];
    let end = at + 1;
    while (end < bytes.length && bytes[end] === byte) end++;
    if (end - at >= RUN_MIN) {
      if (at > plainFrom) runs.push(bytes.toString('hex', plainFrom, at));
      runs.push([bytes.toString('hex', at, at + 1), end - at]);
      plainFrom = end;
    }
    at = end;
  }
  if (plainFrom < bytes.length) runs.push(bytes.toString('hex', plainFrom));
  return runs;
}

function bytesOf(runs: readonly Run[]): Buffer {
  return Buffer.concat(
    runs.map((run) => (typeof run === 'string' ? Buffer.from(run, 'hex') : Buffer.alloc(run[1], run[0], 'hex'))),
  );
}
