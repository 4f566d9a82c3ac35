import { describe, expect, test } from 'vitest';
import { encode, FrameDecoder, LinkEncodeError, LinkProtocolError, prepare, splitMessage, splitOpen } from './codec.ts';
import { CALLS_OPEN_MAX } from './decode.ts';
import { ACKS_ENTRIES_MAX, CALL_BYTES_MAX } from './encode.ts';
import { ASSEMBLIES_MAX } from './fragments.ts';
import { FRAME_HEADER_BYTES, FRAME_TYPES, type FrameName, writeHeader } from './frame-header.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { readGolden, sameBytes } from './golden-vectors.ts';
import {
  FRAGMENT_CONTENT,
  FRAME_CONTENT_MAX,
  FRAME_PAYLOAD_MAX,
  type LinkMessage,
  MESSAGE_CONTENT_MAX,
  type Open,
  type OpenSession,
} from './messages.ts';
import type { EncodeFault, ProtocolFault } from './protocol-error.ts';

expect.addEqualityTesters([sameBytes]);

const GOLDEN = readGolden();

function frame(type: FrameName, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  payload.copy(bytes, writeHeader(bytes, 0, type, id, payload.length));
  return bytes;
}

function json(type: FrameName, id: number, value: unknown): Buffer {
  return frame(type, id, Buffer.from(JSON.stringify(value)));
}

function faultOf(bytes: Buffer): ProtocolFault | undefined {
  try {
    new FrameDecoder().push(bytes);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(LinkProtocolError);
    return error instanceof LinkProtocolError ? error.code : undefined;
  }
}

function encodeFaultOf(message: LinkMessage): EncodeFault | undefined {
  try {
    encode(message);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(LinkEncodeError);
    return error instanceof LinkEncodeError ? error.code : undefined;
  }
}

describe('golden vectors', () => {
  test.each(GOLDEN)('$name', ({ message, bytes }) => {
    expect(encode(message).toString('hex')).toBe(bytes.toString('hex'));
    expect(new FrameDecoder().push(bytes)).toEqual([message]);
    expect(prepare(message).bytes).toBe(bytes.length);
  });

  test('every type is among them, and every code is used once', () => {
    expect(new Set(GOLDEN.map(({ message }) => message.type))).toEqual(new Set(Object.keys(FRAME_TYPES)));
    const codes = Object.values(FRAME_TYPES).map((type) => type.code);
    expect(new Set(codes).size).toBe(codes.length);
  });

  test('decode the same from one stream, byte by byte', () => {
    const decoder = new FrameDecoder();
    const decoded: LinkMessage[] = [];
    // The two largest would make this test slow and add nothing.
    const small = GOLDEN.filter(({ bytes }) => bytes.length < 4_096);
    const stream = Buffer.concat(small.map(({ bytes }) => bytes));
    for (let at = 0; at < stream.length; at++) decoded.push(...decoder.push(stream.subarray(at, at + 1)));
    expect(decoded).toEqual(small.map(({ message }) => message));
  });
});

describe('copies', () => {
  test('a frame that lies within one chunk is a view of it', () => {
    const chunk = encode({ type: 'direct', session: 1, ephemeral: false, frame: Buffer.from('abc') });
    const [message] = new FrameDecoder().push(chunk);
    expect(message?.type === 'direct' && message.frame.buffer === chunk.buffer).toBe(true);
  });

  test('a frame cut over two chunks does not change with the first chunk', () => {
    const bytes = encode({ type: 'direct', session: 1, ephemeral: false, frame: Buffer.from('abcdef') });
    const decoder = new FrameDecoder();
    const first = Buffer.from(bytes.subarray(0, 12));
    expect(decoder.push(first)).toEqual([]);
    first.fill(0);
    expect(decoder.push(bytes.subarray(12))).toEqual([
      { type: 'direct', session: 1, ephemeral: false, frame: Buffer.from('abcdef') },
    ]);
  });
});

