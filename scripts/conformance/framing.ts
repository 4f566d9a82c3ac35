/** Cases of framing, pings, reserved bits, opcodes, fragmentation, close and limits. Owns: those tables; UTF-8 has its own (utf8.ts).
 *  @see RFC 6455 §5, §7 */
import type { Case, Category } from './cases.ts';
import {
  closePayload,
  type FrameOptions,
  fragments,
  frame,
  OPCODES,
  say,
  sayInFragments,
  saying,
  sayingOf,
} from './frame.ts';

/** Largest message that both systems take, bytes. */
export const PAYLOAD_BYTES_MAX = 65_536;

const { continuation, text, binary, close, ping, pong } = OPCODES;
const PROTOCOL_ERROR = { closed: 1002 } as const;

const said = (name: string, bytes: Buffer, options: FrameOptions = {}): Case => ({
  name,
  send: [frame(text, bytes, options)],
  expect: { said: [String(JSON.parse(bytes.toString()).data)] },
});

const LENGTHS = [28, 29, 30, 124, 125, 126, 127, 128, 254, 255, 256, 1_023, 65_534, 65_535, 65_536];

const framing: Category = {
  name: 'framing',
  cases: [
    ...LENGTHS.map((bytes) => said(`a message of ${bytes} bytes`, sayingOf(bytes))),
    said('a length in more bits than it needs: 16 for 40 bytes', sayingOf(40), { lengthBits: 16 }),
    said('a length in more bits than it needs: 64 for 40 bytes', sayingOf(40), { lengthBits: 64 }),
    said('a length in more bits than it needs: 64 for 300 bytes', sayingOf(300), { lengthBits: 64 }),
    said('a mask of zeros', sayingOf(40), { mask: [0, 0, 0, 0] }),
    said('a mask of ones', sayingOf(41), { mask: [255, 255, 255, 255] }),
    said('a mask with one byte set', sayingOf(43), { mask: [0, 0, 0, 1] }),
    { name: 'two messages', send: [say('one'), say('two')], expect: { said: ['one', 'two'] } },
    {
      name: 'forty messages at once',
      send: [Buffer.concat(Array.from({ length: 40 }, (_, i) => say(`no ${i}`)))],
      expect: { said: Array.from({ length: 40 }, (_, i) => `no ${i}`) },
    },
    { name: 'an empty message', send: [frame(text)], expect: { refused: 1 } },
    { name: 'text that is no JSON', send: [frame(text, 'hello')], expect: { refused: 1 } },
    { name: 'an unmasked message', send: [say('bare', { isMasked: false })], expect: PROTOCOL_ERROR },
    { name: 'an unmasked empty message', send: [frame(text, '', { isMasked: false })], expect: PROTOCOL_ERROR },
    { name: 'an unmasked ping', send: [frame(ping, 'x', { isMasked: false })], expect: PROTOCOL_ERROR },
    {
      name: 'an unmasked close',
      send: [frame(close, closePayload(1000), { isMasked: false })],
      expect: PROTOCOL_ERROR,
    },
  ],
};

