/** Cases of permessage-deflate, without context takeover. Owns: that table.
 *  @see RFC 7692 §6, §7.2 */
import { constants, deflateRawSync, type ZlibOptions } from 'node:zlib';
import type { Case, Category } from './cases.ts';
import { type FrameOptions, frame, OPCODES, SAID_AT, say, saying, sayingOf } from './frame.ts';
import { PAYLOAD_BYTES_MAX } from './framing.ts';

const { continuation, text, binary, close, ping, pong } = OPCODES;
const RSV1 = 4;
const PROTOCOL_ERROR = { closed: 1002 } as const;
const WRONG_DATA = { closed: 1007 } as const;
const TOO_BIG = { closed: 1009 } as const;

function deflated(payload: Buffer | string, options: ZlibOptions = {}): Buffer {
  return deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH, ...options }).subarray(0, -4);
}

const packed = (payload: Buffer, options: FrameOptions = {}): Buffer =>
  frame(text, payload, { reserved: RSV1, ...options });

/** Deflated and then cut, RSV1 on the first fragment alone. */
function inFragments(payload: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts, payload.length];
  return edges.slice(1).map((end, i) => {
    const part = payload.subarray(edges[i], end);
    const fin = i === edges.length - 2;
    return i === 0 ? packed(part, { fin }) : frame(continuation, part, { fin });
  });
}

const everyByte = (payload: Buffer): number[] => Array.from({ length: payload.length - 1 }, (_, i) => i + 1);

/** How a deflater may put the same text. */
const FORMS: Readonly<Record<string, Buffer>> = {
  'deflated by default': deflated(saying('by default')),
  stored: deflated(saying('stored'), { level: 0 }),
  'with the fixed code': deflated(saying('fixed'), { strategy: constants.Z_FIXED }),
  'by Huffman codes alone': deflated(saying('huffman '.repeat(40)), { strategy: constants.Z_HUFFMAN_ONLY }),
  'within a window of 512 bytes': deflated(saying('window '.repeat(400)), { windowBits: 9 }),
  // RFC 7692 §7.2.3.4: a block with BFINAL, and a byte behind it.
  'in a block that says it is the last': Buffer.concat([deflateRawSync(saying('last')), Buffer.from([0])]),
  'in two blocks': Buffer.concat([
    deflateRawSync(saying('ab').subarray(0, SAID_AT + 1), { finishFlush: constants.Z_SYNC_FLUSH }),
    deflated(saying('ab').subarray(SAID_AT + 1)),
  ]),
  'behind thirty empty blocks': Buffer.concat([
    ...Array.from({ length: 30 }, () => Buffer.from([0, 0, 0, 0xff, 0xff])),
    deflated(saying('at last')),
  ]),
};
const SAID: Readonly<Record<string, string>> = {
  'deflated by default': 'by default',
  stored: 'stored',
  'with the fixed code': 'fixed',
  'by Huffman codes alone': 'huffman '.repeat(40),
  'within a window of 512 bytes': 'window '.repeat(400),
  'in a block that says it is the last': 'last',
  'in two blocks': 'ab',
  'behind thirty empty blocks': 'at last',
};

const forms = Object.entries(FORMS).flatMap(([name, payload]): Case[] => [
  { name: `a message ${name}`, send: [packed(payload)], expect: { said: [SAID[name] ?? ''] } },
  {
    name: `a message ${name}, in two fragments`,
    send: inFragments(payload, [7]),
    expect: { said: [SAID[name] ?? ''] },
  },
]);

const hello = deflated(saying('hello'));
const smiling = deflated(saying('κόσμε 😀'));
const largest = deflated(sayingOf(PAYLOAD_BYTES_MAX));
/** 10 MiB. */
const bomb = deflated(Buffer.alloc(10_485_760, 'x'));