describe('what is refused', () => {
  const u32 = (...values: number[]) => {
    const bytes = Buffer.alloc(values.length * 4);
    values.forEach((value, at) => {
      bytes.writeUInt32BE(value, at * 4);
    });
    return bytes;
  };
  const session = { handle: 1, session: 's', user: 'u', seat: 1, kind: 'join', since: 1 };
  const open = { room: 'r', floor: 0, sessions: [session] };
  const bind = { room: 'r', incarnation: 'a', epoch: 1, nonce: 'b', head: 0 };

  test.each<[ProtocolFault, string, Buffer]>([
    ['unknown-type', 'a type that is not there', Buffer.from('0000000900000000', 'hex')],
    ['too-long', 'an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['too-long', 'a length beyond any frame', Buffer.from('ffffff2100000000', 'hex')],
    ['bad-length', 'a ping with a payload', frame('ping', 1, Buffer.alloc(1))],
    ['bad-length', 'an opened with trailing bytes', frame('opened', 1, Buffer.alloc(14))],
    ['bad-length', 'a client frame cut short', frame('client-frame', 1, Buffer.alloc(4))],
    ['bad-length', 'a direct of more than its content', frame('direct', 1, Buffer.alloc(FRAME_CONTENT_MAX + 2))],
    ['bad-length', 'acks cut within an entry', frame('acks', 0, Buffer.alloc(12))],
    ['bad-id', 'session 0', frame('direct', 0, Buffer.alloc(2))],
    ['bad-id', 'acks with an id', frame('acks', 1, Buffer.alloc(0))],
    ['bad-field', 'acks for session 0', frame('acks', 0, u32(0, 1))],
    ['bad-length', 'a fragment that is not full', frame('direct', 1, Buffer.from([0x80, 1]))],
    [
      'bad-length',
      'a fragment of a client frame without content',
      frame('client-frame', 1, Buffer.from('0000000181', 'hex')),
    ],
    ['out-of-order', 'a void frame of nothing', frame('direct', 1, Buffer.from([0x40]))],
    ['bad-flags', 'a flag of a direct that is not known', frame('direct', 1, Buffer.from([0x02]))],
    ['bad-flags', 'a flag that is not known', frame('state', 1, Buffer.from([4]))],
    ['bad-field', 'a class that is not there', frame('cast', 1, Buffer.alloc(11, 3))],
    ['bad-field', 'an event with a seq', frame('cast', 1, Buffer.from('0100000000000100000000', 'hex'))],
    ['bad-field', 'a verdict that is not there', frame('opened', 1, Buffer.alloc(13, 3))],
    ['bad-field', 'close code 0', frame('close-client', 1, Buffer.alloc(2))],
    ['bad-utf8', 'a close reason', frame('close-client', 1, Buffer.from('03e8ff', 'hex'))],
    ['bad-utf8', 'JSON', frame('bind', 1, Buffer.from('22ff22', 'hex'))],
    ['bad-json', 'JSON cut short', frame('bind', 1, Buffer.from('{"room":'))],
    ['bad-json', 'JSON with trailing bytes', frame('bind', 1, Buffer.from('{} x'))],
    ['bad-json', 'JSON behind a byte order mark', frame('bind', 1, Buffer.from('efbbbf7b7d', 'hex'))],
    ['bad-shape', 'a list for an object', json('bind', 1, [])],
    ['bad-shape', 'null for an object', json('moved', 1, null)],
    ['bad-shape', 'a number for a room', json('open', 0, { ...open, room: 1 })],
    ['bad-shape', 'a room that is too long', json('open', 0, { ...open, room: 'r'.repeat(129) })],
    ['bad-shape', 'a room that no record is kept under', json('open', 0, { ...open, room: 'a{b}' })],
    ['bad-shape', 'a bind of such a room', json('bind', 7, { ...bind, room: 'a b' })],
    [
      'bad-shape',
      'a user that no record is kept under',
      json('open', 0, { ...open, sessions: [{ ...session, user: '{u}' }] }),
    ],
    [
      'bad-shape',
      'a user with half a character',
      json('open', 0, { ...open, sessions: [{ ...session, user: '\ud800' }] }),
    ],
    [
      'bad-shape',
      'a session that no presence holds',
      json('open', 0, { ...open, sessions: [{ ...session, session: '*' }] }),
    ],
    ['bad-shape', 'a floor that is no integer', json('open', 0, { ...open, floor: 0.5 })],
    ['bad-shape', 'a floor that is not safe', json('open', 0, { ...open, floor: 2 ** 53 })],
    ['bad-shape', 'session handle 0', json('open', 0, { ...open, sessions: [{ ...session, handle: 0 }] })],
    ['bad-shape', 'a session of null', json('open', 0, { ...open, sessions: [null] })],
    [
      'bad-shape',
      'fields that are only inherited',
      frame('done', 1, Buffer.from('{"__proto__":{"outcome":"named","epoch":1}}')),
    ],
    ['bad-shape', 'a word of the prototype', json('refused', 1, { reason: 'constructor' })],
    [
      'bad-shape',
      'a return with both',
      frame('return', 1, Buffer.from('\0{"ok":1,"error":{"code":"x","message":"","retryable":true}}')),
    ],
    ['bad-shape', 'a return with neither', frame('return', 1, Buffer.from('\0{}'))],
    ['bad-magic', 'a hello of another protocol', frame('hello', 0, Buffer.from('XXXX{}'))],
  ])('%s: %s', (code, _what, bytes) => {
    expect(faultOf(bytes)).toBe(code);
  });

  test('a header is refused before its payload has come', () => {
    expect(faultOf(Buffer.from('ffffff2100000000', 'hex'))).toBe('too-long');
  });

  test('a decoder that has refused goes on refusing, for the same reason', () => {
    const decoder = new FrameDecoder();
    expect(() => decoder.push(Buffer.from('0000000900000000', 'hex'))).toThrow(LinkProtocolError);
    expect(() => decoder.push(encode({ type: 'ping', seq: 1 }))).toThrow('there is no frame type 9');
  });

  test('the last words fit a frame, whatever is wrong', () => {
    const error = new LinkProtocolError('bad-field', '\u0001'.repeat(5_000));
    expect(new FrameDecoder().push(encode(error.goaway))).toEqual([error.goaway]);
  });

  test('JSON that names __proto__ reaches no prototype', () => {
    const [message] = new FrameDecoder().push(
      frame('call', 1, Buffer.from('\0{"op":"x","args":{"__proto__":{"polluted":1}},"__proto__":{"op":"y"}}')),
    );
    expect(message).toMatchObject({ type: 'call', op: 'x' });
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
    expect(message !== undefined && Object.getPrototypeOf(message)).toBe(Object.prototype);
  });
});

describe('messages in fragments', () => {
  const content = (bytes: number) => Buffer.alloc(bytes, 'x');
  const large: LinkMessage[] = [
    { type: 'client-frame', session: 7, cseq: 3, resent: true, payload: content(200_000) },
    { type: 'direct', session: 7, ephemeral: true, frame: content(FRAME_CONTENT_MAX + 1) },
    { type: 'cast', room: 7, class: 'message', seq: 2 ** 40, excluded: 9, frame: content(MESSAGE_CONTENT_MAX) },
  ];
  /** The frames of a message, apart. */
  function cut(bytes: Buffer): Buffer[] {
    const frames: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
      frames.push(bytes.subarray(at, end));
      at = end;
    }
    return frames;
  }

  test.each(large)('come out as they went in: $type', (message) => {
    expect(new FrameDecoder().push(encode(message))).toEqual([message]);
  });

  test('of several sessions and rooms, mixed with small ones, are put together', () => {
    const [a = [], b = [], c = []] = large.map((message) => cut(encode(message)));
    const small: LinkMessage = { type: 'cast', room: 8, class: 'message', seq: 1, excluded: 0, frame: content(5) };
    const mixed = c.flatMap((piece, at) => [piece, a[at] ?? Buffer.alloc(0), b[at] ?? Buffer.alloc(0), encode(small)]);
    const messages = new FrameDecoder().push(Buffer.concat(mixed));
    expect(messages.filter((message) => message.type !== 'cast' || message.room === 7)).toEqual([
      large[1],
      large[0],
      large[2],
    ]);
    expect(messages.length).toBe(3 + c.length);
  });

  test('that are made void are never told, and the next of the same session is', () => {
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = cut(encode(large[1] ?? { type: 'ping', seq: 0 }));
    const decoder = new FrameDecoder();
    const next: LinkMessage = { type: 'direct', session: 7, ephemeral: true, frame: content(3) };
    expect(decoder.push(Buffer.concat([first, second, frame('direct', 7, Buffer.from([0x41]))]))).toEqual([]);
    expect(decoder.push(encode(next))).toEqual([next]);
  });

  test('are refused where they were not agreed on', () => {
    const decoder = new FrameDecoder(new FrameSplitter(), false);
    expect(() => decoder.push(encode(large[1] ?? { type: 'ping', seq: 0 }))).toThrow('no fragments are taken here');
  });

  test('of one message with other fields are refused', () => {
    const [first = Buffer.alloc(0)] = cut(encode(large[0] ?? { type: 'ping', seq: 0 }));
    const other: LinkMessage = { type: 'client-frame', session: 7, cseq: 4, resent: true, payload: content(3) };
    expect(faultOf(Buffer.concat([first, encode(other)]))).toBe('bad-field');
  });

  test('beyond the bound of one message, and of more messages at once than are taken, are refused', () => {
    const piece = (session: number) =>
      frame('direct', session, Buffer.concat([Buffer.from([0x80]), content(FRAGMENT_CONTENT)]));
    expect(faultOf(Buffer.concat(Array.from({ length: 66 }, () => piece(1))))).toBe('message-too-long');
    const sessions = Array.from({ length: ASSEMBLIES_MAX + 1 }, (_, at) => piece(at + 1));
    expect(faultOf(Buffer.concat(sessions))).toBe('too-many-fragments');
    expect(faultOf(Buffer.concat(sessions.slice(1)))).toBeUndefined();
  });

  test('count as data, void frames and everything else do not', () => {
    const decoder = new FrameDecoder();
    const bytes = encode(large[0] ?? { type: 'ping', seq: 0 });
    const [begun = Buffer.alloc(0)] = cut(encode(large[1] ?? { type: 'ping', seq: 0 }));
    decoder.push(Buffer.concat([bytes, encode({ type: 'moved', room: 1, epoch: 1 }), begun]));
    expect(decoder.takeDataBytes()).toBe(bytes.length + begun.length);
    decoder.push(frame('direct', 7, Buffer.from([0x41])));
    expect(decoder.takeDataBytes()).toBe(0);
  });
});