const pings: Category = {
  name: 'pings',
  cases: [
    ...[0, 1, 2, 60, 124, 125].map((bytes) => ({
      name: `a ping with ${bytes} bytes`,
      send: [frame(ping, 'p'.repeat(bytes))],
      expect: { pongs: ['p'.repeat(bytes)] },
    })),
    ...[126, 127, 300, 70_000].map((bytes) => ({
      name: `a ping with ${bytes} bytes`,
      send: [frame(ping, 'p'.repeat(bytes))],
      expect: PROTOCOL_ERROR,
    })),
    { name: 'a ping with a length in 16 bits', send: [frame(ping, 'x', { lengthBits: 16 })], expect: PROTOCOL_ERROR },
    {
      name: 'a ping in fragments',
      send: [frame(ping, 'a', { fin: false }), frame(continuation, 'b')],
      expect: PROTOCOL_ERROR,
    },
    {
      name: 'a pong in fragments',
      send: [frame(pong, 'a', { fin: false }), frame(continuation, 'b')],
      expect: PROTOCOL_ERROR,
    },
    {
      name: 'ten pings',
      send: Array.from({ length: 10 }, (_, i) => frame(ping, `${i}`)),
      expect: { pongs: [...'0123456789'] },
    },
    { name: 'a pong that nobody asked for', send: [frame(pong, 'hello'), say('on')], expect: { said: ['on'] } },
    { name: 'an empty pong', send: [frame(pong), say('on')], expect: { said: ['on'] } },
    { name: 'a pong with 126 bytes', send: [frame(pong, 'p'.repeat(126))], expect: PROTOCOL_ERROR },
    {
      name: 'a ping between messages',
      send: [say('one'), frame(ping, 'p'), say('two')],
      expect: { said: ['one', 'two'], pongs: ['p'] },
    },
    {
      name: 'a ping between fragments',
      send: [
        frame(text, saying('ab').subarray(0, 27), { fin: false }),
        frame(ping, 'p'),
        frame(continuation, saying('ab').subarray(27)),
      ],
      expect: { said: ['ab'], pongs: ['p'] },
    },
  ],
};

const RESERVED = [1, 2, 3, 4, 5, 6, 7];
const NAMED = { text, binary, close, ping, pong };

const reservedBits: Category = {
  name: 'reserved bits',
  cases: [
    ...Object.entries(NAMED).flatMap(([name, opcode]) =>
      RESERVED.map((reserved) => ({
        name: `${name} with RSV ${reserved.toString(2).padStart(3, '0')}`,
        send: [
          frame(opcode, opcode === close ? closePayload(1000) : opcode === text ? saying('x') : 'x', { reserved }),
        ],
        expect: PROTOCOL_ERROR,
      })),
    ),
    ...RESERVED.map((reserved) => ({
      name: `a continuation with RSV ${reserved.toString(2).padStart(3, '0')}`,
      send: [
        frame(text, saying('x').subarray(0, 5), { fin: false }),
        frame(continuation, saying('x').subarray(5), { reserved }),
      ],
      expect: PROTOCOL_ERROR,
    })),
  ],
};

const UNKNOWN = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];

const opcodes: Category = {
  name: 'opcodes',
  cases: UNKNOWN.flatMap((opcode): Case[] => [
    { name: `opcode ${opcode}, empty`, send: [frame(opcode)], expect: PROTOCOL_ERROR },
    { name: `opcode ${opcode}, with a payload`, send: [frame(opcode, saying('x'))], expect: PROTOCOL_ERROR },
    { name: `opcode ${opcode}, not final`, send: [frame(opcode, saying('x'), { fin: false })], expect: PROTOCOL_ERROR },
    {
      name: `opcode ${opcode} between fragments`,
      send: [frame(text, saying('x').subarray(0, 4), { fin: false }), frame(opcode, 'x')],
      expect: PROTOCOL_ERROR,
    },
  ]),
};

const half = saying('half').subarray(0, 20);
const other = saying('half').subarray(20);

