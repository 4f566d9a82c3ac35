/** Inputs that every link target starts from. Owns: how they are made of the golden vectors, so that a frame type is fuzzed as soon as
 *  it has one. */
import { encode } from '../../shared/link/encode.ts';
import { type GoldenVector, readGolden } from '../../shared/link/golden-vectors.ts';
import type { LinkMessage } from '../../shared/link/messages.ts';
import { LinkEncodeError } from '../../shared/link/protocol-error.ts';
import type { FuzzInput } from './input.ts';

const HANDSHAKE: readonly string[] = ['hello', 'proof'] satisfies LinkMessage['type'][];

/** Golden frames that may come once a link is up. */
export function goldenFrames(): GoldenVector[] {
  return readGolden().filter(({ message }) => !HANDSHAKE.includes(message.type));
}

/** Golden messages with much more content than they have: what travels in fragments, and what uses credit up. */
export function largeFrames(): Buffer[] {
  const credit = encode({ type: 'credit', bytes: 1_000_000 });
  return readGolden().flatMap(({ message }) => {
    const content = Object.entries(message).find(([, value]) => Buffer.isBuffer(value) && message.type !== 'proof');
    if (content === undefined) return [];
    return [20_000, 70_000].flatMap((length) => {
      try {
        return [
          Buffer.concat([credit, encode({ ...message, [content[0]]: Buffer.alloc(length, 0x61) } as LinkMessage)]),
        ];
      } catch (error) {
        // A type that takes no such length.
        if (error instanceof LinkEncodeError) return [];
        throw error;
      }
    });
  });
}

/** One input a frame, and some with all frames in a row. */
export function goldenInputs(target: string, variants: readonly number[]): FuzzInput[] {
  const frames = goldenFrames().map(({ bytes }) => bytes);
  const small = frames.filter((bytes) => bytes.length < 2_000);
  const inputs: FuzzInput[] = [];
  for (const variant of variants) {
    inputs.push({ target, variant, links: [small] });
    inputs.push({ target, variant, links: [[Buffer.concat(small)]] });
  }
  const large = largeFrames();
  for (const variant of variants.slice(0, 4))
    inputs.push({ target, variant, links: [[...large.slice(0, 8), ...small]] });
  const [variant = 0] = variants;
  for (const bytes of frames) inputs.push({ target, variant, links: [[bytes]] });
  return inputs;
}