describe('calls in parts', () => {
  const part = (type: 'call' | 'return', id: number, more: boolean, bytes: Buffer) =>
    frame(type, id, Buffer.concat([Buffer.from([more ? 1 : 0]), bytes]));
  const full = Buffer.alloc(FRAME_CONTENT_MAX, ' ');

  test('of several calls and returns that interleave are put together', () => {
    const one: LinkMessage = { type: 'call', id: 1, op: 'a', args: 'x'.repeat(200_000) };
    const two: LinkMessage = { type: 'return', id: 1, result: { ok: 'y'.repeat(150_000) } };
    const cut = (message: LinkMessage) => {
      const bytes = encode(message);
      const frames: Buffer[] = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
        frames.push(bytes.subarray(at, end));
        at = end;
      }
      return frames;
    };
    const [a, b] = [cut(one), cut(two)];
    const mixed = a.flatMap((piece, at) => [piece, b[at] ?? Buffer.alloc(0)]);
    expect(new FrameDecoder().push(Buffer.concat(mixed))).toEqual([two, one]);
  });

  test('the largest call there may be', () => {
    const args = 'x'.repeat(CALL_BYTES_MAX - JSON.stringify({ op: 'a', args: '' }).length);
    const message: LinkMessage = { type: 'call', id: 1, op: 'a', args };
    expect(new FrameDecoder().push(encode(message))).toEqual([message]);
    expect(encodeFaultOf({ ...message, args: `${args}x` })).toBe('too-large');
  });

  test('beyond the bound of one call are refused', () => {
    const bytes = Buffer.concat([
      ...Array(16).fill(part('call', 1, true, full)),
      part('call', 1, false, Buffer.from(' ')),
    ]);
    expect(faultOf(bytes)).toBe('call-too-long');
  });

  test('of more calls at once than are taken are refused', () => {
    const parts = Array.from({ length: CALLS_OPEN_MAX + 1 }, (_, id) => part('call', id, true, full));
    expect(faultOf(Buffer.concat(parts.slice(0, -1)))).toBeUndefined();
    expect(faultOf(Buffer.concat(parts))).toBe('too-many-calls');
  });

  test('that are not full are refused, unless it is the last', () => {
    expect(faultOf(part('call', 1, true, full.subarray(1)))).toBe('bad-length');
  });
});

