/** Changes to an input. Owns: which, and how often. Does not know: what a target does with it.
 *  Most keep the frames around the change valid, so that what lies behind the first check is reached.
 *  Invariant: the same input, donors and random source give the same result. */
import type { SeededRandom } from '../../shared/random.ts';
import type { FuzzInput } from './input.ts';
import { inputBytes } from './input.ts';
import { mutateJson } from './json-mutate.ts';
import type { Grammar, Target } from './target.ts';

const BAD_UTF8 = [Buffer.from([0xff]), Buffer.from([0xc0, 0xaf]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xf0])];
const NUMBERS = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const LINKS_MAX = 3;

/** Makes a new input of `parent`. @param donors  inputs of the same target, to take frames from */
export function mutate(
  target: Target,
  parent: FuzzInput,
  donors: readonly FuzzInput[],
  random: SeededRandom,
): FuzzInput {
  const links: Buffer[] = parent.links.map((steps) => Buffer.concat(steps));
  let variant = parent.variant;
  if (target.variants > 0 && random.below(4) === 0) variant ^= 1 << random.below(Math.ceil(Math.log2(target.variants)));
  const changes = 1 + random.below(random.below(4) === 0 ? 12 : 4);
  for (let change = 0; change < changes; change++) {
    const at = random.below(links.length);
    const stream = links[at] ?? Buffer.alloc(0);
    if (random.below(24) === 0) changeLinks(links, at, random);
    else links[at] = changeStream(target, stream, donors, random);
  }
  const cut = links.map((stream) => stepsOf(stream.subarray(0, target.bytesMax), random));
  return { target: target.name, variant, links: cut };
}

function changeLinks(links: Buffer[], at: number, random: SeededRandom): void {
  if (links.length > 1 && random.below(2) === 0) links.splice(at, 1);
  else if (links.length < LINKS_MAX) links.splice(at, 0, Buffer.from(links[at] ?? []));
}

function changeStream(target: Target, stream: Buffer, donors: readonly FuzzInput[], random: SeededRandom): Buffer {
  const { grammar } = target;
  if (random.below(6) === 0) return changeBytes(stream, random);
  const frames = grammar.split(stream);
  const at = random.below(Math.max(1, frames.length));
  const frame = frames[at] ?? Buffer.alloc(0);
  switch (random.below(14)) {
    case 0:
      frames.splice(at, 1);
      break;
    case 1:
      frames.splice(random.below(frames.length + 1), 0, frame);
      break;
    case 2: {
      const copies = random.pick([2, 3, 8, 40, 200]);
      frames.splice(at, 0, ...Array.from({ length: frame.length * copies > 100_000 ? 1 : copies }, () => frame));
      break;
    }
    case 3: {
      const other = random.below(Math.max(1, frames.length));
      frames[at] = frames[other] ?? frame;
      frames[other] = frame;
      break;
    }
    case 4:
    case 5:
      frames.splice(random.below(frames.length + 1), 0, donated(grammar, donors, random));
      break;
    case 6: {
      // Two streams, their frames in turn.
      const others = grammar.split(Buffer.concat(random.pick(donors).links[0] ?? []));
      return Buffer.concat(frames.flatMap((one, place) => [one, others[place] ?? Buffer.alloc(0)]));
    }
    case 7:
      frames[at] = grammar.lie(frame, random);
      break;
    case 8:
      frames[at] = grammar.resize(frame, random);
      break;
    default:
      frames[at] = changePayload(grammar, frame, random, target.words);
  }
  return Buffer.concat(frames);
}

function donated(grammar: Grammar, donors: readonly FuzzInput[], random: SeededRandom): Buffer {
  const donor = random.pick(donors);
  const frames = grammar.split(Buffer.concat(random.pick(donor.links) ?? []));
  return frames.length === 0 ? Buffer.alloc(0) : random.pick(frames);
}

