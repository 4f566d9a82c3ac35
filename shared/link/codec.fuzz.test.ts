/** Hostile and unlucky bytes. Each case comes from a seed, which is in the message of a failure and replays it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ID_PATTERN, SESSION_PATTERN } from '../directory/keys.ts';
import { SeededRandom } from '../random.ts';
import { encode, FrameDecoder, LinkProtocolError } from './codec.ts';
import { FRAME_HEADER_BYTES, writeHeader } from './frame-header.ts';
import { readGolden, sameBytes } from './golden-vectors.ts';
import { FRAME_PAYLOAD_MAX, type LinkMessage } from './messages.ts';

expect.addEqualityTesters([sameBytes]);

const GOLDEN = readGolden().map(({ bytes }) => bytes);
const SMALL = GOLDEN.filter((bytes) => bytes.length < 4_096);

const FRAGMENTED = readGolden()
  .filter(({ name }) => name.endsWith('in fragments'))
  .map(({ bytes }) => bytes);

/** The frames of a stream, apart. */
function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

/** One change to a stream of frames that a fault, a bug or an attacker might make. */
function mutate(bytes: Buffer, random: SeededRandom): Buffer {
  const copy = Buffer.from(bytes);
  const at = random.below(copy.length);
  switch (random.below(8)) {
    case 0:
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    case 1:
      copy[at] = random.below(256);
      return copy;
    case 2:
      return copy.subarray(0, at);
    case 3:
      return Buffer.concat([copy.subarray(0, at), random.pick(SMALL), copy.subarray(at)]);
    case 4:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(random.below(copy.length))]);
    case 5:
      // A lie about the length of the first frame.
      copy.writeUIntBE(random.pick([0, 1, 0xffff, 0x10400, 0x10401, 0xffffff, random.below(1 << 24)]), 0, 3);
      return copy;
    case 6:
      // Another type for the same payload.
      copy[3] = random.below(0x40);
      return copy;
    default:
      // A change within the payload of the first frame, where JSON and numbers are.
      if (copy.length > FRAME_HEADER_BYTES)
        copy[FRAME_HEADER_BYTES + random.below(copy.length - FRAME_HEADER_BYTES)] = random.below(256);
      return copy;
  }
}

function chunksOf(bytes: Buffer, random: SeededRandom): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = random.below(4) === 0 ? 1 + random.below(9) : 1 + random.below(bytes.length);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

/** What a stream decodes to, and whether it was refused. */
function decodeAll(chunks: readonly Buffer[]): { messages: LinkMessage[]; fault: string | undefined } {
  const decoder = new FrameDecoder();
  const messages: LinkMessage[] = [];
  for (const chunk of chunks) {
    try {
      messages.push(...decoder.push(chunk));
    } catch (error) {
      if (!(error instanceof LinkProtocolError)) throw error;
      return { messages, fault: error.code };
    }
  }
  return { messages, fault: undefined };
}

function fuzz(seed: number): { fault: string | undefined; messages: LinkMessage[] } {
  const random = new SeededRandom(seed);
  let stream = random.below(500) === 0 ? random.pick(GOLDEN) : random.pick(SMALL);
  for (let more = random.below(4); more > 0; more--) stream = Buffer.concat([stream, random.pick(SMALL)]);
  for (let changes = 1 + random.below(3); changes > 0 && stream.length > 3; changes--) stream = mutate(stream, random);
  const result = decodeAll(chunksOf(stream, random));
  // What was taken for a message is one: it can be sent on, and comes out the same.
  for (const message of result.messages) {
    expect(decodeAll([encode(message)])).toEqual({ messages: [message], fault: undefined });
  }
  return result;
}