describe('what cannot be encoded', () => {
  const big = Buffer.alloc(FRAME_CONTENT_MAX + 1);
  const huge = Buffer.alloc(MESSAGE_CONTENT_MAX + 1);
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  test.each<[EncodeFault, string, LinkMessage]>([
    ['too-large', 'client-frame', { type: 'client-frame', session: 1, cseq: 1, resent: false, payload: huge }],
    ['too-large', 'direct', { type: 'direct', session: 1, ephemeral: false, frame: huge }],
    ['too-large', 'cast', { type: 'cast', room: 1, class: 'event', seq: 0, excluded: 0, frame: huge }],
    ['too-large', 'state', { type: 'state', id: 1, phase: 'final', last: true, chunk: big }],
    ['too-large', 'a reason of 124 bytes', { type: 'close-client', session: 1, code: 1000, reason: 'x'.repeat(124) }],
    [
      'too-large',
      'acks beyond a frame',
      { type: 'acks', entries: Array(ACKS_ENTRIES_MAX + 1).fill({ session: 1, cseq: 1 }) },
    ],
    ['out-of-range', 'session 0', { type: 'direct', session: 0, ephemeral: false, frame: Buffer.alloc(1) }],
    ['out-of-range', 'a handle beyond u32', { type: 'moved', room: 2 ** 32, epoch: 1 }],
    [
      'out-of-range',
      'a seq beyond u48',
      { type: 'cast', room: 1, class: 'message', seq: 2 ** 48, excluded: 0, frame: Buffer.alloc(0) },
    ],
    [
      'out-of-range',
      'an event with a seq',
      { type: 'cast', room: 1, class: 'event', seq: 1, excluded: 0, frame: Buffer.alloc(0) },
    ],
    ['out-of-range', 'a negative epoch', { type: 'moved', room: 1, epoch: -1 }],
    ['out-of-range', 'a room without a name', { type: 'open', room: '', floor: 0, sessions: [] }],
    ['out-of-range', 'a short proof', { type: 'proof', mac: Buffer.alloc(31) }],
    ['bad-json', 'a cycle', { type: 'call', id: 1, op: 'x', args: cyclic }],
    ['bad-json', 'a BigInt', { type: 'call', id: 1, op: 'x', args: 1n }],
  ])('%s: %s', (code, _what, message) => {
    expect(encodeFaultOf(message)).toBe(code);
  });
});