const fragmentation: Category = {
  name: 'fragmentation',
  cases: [
    { name: 'two fragments', send: sayInFragments('two', [10]), expect: { said: ['two'] } },
    { name: 'three fragments', send: sayInFragments('three', [10, 20]), expect: { said: ['three'] } },
    {
      name: 'a fragment a byte',
      send: sayInFragments(
        'bytes',
        Array.from({ length: 32 }, (_, i) => i + 1),
      ),
      expect: { said: ['bytes'] },
    },
    { name: 'an empty first fragment', send: sayInFragments('late', [0]), expect: { said: ['late'] } },
    { name: 'an empty fragment in the middle', send: sayInFragments('gap', [10, 10]), expect: { said: ['gap'] } },
    { name: 'an empty last fragment', send: sayInFragments('end', [saying('end').length]), expect: { said: ['end'] } },
    { name: 'nothing but empty fragments', send: fragments(text, Buffer.alloc(0), [0, 0]), expect: { refused: 1 } },
    {
      name: 'two messages in fragments',
      send: [...sayInFragments('one', [9]), ...sayInFragments('two', [9])],
      expect: { said: ['one', 'two'] },
    },
    {
      name: 'a whole one after one in fragments',
      send: [...sayInFragments('one', [9]), say('two')],
      expect: { said: ['one', 'two'] },
    },
    {
      name: 'fragments at once, a whole one behind',
      send: [Buffer.concat([...sayInFragments('one', [9]), say('two')])],
      expect: { said: ['one', 'two'] },
    },
    {
      name: 'a whole one, fragments behind, at once',
      send: [Buffer.concat([say('zero'), ...sayInFragments('one', [9])])],
      expect: { said: ['zero', 'one'] },
    },
    {
      name: 'a large one in fragments',
      send: fragments(text, sayingOf(60_000), [20_000, 40_000]),
      expect: { said: ['x'.repeat(60_000 - 28)] },
    },
    { name: 'a continuation of nothing', send: [frame(continuation, 'x')], expect: PROTOCOL_ERROR },
    {
      name: 'a continuation of nothing, not final',
      send: [frame(continuation, 'x', { fin: false })],
      expect: PROTOCOL_ERROR,
    },
    { name: 'a text within a text', send: [frame(text, half, { fin: false }), say('other')], expect: PROTOCOL_ERROR },
    {
      name: 'an unfinished text within a text',
      send: [frame(text, half, { fin: false }), frame(text, half, { fin: false })],
      expect: PROTOCOL_ERROR,
    },
    {
      name: 'a binary within a text',
      send: [frame(text, half, { fin: false }), frame(binary, 'x')],
      expect: PROTOCOL_ERROR,
    },
    {
      name: 'a pong between fragments',
      send: [frame(text, half, { fin: false }), frame(pong, 'p'), frame(continuation, other)],
      expect: { said: ['half'] },
    },
    {
      name: 'a close between fragments',
      send: [frame(text, half, { fin: false }), frame(close, closePayload(1000))],
      expect: { closed: 1000 },
    },
    {
      name: 'pings between all fragments',
      send: sayInFragments('abc', [5, 10, 15]).flatMap((part, i) => [part, frame(ping, `${i}`)]),
      expect: { said: ['abc'], pongs: ['0', '1', '2', '3'] },
    },
  ],
};

const RIGHT_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
const WRONG_CODES = [0, 1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];

const closing: Category = {
  name: 'close',
  cases: [
    { name: 'without a code', send: [frame(close)], expect: { closed: 0 } },
    ...RIGHT_CODES.map((code) => ({
      name: `code ${code}`,
      send: [frame(close, closePayload(code))],
      expect: { closed: code },
    })),
    ...WRONG_CODES.map((code) => ({
      name: `code ${code}`,
      send: [frame(close, closePayload(code))],
      expect: PROTOCOL_ERROR,
    })),
    { name: 'half a code', send: [frame(close, Buffer.from([3]))], expect: PROTOCOL_ERROR },
    { name: 'a reason', send: [frame(close, closePayload(1000, 'done'))], expect: { closed: 1000 } },
    { name: 'the longest reason', send: [frame(close, closePayload(1000, 'r'.repeat(123)))], expect: { closed: 1000 } },
    { name: 'a longer reason', send: [frame(close, closePayload(1000, 'r'.repeat(124)))], expect: PROTOCOL_ERROR },
    {
      name: 'a reason that is not UTF-8',
      send: [frame(close, closePayload(1000, Buffer.from([0xce, 0xba, 0xff])))],
      expect: { closed: 1007 },
    },
    { name: 'a close in fragments', send: [frame(close, closePayload(1000), { fin: false })], expect: PROTOCOL_ERROR },
    {
      name: 'a message behind a close',
      send: [frame(close, closePayload(1000)), say('late')],
      expect: { closed: 1000 },
    },
    {
      name: 'a ping behind a close',
      send: [frame(close, closePayload(1000)), frame(ping, 'late')],
      expect: { closed: 1000 },
    },
    {
      name: 'a second close',
      send: [frame(close, closePayload(1000)), frame(close, closePayload(1001))],
      expect: { closed: 1000 },
    },
    {
      name: 'nonsense behind a close',
      send: [frame(close, closePayload(1000)), Buffer.from([0xff, 0xff, 0xff])],
      expect: { closed: 1000 },
    },
  ],
};

