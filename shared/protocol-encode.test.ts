import { describe, expect, it } from 'vitest';
import { ERRORS } from './errors.ts';
import type { ServerMessage } from './protocol.ts';
import * as encode from './protocol-encode.ts';

const tag = '1700000000000.0123456789abcdef';
const session = 'AAAAAAAAAAAAAAAAAAAAAA';
const welcome = {
  room: 'lobby',
  user: 'ann',
  session,
  resume: 'token',
  seat: 2,
  epoch: 5,
  seq: 9,
  tag,
  resumed: true,
  members: 3,
  pingIntervalMs: 25_000,
  retryWindowMs: 3_000,
  limits: { payloadBytesMax: 65_536, messageRate: 50 },
};
const change = { user: 'ann', session, at: 1_700_000_000_000, version: 4, members: 3 };

/** Each message, and what its text must mean. */
const said: readonly (readonly [text: string, meaning: ServerMessage])[] = [
  [encode.welcome(welcome), { type: 'welcome', ...welcome }],
  [
    encode.presence({
      version: 1,
      members: [{ user: 'ann', session, since: 5, meta: { a: 1 } }],
      count: 1,
      complete: true,
    }),
    {
      type: 'presence',
      version: 1,
      members: [{ user: 'ann', session, since: 5, meta: { a: 1 } }],
      count: 1,
      complete: true,
    },
  ],
  [
    encode.message({ seq: 1, tag, from: 'ann', session, id: 3, at: 7, dataText: '{"x":[1,2]}' }),
    { type: 'message', seq: 1, tag, from: 'ann', session, id: 3, at: 7, data: { x: [1, 2] } },
  ],
  [
    encode.message({ seq: 2, tag, from: null, session: null, at: 7, data: 'by a program' }),
    { type: 'message', seq: 2, tag, from: null, session: null, at: 7, data: 'by a program' },
  ],
  [encode.ack({ id: 3, seq: 4 }), { type: 'ack', id: 3, seq: 4 }],
  [encode.signal({ from: 'ann', session, data: null }), { type: 'signal', from: 'ann', session, data: null }],
  [encode.direct({ from: null, dataText: '0' }), { type: 'direct', from: null, data: 0 }],
  [encode.join(change), { type: 'join', ...change }],
  [encode.leave(change), { type: 'leave', ...change }],
  [encode.members({ count: 250, version: 8 }), { type: 'members', count: 250, version: 8 }],
  [encode.reset({ reason: 'too_far', seq: 4, tag }), { type: 'reset', reason: 'too_far', seq: 4, tag }],
  [
    encode.error({ code: 'owner_lost', id: 3, message: 'say "it" again' }),
    { type: 'error', code: 'owner_lost', message: 'say "it" again', retryable: false, id: 3 },
  ],
  [encode.notice({ kind: 'restart', retryAfterMs: 12.3 }), { type: 'notice', kind: 'restart', retryAfterMs: 13 }],
  [encode.pong(), { type: 'pong' }],
  [encode.expiring({ inMs: 9_000 }), { type: 'expiring', inMs: 9_000 }],
  [encode.authenticated({ expiresInMs: 60_000 }), { type: 'authenticated', expiresInMs: 60_000 }],
  [encode.authenticated({ expiresInMs: null }), { type: 'authenticated', expiresInMs: null }],
];

describe('server messages', () => {
  it.each(said.map(([text, meaning]) => [meaning.type, text, meaning] as const))('%s', (_, text, meaning) => {
    expect(JSON.parse(text)).toEqual(meaning);
  });

  it('put data in as it was written', () => {
    const dataText = '{"n":12345678901234567890,"f":1.0}';
    expect(encode.message({ seq: 1, tag, from: 'ann', session, at: 7, dataText })).toContain(`"data":${dataText}}`);
    expect(encode.signal({ from: 'ann', session, dataText })).toContain(`"data":${dataText}}`);
  });

  it('escape what comes from outside', () => {
    const from = 'a"}\n\u2028';
    expect(JSON.parse(encode.message({ seq: 1, tag, from, session: null, at: 7, data: 1 }))).toMatchObject({ from });
    expect(JSON.parse(encode.signal({ from, session, data: 1 }))).toMatchObject({ from });
    expect(JSON.parse(encode.join({ ...change, user: from }))).toMatchObject({ user: from });
  });

  it('tell nothing of a member or a welcome but what the protocol has', () => {
    const member = { user: 'ann', session, since: 5, meta: undefined, secret: 'x' };
    expect(encode.presence({ version: 1, members: [member], count: 1, complete: true })).not.toContain('secret');
    expect(encode.welcome({ ...welcome, ...{ secret: 'x' } })).not.toContain('secret');
  });

  it('take an error’s sentence from the table', () => {
    expect(JSON.parse(encode.error({ code: 'rate_limited' }))).toMatchObject({
      retryable: true,
      message: ERRORS.rate_limited.doc,
    });
    expect(JSON.parse(encode.error({ code: 'rate_limited', id: undefined }))).not.toHaveProperty('id');
  });

  it('refuse a value that is not JSON', () => {
    const data = undefined as unknown as null;
    expect(() => encode.message({ seq: 1, tag, from: null, session: null, at: 7, data })).toThrow(TypeError);
  });
});