describe('splitOpen', () => {
  const sessions = (count: number, meta: unknown): OpenSession[] =>
    Array.from({ length: count }, (_, at) => ({
      handle: at + 1,
      session: `session-${at}`,
      user: `user-${at}`,
      seat: 1,
      kind: 'rebind',
      since: 1_700_000_000_000,
      meta,
    }));
  const cursor = { seq: 12, tag: '1.ab' };

  test('cuts so that every piece fits a frame, in order, marked but the last', () => {
    const open: Open = { type: 'open', room: 'r', floor: 3, cursor, sessions: sessions(3_000, 'é'.repeat(20)) };
    const pieces = splitOpen(open);
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.flatMap((piece) => piece.sessions)).toEqual(open.sessions);
    for (const piece of pieces) {
      expect(encode(piece).length).toBeLessThanOrEqual(FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX);
      expect(piece).toMatchObject({ room: 'r', floor: 3, cursor });
    }
    expect(pieces.map((piece) => piece.more === true)).toEqual([...Array(pieces.length - 1).fill(true), false]);
    // Cut no finer than it must be: two pieces never fit one frame.
    for (const piece of pieces.slice(0, -1)) expect(encode(piece).length).toBeGreaterThan(FRAME_PAYLOAD_MAX - 400);
  });

  test('leaves alone what fits', () => {
    const open: Open = { type: 'open', room: 'r', floor: 0, sessions: sessions(3, undefined) };
    expect(splitOpen(open)).toEqual([open]);
    const none: Open = { type: 'open', room: 'r', floor: 0, sessions: [] };
    expect(splitOpen(none)).toEqual([none]);
  });

  test('refuses a session that alone does not fit', () => {
    const open: Open = { type: 'open', room: 'r', floor: 0, sessions: sessions(2, 'x'.repeat(FRAME_PAYLOAD_MAX)) };
    expect(() => splitOpen(open)).toThrow(LinkEncodeError);
  });

  test('acks are cut too', () => {
    const entries = Array.from({ length: ACKS_ENTRIES_MAX * 2 + 1 }, (_, at) => ({ session: at + 1, cseq: at }));
    const pieces = splitMessage({ type: 'acks', entries });
    expect(pieces.map((piece) => piece.type === 'acks' && piece.entries.length)).toEqual([
      ACKS_ENTRIES_MAX,
      ACKS_ENTRIES_MAX,
      1,
    ]);
    expect(new FrameDecoder().push(Buffer.concat(pieces.map(encode)))).toEqual(pieces);
  });
});

describe('depth of JSON', () => {
  const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  /** As the encoder writes a call, with other arguments. */
  const call = (text: string): Buffer => {
    const written = encode({ type: 'call', id: 1, op: 'rooms', args: 'HERE' }).subarray(FRAME_HEADER_BYTES);
    const [before = '', after = ''] = written.toString('latin1').split('"HERE"');
    return frame('call', 1, Buffer.from(`${before}${text}${after}`, 'latin1'));
  };

  test('is bounded on both sides alike', () => {
    const inside = JSON.parse(nested(127)) as unknown;
    const outside = JSON.parse(nested(128)) as unknown;
    const message = { type: 'call', id: 1, op: 'rooms', args: inside } as const;
    expect(new FrameDecoder().push(encode(message))).toEqual([message]);
    expect(call(nested(127))).toEqual(encode(message));
    expect(() => encode({ type: 'call', id: 1, op: 'rooms', args: outside })).toThrow(LinkEncodeError);
    expect(() => new FrameDecoder().push(call(nested(30_000)))).toThrow(LinkProtocolError);
    expect(() => new FrameDecoder().push(call(nested(128)))).toThrow(LinkProtocolError);
  });
});
