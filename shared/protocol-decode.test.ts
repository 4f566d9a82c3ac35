import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { DEPTH_MAX, decodeClientMessage } from './protocol-decode.ts';

function nested(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels);
}

function publish(data: string): string {
  return `{"type":"publish","id":7,"data":${data}}`;
}

describe('what is taken', () => {
  it('reads each type', () => {
    expect(decodeClientMessage('{"type":"publish","id":1,"data":{"a":[1,"x"]}}')).toEqual({
      ok: true,
      message: { type: 'publish', id: 1, data: { a: [1, 'x'] }, dataText: '{"a":[1,"x"]}' },
    });
    expect(decodeClientMessage('{"type":"publish","data":null}')).toEqual({
      ok: true,
      message: { type: 'publish', data: null, dataText: 'null' },
    });
    expect(decodeClientMessage('{"type":"signal","data":0}')).toEqual({
      ok: true,
      message: { type: 'signal', data: 0, dataText: '0' },
    });
    expect(decodeClientMessage('{"type":"meta","data":"here"}')).toEqual({
      ok: true,
      message: { type: 'meta', data: 'here', dataText: '"here"' },
    });
    expect(decodeClientMessage(' {"type" : "ping", "new":[true]} ')).toEqual({ ok: true, message: { type: 'ping' } });
  });

  it.each([
    ['an integer beyond 2^53', '12345678901234567890'],
    ['a trailing zero', '[1.0,1e2,-0]'],
    ['repeated keys', '{"a":1,"a":2}'],
    ['escapes', '"\\u0041\\ud83d\\ude00\\/\\"}"'],
    ['blanks within', '{ "a" :\t[ 1 ,\n2 ] }'],
    ['fields called data', '{"data":{"data":",}]"}}'],
    ['__proto__', '{"__proto__":{"polluted":true}}'],
  ])('hands on the text of data unchanged: %s', (_, data) => {
    for (const text of [
      `{"type":"publish","id":7,"data":${data}}`,
      `{"data": ${data} ,"id":7,"type":"publish"}`,
      `{"x":{"data":0},"type":"publish","id":7,"data":\n${data}\n}`,
    ]) {
      const decoded = decodeClientMessage(text);
      expect(decoded).toMatchObject({ ok: true, message: { id: 7, dataText: data } });
    }
  });

  it('writes data anew where a key with escapes makes its place uncertain', () => {
    const decoded = decodeClientMessage('{"type":"signal","d\\u0061ta":{"b": 2.0}}');
    expect(decoded).toMatchObject({ ok: true, message: { data: { b: 2 }, dataText: '{"b":2}' } });
  });

  it('35 keeps prototypes as they are', () => {
    const decoded = decodeClientMessage(
      '{"type":"publish","__proto__":{"data":1},"id":3,"data":{"__proto__":{"polluted":1}}}',
    );
    expect(decoded.ok).toBe(true);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(decodeClientMessage('{"__proto__":{"type":"ping"}}')).toMatchObject({ ok: false, code: 'bad_message' });
    expect(decodeClientMessage('{"type":"publish","__proto__":{"data":1}}')).toMatchObject({ code: 'bad_message' });
  });

  it('gives back any JSON that a client publishes, as value and as text', () => {
    const json = fc.jsonValue({ maxDepth: 6, stringUnit: 'grapheme' });
    fc.assert(
      fc.property(json, fc.integer({ min: 1, max: 2 ** 31 }), fc.nat({ max: 2 }), (data, id, indent) => {
        const dataText = JSON.stringify(data, null, indent);
        const decoded = decodeClientMessage(`{"id":${id},"data":${dataText},"type":"publish"}`);
        // What JSON.parse makes of the text, not `data`: JSON has no -0 once it was written.
        const parsed = JSON.parse(dataText);
        expect(decoded).toEqual({ ok: true, message: { type: 'publish', id, data: parsed, dataText } });
      }),
      { numRuns: 500 },
    );
  });
});