const TOO_BIG = { closed: 1009 } as const;

const limits: Category = {
  name: 'limits',
  cases: [
    {
      name: 'the largest message',
      send: [frame(text, sayingOf(PAYLOAD_BYTES_MAX))],
      expect: { said: ['x'.repeat(PAYLOAD_BYTES_MAX - 28)] },
    },
    { name: 'a byte more', send: [frame(text, sayingOf(PAYLOAD_BYTES_MAX + 1))], expect: TOO_BIG },
    {
      name: 'the largest message in fragments',
      send: fragments(text, sayingOf(PAYLOAD_BYTES_MAX), [1, 30_000]),
      expect: { said: ['x'.repeat(PAYLOAD_BYTES_MAX - 28)] },
    },
    {
      name: 'a byte more in fragments',
      send: fragments(text, sayingOf(PAYLOAD_BYTES_MAX + 1), [1, 30_000]),
      expect: TOO_BIG,
    },
    {
      name: 'a byte more in the last of many fragments',
      send: fragments(
        text,
        sayingOf(PAYLOAD_BYTES_MAX + 1),
        Array.from({ length: 64 }, (_, i) => (i + 1) * 1_024),
      ),
      expect: TOO_BIG,
    },
    {
      name: 'a header that claims 1 MiB',
      send: [frame(text, 'x', { claimedLength: 1_048_576n })],
      expect: TOO_BIG,
      isCut: true,
    },
    {
      name: 'a header that claims 2^52',
      send: [frame(text, 'x', { claimedLength: 2n ** 52n })],
      expect: TOO_BIG,
      isCut: true,
    },
    {
      name: 'a header that claims 2^62',
      send: [frame(text, 'x', { claimedLength: 2n ** 62n })],
      expect: TOO_BIG,
      isCut: true,
    },
    {
      name: 'a header with the highest bit of the length set',
      send: [frame(text, 'x', { claimedLength: 2n ** 63n })],
      expect: TOO_BIG,
      isCut: true,
    },
    {
      name: 'a binary header that claims 1 MiB',
      send: [frame(binary, 'x', { claimedLength: 1_048_576n })],
      expect: TOO_BIG,
      isCut: true,
    },
    {
      name: 'a binary message',
      send: [frame(binary, saying('x'))],
      expect: { refused: 1, closed: 1003 },
      bare: {
        expect: { refused: 1 },
        why: 'bellhop.v1 is text: RFC 6455 §7.4.1 has 1003 for a kind of data that cannot be accepted',
      },
    },
    {
      name: 'a binary message in fragments',
      send: fragments(binary, saying('x'), [10]),
      expect: { refused: 1, closed: 1003 },
      bare: { expect: { refused: 1 }, why: 'as above' },
    },
    {
      name: 'an empty binary message',
      send: [frame(binary)],
      expect: { refused: 1, closed: 1003 },
      bare: { expect: { refused: 1 }, why: 'as above' },
    },
  ],
};

export const CATEGORIES: readonly Category[] = [framing, pings, reservedBits, opcodes, fragmentation, closing, limits];
