/** The codec under fuzz. Owns: its oracles: bytes become messages or a LinkProtocolError, wherever they are cut; what was read can be
 *  written again and is the same; what was accepted for writing is accepted for reading. */
import { isDeepStrictEqual } from 'node:util';
import { FrameDecoder } from '../../shared/link/decode.ts';
import { encode } from '../../shared/link/encode.ts';
import { readGolden } from '../../shared/link/golden-vectors.ts';
import type { LinkMessage } from '../../shared/link/messages.ts';
import { LinkEncodeError, LinkProtocolError } from '../../shared/link/protocol-error.ts';
import { splitMessage } from '../../shared/link/split.ts';
import { SeededRandom } from '../../shared/random.ts';
import type { FuzzInput } from './input.ts';
import { linkGrammar } from './link-grammar.ts';
import { goldenInputs } from './seeds.ts';
import { insist, type Target } from './target.ts';
import { warp } from './warp.ts';

const NAME = 'codec';
/** Also read one byte at a time. */
const BY_BYTE = 1;
/** Also write each message with a field changed. */
const WARP = 2;

interface Outcome {
  readonly messages: LinkMessage[];
  readonly fault: string | undefined;
}

export class CodecTarget implements Target {
  readonly name = NAME;
  readonly grammar = linkGrammar;
  readonly turn = 400;
  readonly variants = 64;
  readonly bytesMax = 300_000;
  readonly words = ['router', 'node', 'draining', 'not-owner', 'wait', 'join', 'rebind', 'named'];

  seeds(): FuzzInput[] {
    const handshake = readGolden().map(({ bytes }) => ({ target: NAME, variant: 0, links: [[bytes]] }));
    return [...goldenInputs(NAME, [0, BY_BYTE, WARP, WARP | 4, WARP | 8]), ...handshake];
  }

  async run(input: FuzzInput): Promise<void> {
    for (const steps of input.links) {
      const outcome = decodeAll(steps);
      if ((input.variant & BY_BYTE) !== 0) this.#compare(Buffer.concat(steps), outcome);
      for (const message of outcome.messages) {
        this.#roundTrip(message);
        if ((input.variant & WARP) !== 0) this.#warped(message, input.variant >> 2);
      }
    }
  }

  async reset(): Promise<void> {}
  async settle(): Promise<void> {}

  #compare(stream: Buffer, outcome: Outcome): void {
    if (stream.length > 3_000) return;
    const slow = decodeAll(Array.from(stream, (byte) => Buffer.from([byte])));
    insist(slow.fault === outcome.fault, 'cut', `${slow.fault} byte by byte, ${outcome.fault} in chunks`);
    // A chunk that ends in a fault tells none of its messages.
    if (slow.fault !== undefined) return;
    insist(isSame(slow.messages, outcome.messages), 'cut', 'other messages byte by byte than in chunks');
  }

  #roundTrip(message: LinkMessage): void {
    let bytes: Buffer;
    try {
      bytes = encode(message);
    } catch (error) {
      // JSON can be read deeper and shorter than it can be written.
      if (error instanceof LinkEncodeError && (error.code === 'bad-json' || error.code === 'too-large')) return;
      throw error;
    }
    const again = decodeAll([bytes]);
    insist(again.fault === undefined, 'round trip', `${message.type} is refused: ${again.fault}`);
    insist(isSame(again.messages, [message]), 'round trip', `${message.type} comes out as another`);
  }

  /** What `encode` takes, the decoder takes. */
  #warped(message: LinkMessage, seed: number): void {
    const random = new SeededRandom(seed);
    const changed = warp(message, random) as LinkMessage;
    let pieces: Buffer[];
    try {
      pieces = splitMessage(changed).map((piece) => encode(piece));
    } catch (error) {
      if (error instanceof LinkEncodeError) return;
      throw error;
    }
    const { messages, fault } = decodeAll(pieces);
    insist(fault === undefined, 'encode', `a ${message.type} was written that is refused: ${fault}`);
    insist(
      messages.length === pieces.length,
      'encode',
      `${pieces.length} pieces of ${message.type} give ${messages.length}`,
    );
  }
}

function decodeAll(chunks: readonly Buffer[]): Outcome {
  const decoder = new FrameDecoder();
  const messages: LinkMessage[] = [];
  for (const chunk of chunks) {
    try {
      for (const message of decoder.push(chunk)) messages.push(message);
    } catch (error) {
      if (!(error instanceof LinkProtocolError)) throw error;
      let second: unknown;
      try {
        decoder.push(Buffer.alloc(8));
      } catch (again) {
        second = again;
      }
      insist(second === error, 'broken stream', 'a stream that broke was read on');
      insist(error.goaway.reason === 'protocol', 'last words', 'the goaway is not about the protocol');
      return { messages, fault: error.code };
    }
  }
  return { messages, fault: undefined };
}

/** What JSON cannot tell apart (-0 and 0, a number too large and null) counts as the same. */
function isSame(left: readonly LinkMessage[], right: readonly LinkMessage[]): boolean {
  return isDeepStrictEqual(left, right) || JSON.stringify(left) === JSON.stringify(right);
}