describe('mutated frames', () => {
  test('are decoded or refused with a code, and nothing else', () => {
    const outcomes = new Map<string, number>();
    for (let seed = 1; seed <= 40_000; seed++) {
      try {
        const outcome = fuzz(seed).fault ?? 'taken';
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    // The mutations reach both sides of the rules, and most of the rules.
    const reached = [
      'taken',
      'unknown-type',
      'too-long',
      'bad-length',
      'bad-id',
      'bad-flags',
      'bad-field',
      'bad-json',
      'bad-utf8',
      'bad-shape',
      'bad-magic',
    ];
    expect([...outcomes.keys()]).toEqual(expect.arrayContaining(reached));
  }, 30_000);

  test('of messages in fragments are put together or refused with a code', () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 1_500; seed++) {
      const random = new SeededRandom(seed);
      const frames = FRAGMENTED.flatMap(framesOf);
      // Fragments of several messages, left out, said twice, in another order, and now and then changed.
      const mixed = Array.from({ length: 1 + random.below(12) }, () => random.pick(frames));
      const whole = random.below(3) === 0 ? framesOf(random.pick(FRAGMENTED)) : mixed;
      const stream = random.below(2) === 0 ? Buffer.concat(whole) : mutate(Buffer.concat(whole), random);
      const { fault, messages } = decodeAll([stream]);
      outcomes.add(fault ?? (messages.length > 0 ? 'taken' : 'unfinished'));
    }
    const reached = ['taken', 'unfinished', 'bad-field', 'bad-length'];
    expect([...outcomes]).toEqual(expect.arrayContaining(reached));
  }, 30_000);

  test('cut anywhere give the same messages and the same refusal', () => {
    for (let seed = 1; seed <= 1_000; seed++) {
      const random = new SeededRandom(seed);
      const frames = Array.from({ length: 1 + random.below(4) }, () => random.pick(SMALL));
      const stream = mutate(Buffer.concat(frames), random);
      // One byte at a time, so that every message before the refusal is told.
      const slow = decodeAll([...stream].map((byte) => Buffer.from([byte])));
      const fast = decodeAll([stream]);
      expect({ seed, fault: fast.fault }).toEqual({ seed, fault: slow.fault });
      if (slow.fault === undefined) expect(fast.messages).toEqual(slow.messages);
    }
  }, 30_000);
});

describe('memory', () => {
  test('is bounded by what may be open, whatever is announced', () => {
    const before = process.memoryUsage().arrayBuffers;
    // The largest frame there is, announced and half sent in tiny chunks, on many links.
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    writeHeader(header, 0, 'open', 0, FRAME_PAYLOAD_MAX);
    const decoders = Array.from({ length: 50 }, () => new FrameDecoder());
    for (const decoder of decoders) {
      decoder.push(header);
      for (let chunk = 0; chunk < 500; chunk++) expect(decoder.push(Buffer.alloc(8))).toEqual([]);
    }
    const grown = process.memoryUsage().arrayBuffers - before;
    expect(grown).toBeLessThan(decoders.length * 2 * FRAME_PAYLOAD_MAX);
  });
});

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const handle = fc.integer({ min: 1, max: 0xffff_ffff });
const safe = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const name = fc.stringMatching(/^[\x21-\x7e]{1,40}$/);
const words = (max: number) => fc.string({ unit: 'grapheme', maxLength: max });
const label = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 40 });
// Through JSON once: what JSON cannot tell apart (-0 and 0) is not the codec's to keep.
const opaque = fc.json().map((text) => JSON.parse(text) as unknown);
const cursor = fc.record({ seq: safe, tag: label });
const optional = { requiredKeys: [] as [] };

const session = fc
  .tuple(
    fc.record({
      handle,
      session: fc.stringMatching(SESSION_PATTERN),
      user: fc.oneof(fc.stringMatching(ID_PATTERN), fc.constantFrom('é', '😀 ü', 'a b')),
      seat: safe,
      kind: fc.constantFrom('join', 'resume', 'rebind'),
      since: safe,
    }),
    fc.record({ meta: opaque, cursor, history: fc.nat(1_000) }, optional),
  )
  .map(([fixed, optionals]) => ({ ...fixed, ...optionals }));