describe('what is refused', () => {
  it.each(['', '{', 'publish', '{"type":"ping"}}', "{'type':'ping'}", '{"type":"ping",}', '\u0000', '"\\u12"', '"\\'])(
    'what is not JSON: %j',
    (text) => {
      expect(decodeClientMessage(text)).toEqual({ ok: false, code: 'bad_json', message: 'the text is not JSON' });
    },
  );

  it.each(['null', '1', '"ping"', '[]', '[{"type":"ping"}]', '{}', '{"type":null}', '{"type":["ping"]}'])(
    'what is not a message: %s',
    (text) => {
      expect(decodeClientMessage(text)).toMatchObject({ ok: false, code: 'bad_message' });
    },
  );

  it('an unknown type, with the id if there is one', () => {
    expect(decodeClientMessage('{"type":"Publish","id":4,"data":1}')).toMatchObject({ code: 'unknown_type', id: 4 });
    expect(decodeClientMessage('{"type":"toString"}')).toEqual({
      ok: false,
      code: 'unknown_type',
      message: 'no message has this type',
    });
  });

  it.each(['0', '-1', '1.5', '9007199254740992', '"1"', 'null', 'true', '[1]'])('the id %s', (id) => {
    const decoded = decodeClientMessage(`{"type":"publish","id":${id},"data":1}`);
    expect(decoded).toMatchObject({ ok: false, code: 'bad_message' });
    expect(decoded).not.toHaveProperty('id');
  });

  it.each(['publish', 'signal', 'meta'])('%s without data', (type) => {
    expect(decodeClientMessage(`{"type":"${type}","id":2}`)).toMatchObject({ code: 'bad_message', id: 2 });
  });

  it.each(['1e400', '-1e400', '[1E+309]', '{"a":1e0999}', `1${'0'.repeat(309)}`, `1${'0'.repeat(250)}e99`])(
    'the number %s, which is none as a double',
    (data) => {
      expect(decodeClientMessage(publish(data))).toMatchObject({ ok: false, code: 'bad_message', id: 7 });
    },
  );

  it.each(['1.7976931348623157e308', '1e-400', `1${'0'.repeat(299)}`, `0.${'1'.repeat(400)}`, '"1e400"'])(
    'but not %s',
    (data) => {
      expect(decodeClientMessage(publish(data))).toMatchObject({ ok: true, message: { dataText: data } });
    },
  );

  it.each([
    ['an escaped high half', '"\\ud83d"'],
    ['an escaped low half', '"\\uDE00"'],
    ['halves in the wrong order', '"\\ude00\\ud83d"'],
    ['a high half before another character', '"\\ud83dx"'],
    ['a high half twice', '"\\ud83d\\ud83d\\ude00"'],
    ['a raw high half', '"\ud83d"'],
    ['a raw low half', '"\ude00"'],
    ['halves written in two ways', '"\ud83d\\ude00"'],
    ['a half in a key', '{"\\ud83d":1}'],
  ])('%s', (_, data) => {
    expect(decodeClientMessage(publish(data))).toMatchObject({ ok: false, code: 'bad_message', id: 7 });
  });

  it('but not whole characters, nor a backslash before what looks like an escape', () => {
    for (const data of ['"😀"', '"\\ud83d\\ude00"', '"\\\\ud83d"', '"\\\\\\\\"']) {
      expect(decodeClientMessage(publish(data))).toMatchObject({ ok: true, message: { dataText: data } });
    }
  });
});

test('35 every such text is an error, and leaves prototypes as they are', () => {
  const before = Object.getOwnPropertyNames(Object.prototype);
  for (const data of ['1e400', '-1e400', '"\\ud800"', '"\\udc00x"', nested(10_000)]) {
    expect(decodeClientMessage(publish(data)), data.slice(0, 20)).toMatchObject({ ok: false, code: 'bad_message' });
  }
  decodeClientMessage('{"type":"publish","id":1,"data":{"constructor":{"prototype":{"polluted":1}}}}');
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
});