const right: readonly Case[] = [
  { name: 'a message that is not deflated', send: [say('plain')], expect: { said: ['plain'] } },
  {
    name: 'deflated ones among others',
    send: [say('one'), packed(deflated(saying('two'))), say('three'), packed(deflated(saying('four')))],
    expect: { said: ['one', 'two', 'three', 'four'] },
  },
  {
    name: 'forty messages at once',
    send: [Buffer.concat(Array.from({ length: 40 }, (_, i) => packed(deflated(saying(`no ${i}`)))))],
    expect: { said: Array.from({ length: 40 }, (_, i) => `no ${i}`) },
  },
  { name: 'a message whose echo is deflated', send: [say('x'.repeat(2_000))], expect: { said: ['x'.repeat(2_000)] } },
  { name: 'a fragment a byte', send: inFragments(hello, everyByte(hello)), expect: { said: ['hello'] } },
  { name: 'characters of many bytes', send: [packed(smiling)], expect: { said: ['κόσμε 😀'] } },
  {
    name: 'characters of many bytes, a fragment a byte',
    send: inFragments(smiling, everyByte(smiling)),
    expect: { said: ['κόσμε 😀'] },
  },
  { name: 'an empty first fragment', send: inFragments(hello, [0]), expect: { said: ['hello'] } },
  { name: 'an empty last fragment', send: inFragments(hello, [hello.length]), expect: { said: ['hello'] } },
  {
    name: 'pings between fragments',
    send: inFragments(hello, [5, 10]).flatMap((part, i) => [part, frame(ping, `${i}`)]),
    expect: { said: ['hello'], pongs: ['0', '1', '2'] },
  },
  { name: 'an empty message', send: [packed(deflated(''))], expect: { refused: 1 } },
  { name: 'an empty payload', send: [packed(Buffer.alloc(0))], expect: { refused: 1 } },
  {
    name: 'the largest message',
    send: [packed(largest)],
    expect: { said: ['x'.repeat(PAYLOAD_BYTES_MAX - 28)] },
  },
];

const wrong: readonly Case[] = [
  { name: 'a byte more than the largest', send: [packed(deflated(sayingOf(PAYLOAD_BYTES_MAX + 1)))], expect: TOO_BIG },
  { name: '10 MiB in 10 KiB', send: [packed(bomb)], expect: TOO_BIG },
  { name: '10 MiB in three fragments', send: inFragments(bomb, [3_000, 6_000]), expect: TOO_BIG },
  { name: 'a block of a kind that does not exist', send: [packed(Buffer.from([0x06, 0, 0]))], expect: WRONG_DATA },
  { name: 'a stored block of two lengths', send: [packed(Buffer.from([0, 1, 0, 0, 0]))], expect: WRONG_DATA },
  { name: 'noise', send: [packed(Buffer.from('ffa5c3e10f', 'hex'))], expect: WRONG_DATA },
  {
    // Of what was said before, nothing is kept.
    name: 'what refers to bytes before the message',
    send: [packed(deflated(saying('hello'), { dictionary: saying('hello') }))],
    expect: WRONG_DATA,
  },
  { name: 'text that is not UTF-8', send: [packed(deflated(saying(Buffer.from([0xff]))))], expect: WRONG_DATA },
  {
    name: 'binary data',
    send: [frame(binary, hello, { reserved: RSV1 })],
    expect: { refused: 1, closed: 1003 },
    bare: { expect: { refused: 1 }, why: 'bellhop.v1 is text alone' },
  },
  ...Object.entries({ ping, pong, close }).map(([name, opcode]) => ({
    name: `${name} with RSV1`,
    send: [frame(opcode, opcode === close ? Buffer.from([0x03, 0xe8]) : 'x', { reserved: RSV1 })],
    expect: PROTOCOL_ERROR,
  })),
  {
    name: 'a continuation with RSV1',
    send: [packed(hello.subarray(0, 5), { fin: false }), frame(continuation, hello.subarray(5), { reserved: RSV1 })],
    expect: PROTOCOL_ERROR,
  },
  {
    name: 'a plain one continued with RSV1',
    send: [frame(text, 'x', { fin: false }), frame(continuation, hello, { reserved: RSV1 })],
    expect: PROTOCOL_ERROR,
  },
  { name: 'an unknown opcode with RSV1', send: [frame(3, hello, { reserved: RSV1 })], expect: PROTOCOL_ERROR },
  { name: 'RSV2 beside RSV1', send: [packed(hello, { reserved: 6 })], expect: PROTOCOL_ERROR },
  { name: 'RSV3 beside RSV1', send: [packed(hello, { reserved: 5 })], expect: PROTOCOL_ERROR },
  { name: 'one that is not masked', send: [packed(hello, { isMasked: false })], expect: PROTOCOL_ERROR },
  {
    name: 'one within another',
    send: [packed(hello.subarray(0, 5), { fin: false }), packed(hello)],
    expect: PROTOCOL_ERROR,
  },
  {
    name: 'a length that is too large',
    send: [packed(hello, { claimedLength: 70_000n })],
    expect: TOO_BIG,
    isCut: true,
  },
];

export const DEFLATE: Category = {
  name: 'permessage-deflate',
  offer: 'permessage-deflate; client_max_window_bits',
  cases: [...forms, ...right, ...wrong],
};