function changePayload(grammar: Grammar, frame: Buffer, random: SeededRandom, words: readonly string[]): Buffer {
  const payload = grammar.payload(frame);
  if (payload === undefined || payload.length === 0) return grammar.lie(frame, random);
  // JSON begins somewhere behind fields of fixed size, and goes on to the end.
  const begin = payload.indexOf('{');
  if (begin >= 0 && random.below(4) > 0) {
    const text = payload.toString('utf8', begin);
    const changed = mutateJson(text, random, words);
    if (changed !== text)
      return grammar.withPayload(frame, Buffer.concat([payload.subarray(0, begin), Buffer.from(changed)]));
  }
  const copy = Buffer.from(payload);
  const at = random.below(copy.length);
  switch (random.below(6)) {
    case 0:
      return grammar.withPayload(frame, copy.subarray(0, at));
    case 1:
      return grammar.withPayload(
        frame,
        Buffer.concat([copy.subarray(0, at), random.pick(BAD_UTF8), copy.subarray(at)]),
      );
    case 2:
      return grammar.withPayload(frame, Buffer.concat([copy, copy.subarray(at)]));
    case 3: {
      const bytes = Math.min(random.pick([1, 2, 4, 6]), copy.length - at);
      copy.writeUIntBE(random.pick(NUMBERS) % 2 ** (8 * bytes), at, bytes);
      return grammar.withPayload(frame, copy);
    }
    case 4:
      // Flags stand at the beginning.
      copy[random.below(Math.min(6, copy.length))] = random.pick([0, 1, 2, 3, 0x80, 0x81, 0x40, 0xff]);
      return grammar.withPayload(frame, copy);
    default:
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return grammar.withPayload(frame, copy);
  }
}

function changeBytes(stream: Buffer, random: SeededRandom): Buffer {
  if (stream.length === 0) return Buffer.from([random.below(256)]);
  const copy = Buffer.from(stream);
  const at = random.below(copy.length);
  switch (random.below(5)) {
    case 0:
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    case 1:
      copy[at] = random.below(256);
      return copy;
    case 2:
      return copy.subarray(0, at);
    case 3:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(random.below(copy.length))]);
    default:
      return Buffer.concat([copy.subarray(0, at), Buffer.from([random.below(256)]), copy.subarray(at)]);
  }
}

/** Cuts a stream anywhere: whole, in a few pieces, or byte by byte. */
function stepsOf(stream: Buffer, random: SeededRandom): Buffer[] {
  if (stream.length === 0) return [];
  if (random.below(2) === 0) return [stream];
  const steps: Buffer[] = [];
  const isFine = stream.length < 400 && random.below(6) === 0;
  for (let at = 0; at < stream.length && steps.length < 400; ) {
    const size = isFine ? 1 : random.below(4) === 0 ? 1 + random.below(9) : 1 + random.below(stream.length);
    steps.push(steps.length === 399 ? stream.subarray(at) : stream.subarray(at, at + size));
    at += size;
  }
  return steps;
}

/** Smaller inputs that might fail the same way, largest step first. */
export function* smaller(grammar: Grammar, input: FuzzInput): Generator<FuzzInput> {
  const { links } = input;
  for (let at = 0; at < links.length && links.length > 1; at++)
    yield { ...input, links: links.filter((_, other) => other !== at) };
  for (const [at, steps] of links.entries()) {
    const replaced = (fresh: readonly Buffer[]): FuzzInput => ({
      ...input,
      links: links.map((old, other) => (other === at ? fresh : old)),
    });
    const whole = Buffer.concat(steps);
    if (steps.length > 1) yield replaced([whole]);
    const frames = grammar.split(whole);
    for (let size = frames.length >> 1; size >= 1; size >>= 1) {
      for (let from = 0; from < frames.length; from += size) {
        yield replaced([Buffer.concat(frames.filter((_, place) => place < from || place >= from + size))]);
      }
    }
    for (const [place, frame] of frames.entries()) {
      const payload = grammar.payload(frame);
      if (payload === undefined) continue;
      for (let size = payload.length >> 1; size >= 1; size >>= 1) {
        for (let from = 0; from < payload.length && from < 64 * size; from += size) {
          const cut = Buffer.concat([payload.subarray(0, from), payload.subarray(from + size)]);
          const fresh = grammar.withPayload(frame, cut);
          yield replaced([Buffer.concat(frames.map((old, other) => (other === place ? fresh : old)))]);
        }
      }
    }
    for (let size = whole.length >> 1; size >= 1; size >>= 1) {
      for (let from = 0; from < whole.length && from < 64 * size; from += size) {
        yield replaced([Buffer.concat([whole.subarray(0, from), whole.subarray(from + size)])]);
      }
    }
  }
  for (let bit = 1; bit <= input.variant; bit <<= 1) {
    if ((input.variant & bit) !== 0) yield { ...input, variant: input.variant & ~bit };
  }
}

/** Whether `fresh` is a simpler case than `old`. */
export function isSimpler(fresh: FuzzInput, old: FuzzInput): boolean {
  return weight(fresh) < weight(old);
}

function weight(input: FuzzInput): number {
  const steps = input.links.reduce((sum, link) => sum + link.length, 0);
  let bits = 0;
  for (let bit = 1; bit <= input.variant; bit <<= 1) if ((input.variant & bit) !== 0) bits++;
  return inputBytes(input) * 4 + input.links.length * 8 + steps * 2 + bits;
}