describe('a field that occurs twice', () => {
  test.each([
    '{"type":"publish","type":"ping","id":1,"data":2}',
    '{"type":"ping","type":"ping"}',
    '{"type":"publish","id":1,"data":1,"id":2}',
    '{"type":"publish","id":1,"data":1,"data":1}',
    '{"type":"publish","id":1,"data":1,"d\\u0061ta":2}',
    '{"\\u0069d":1,"\\u0069\\u0064":1,"type":"publish","data":1}',
    '{"type":"signal","data":1,"new":1,"new":1}',
    '{"type":"signal","data":1,"__proto__":1,"__proto__":{}}',
    '{"type":"signal","data":1,"":1,"":1}',
    '{"type":"ping","1":1,"1":2}',
    '{"type":"dance","type":"dance"}',
  ])('35 is an error that names no id: %s', (text) => {
    expect(decodeClientMessage(text)).toEqual({ ok: false, code: 'bad_message', message: 'a field occurs twice' });
  });

  test('35 is found exactly where JSON.parse makes fewer fields than are written, and never within data', () => {
    const written = { stringUnit: 'grapheme', maxDepth: 3 } as const;
    // Few names, each in several spellings, so that many coincide.
    const name = fc.constantFrom(
      '"a"',
      '"\\u0061"',
      '"b"',
      '"__proto__"',
      '"\\u005f_proto__"',
      '""',
      '"\\""',
      '"id,"',
      '"0"',
      '"{"',
    );
    const field = fc.tuple(
      name,
      fc.oneof(fc.json(written), fc.constant('{"a":1,"a":2}'), fc.constant('[[],{"b":[]}]')),
    );
    fc.assert(
      fc.property(fc.array(field, { maxLength: 6 }), fc.constantFrom('', ' ', '\n'), (fields, blank) => {
        const more = fields.map(([key, value]) => `${blank}${key}${blank}:${value}${blank}`);
        const text = `{${['"type":"signal"', '"data":{"x":1,"x":1}', ...more].join(',')}}`;
        const names = fields.map(([key]) => JSON.parse(key) as string);
        const decoded = decodeClientMessage(text);
        if (new Set(names).size < names.length) {
          expect(decoded).toMatchObject({ ok: false, code: 'bad_message', message: 'a field occurs twice' });
        } else {
          expect(decoded).toMatchObject({ ok: true, message: { type: 'signal' } });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('depth', () => {
  it('is counted with the message itself', () => {
    expect(decodeClientMessage(publish(nested(DEPTH_MAX - 1)))).toMatchObject({ ok: true });
    expect(decodeClientMessage(publish(nested(DEPTH_MAX)))).toMatchObject({ ok: false, code: 'bad_message' });
  });

  it('is not counted in strings', () => {
    expect(decodeClientMessage(publish(`"${'['.repeat(200)}"`))).toMatchObject({ ok: true });
  });

  it.each([10_000, 1_000_000])('35 of %d is an error, not a crash', (levels) => {
    expect(decodeClientMessage(publish(nested(levels)))).toMatchObject({ ok: false, code: 'bad_message' });
    expect(decodeClientMessage('{"a":'.repeat(levels))).toMatchObject({ ok: false, code: 'bad_message' });
    // Also behind another fault: nothing so deep is ever parsed.
    const behind = `["\\ud800",1e400,${nested(levels)}]`;
    expect(decodeClientMessage(publish(behind))).toEqual(decodeClientMessage(publish(nested(levels))));
  });
});

describe('any text', () => {
  const tokens = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\u',
    'd83d',
    '1e',
    '9',
    '-',
    '"type"',
    '"publish"',
    '"data"',
    '"id"',
    ' ',
    'é',
  ];

  it('is decoded or refused, never thrown at; what is decoded is whole and stays what it is', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.array(fc.constantFrom(...tokens), { maxLength: 30 }).map((parts) => parts.join('')),
      fc.array(fc.constantFrom(...tokens), { maxLength: 12 }).map((parts) => publish(parts.join(''))),
    );
    fc.assert(
      fc.property(text, (t) => {
        const decoded = decodeClientMessage(t);
        if (!decoded.ok || decoded.message.type === 'ping') return;
        const { data, dataText } = decoded.message;
        expect(JSON.parse(dataText)).toEqual(data);
        expect(Buffer.from(dataText).toString()).toBe(dataText);
      }),
      { numRuns: 5_000 },
    );
  });
});