const ANY_MESSAGE = fc.oneof(
  fc.record({ type: fc.constant('ping'), seq: u32 }),
  fc.record({
    type: fc.constant('pong'),
    seq: u32,
    loopDelayUs: u32,
    redis: fc.constantFrom('unknown', 'answered', 'failed'),
  }),
  fc.record({ type: fc.constant('credit'), bytes: u32 }),
  fc.record({
    type: fc.constant('goaway'),
    reason: fc.constantFrom('draining', 'certified', 'closing', 'protocol'),
    text: words(60),
  }),
  fc.record({ type: fc.constant('call'), id: u32, op: label, args: opaque }),
  fc.record({
    type: fc.constant('call'),
    id: u32,
    op: label,
    args: fc.nat(200_000).map((length) => 'é'.repeat(length)),
  }),
  fc.record({ type: fc.constant('return'), id: u32, result: fc.record({ ok: opaque }) }),
  fc.record({
    type: fc.constant('return'),
    id: u32,
    result: fc.record({ error: fc.record({ code: label, message: words(60), retryable: fc.boolean() }) }),
  }),
  fc
    .tuple(
      fc.record({
        type: fc.constant('open'),
        room: fc.stringMatching(ID_PATTERN),
        floor: safe,
        sessions: fc.array(session, { maxLength: 5 }),
      }),
      fc.record(
        {
          cursor,
          more: fc.boolean(),
          heldOnly: fc.boolean(),
          lost: fc.record({ node: fc.stringMatching(ID_PATTERN), incarnation: label }),
        },
        optional,
      ),
    )
    .map(([fixed, optionals]) => ({ ...fixed, ...optionals })),
  fc.record({
    type: fc.constant('opened'),
    session: handle,
    room: u32,
    serial: u32,
    cseq: u32,
    verdict: fc.constantFrom('new', 'resumed', 'reset'),
  }),
  fc.record({
    type: fc.constant('refused'),
    session: handle,
    reason: fc.constantFrom('not-owner', 'wait'),
    text: words(60),
  }),
  fc.record({ type: fc.constant('client-frame'), session: handle, cseq: u32, resent: fc.boolean(), payload: bytes }),
  fc.record({ type: fc.constant('direct'), session: handle, ephemeral: fc.boolean(), frame: bytes }),
  fc.record({ type: fc.constant('acks'), entries: fc.array(fc.record({ session: handle, cseq: u32 })) }),
  fc.record({
    type: fc.constant('close-session'),
    session: handle,
    how: fc.constantFrom('left', 'broken', 'detached'),
  }),
  fc.record({
    type: fc.constant('close-client'),
    session: handle,
    code: fc.integer({ min: 1_000, max: 4_999 }),
    reason: fc.string({ unit: 'grapheme-ascii', maxLength: 123 }),
  }),
  fc.record({
    type: fc.constant('bind'),
    handle: u32,
    room: fc.stringMatching(ID_PATTERN),
    incarnation: name,
    epoch: safe,
    nonce: label,
    head: safe,
  }),
  fc.record({
    type: fc.constant('cast'),
    room: u32,
    class: fc.constant('message'),
    seq: fc.nat({ max: 2 ** 48 - 1 }),
    excluded: u32,
    frame: bytes,
  }),
  fc.record({
    type: fc.constant('cast'),
    room: u32,
    class: fc.constantFrom('event', 'ephemeral'),
    seq: fc.constant(0),
    excluded: u32,
    frame: bytes,
  }),
  fc.record({ type: fc.constant('moved'), room: u32, epoch: safe, to: fc.record({ node: name, incarnation: name }) }),
  fc.record({
    type: fc.constant('gone'),
    room: u32,
    code: fc.integer({ min: 1_000, max: 4_999 }),
    reason: fc.string({ unit: 'grapheme-ascii', maxLength: 123 }),
  }),
  fc.record({
    type: fc.constant('state'),
    id: u32,
    phase: fc.constantFrom('early', 'final'),
    last: fc.boolean(),
    chunk: bytes,
  }),
  fc.record({ type: fc.constant('ready'), id: u32, ok: fc.boolean(), nonce: label, text: words(60) }),
  fc
    .tuple(
      fc.record({
        type: fc.constant('done'),
        id: u32,
        outcome: fc.constantFrom('named', 'cancelled'),
        epoch: safe,
      }),
      fc.record({ pausedMs: safe }, optional),
    )
    .map(([fixed, optionals]) => ({ ...fixed, ...optionals })),
) as fc.Arbitrary<LinkMessage>;

describe('valid messages', () => {
  test('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(ANY_MESSAGE, { minLength: 1, maxLength: 8 }), fc.nat(), (messages, seed) => {
        const stream = Buffer.concat(messages.map(encode));
        const { messages: decoded, fault } = decodeAll(chunksOf(stream, new SeededRandom(seed)));
        expect(fault).toBeUndefined();
        expect(decoded).toHaveLength(messages.length);
        // A call of several parts takes its place where its last part is: here nothing comes between.
        expect(decoded).toEqual(messages);
      }),
      { numRuns: 300 },
    );
  }, 30_000);
});
