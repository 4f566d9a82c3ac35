import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../shared/clock.ts';
import { BellhopError } from '../../shared/errors.ts';
import { decodeClientMessage } from '../../shared/protocol-decode.ts';
import type { Grant, Identity } from '../authenticate.ts';
import type { ClientClose } from '../ports.ts';
import { Guard } from './guard.ts';

let clock: ManualClock;
let guard: Guard;
let told: { handle: number; message: Record<string, unknown> }[];
let ended: { handle: number; close: ClientClose; how: string }[];
let answer: (token: string, room: string) => Identity | Promise<Identity>;

const grant = (changes: Partial<Grant> = {}): Grant => ({
  ...{ issuedAtMs: clock.now().wallMs, expiresAtMs: undefined, mayPublish: true },
  ...changes,
});
const inMs = (ms: number) => clock.now().wallMs + ms;
const says = (message: unknown, handle = 1) => guard.passes(handle, Buffer.from(JSON.stringify(message)));
/** Lets answers that are there already be heard. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 250) {
    clock.advance(Math.min(250, left));
    guard.tick(clock.now());
  }
}

beforeEach(() => {
  clock = new ManualClock();
  told = [];
  ended = [];
  answer = () => ({ ok: true, user: 'ann', grant: grant({ expiresAtMs: inMs(60_000) }) });
  guard = new Guard({
    now: () => clock.now(),
    identify: (token, room) => answer(token, room),
    tell: (handle, frame) => {
      // One frame without a mask: its length is in one byte, or in the two behind it.
      const payload = frame.subarray(frame[1] === 126 ? 4 : 2).toString();
      told.push({ handle, message: JSON.parse(payload) as Record<string, unknown> });
    },
    end: (handle, close, how) => ended.push({ handle, close, how }),
  });
  guard.tick(clock.now());
});

describe('what a client says', () => {
  test('27 without the right to publish, neither publish nor signal nor meta goes on, and each is answered', () => {
    guard.add(1, 'lobby', 'ann', grant({ mayPublish: false }));
    expect(says({ type: 'publish', id: 7, data: 1 })).toBe(false);
    expect(says({ type: 'signal', data: 1 })).toBe(false);
    expect(says({ type: 'meta', data: 1 })).toBe(false);
    expect(told.map(({ message: { type, code, retryable, id } }) => ({ type, code, retryable, id }))).toEqual([
      { type: 'error', code: 'not_allowed', retryable: false, id: 7 },
      { type: 'error', code: 'not_allowed', retryable: false, id: undefined },
      { type: 'error', code: 'not_allowed', retryable: false, id: undefined },
    ]);
    expect(says({ type: 'ping' })).toBe(true);
    expect(guard.passes(1, Buffer.from('{"type":"pub'))).toBe(true);
    // As the owner reads it: a key may be written with escapes, and a field that occurs twice makes a message none.
    expect(guard.passes(1, Buffer.from('{"type":"ping","type":"publish","data":1}'))).toBe(true);
    expect(guard.passes(1, Buffer.from('{"\\u0074ype":"publi\\u0073h","data":1}'))).toBe(false);
  });

  test('passes of whoever may publish, and of clients that are not guarded', () => {
    guard.add(1, 'lobby', 'ann', grant());
    for (const handle of [1, 2]) expect(says({ type: 'publish', id: 1, data: { type: 'auth' } }, handle)).toBe(true);
    expect(says({ type: 'auth', token: 't' }, 2)).toBe(true);
    expect(told).toEqual([]);
  });
});

describe('a token shown on the open socket', () => {
  test('35 is not looked at where a field occurs twice: the owner refuses the message', () => {
    guard.add(1, 'lobby', 'ann', grant());
    answer = () => {
      throw new Error('a token was looked at');
    };
    for (const text of [
      '{"type":"auth","token":"a","token":"b"}',
      '{"type":"publish","type":"auth","token":"a"}',
      '{"type":"auth","token":"a","t\\u006fken":"b"}',
    ]) {
      expect(guard.passes(1, Buffer.from(text)), text).toBe(true);
      expect(decodeClientMessage(text), text).toMatchObject({ ok: false, code: 'bad_message' });
    }
    expect(told).toEqual([]);
  });
});

describe('the end of a token', () => {
  test('28 ends the session at most 5 s later, and is announced before', () => {
    guard.add(1, 'lobby', 'ann', grant({ expiresAtMs: inMs(10_000) }));
    guard.add(2, 'lobby', 'bob', grant({ expiresAtMs: inMs(600_000) }));
    guard.add(3, 'lobby', 'cy', grant());
    pass(9_900);
    expect(told).toEqual([{ handle: 1, message: { type: 'expiring', inMs: expect.any(Number) } }]);
    expect(ended).toEqual([]);
    pass(5_100);
    expect(ended).toMatchObject([{ handle: 1, how: 'broken', close: { code: 4401 } }]);
    expect(ended[0]?.close.error).toMatchObject({ code: 'not_authenticated', retryable: false });
    pass(600_000);
    expect(ended.map(({ handle }) => handle)).toEqual([1, 2]);
    expect(guard.size).toBe(1);
  });

  test('28 one that has ended already, within the tolerance, ends the session at once', () => {
    guard.add(1, 'lobby', 'ann', grant({ expiresAtMs: inMs(-2_000) }));
    pass(5_000);
    expect(ended.map(({ handle }) => handle)).toEqual([1]);
  });

  test('28 is put off by a newer token on the open socket', async () => {
    guard.add(1, 'lobby', 'ann', grant({ expiresAtMs: inMs(10_000) }));
    pass(8_000);
    told = [];
    const shown: string[] = [];
    answer = (token, room) => {
      shown.push(`${token} in ${room}`);
      return { ok: true, user: 'ann', grant: grant({ expiresAtMs: inMs(30_000), mayPublish: false }) };
    };
    expect(says({ type: 'auth', token: 'newer' })).toBe(false);
    await turn();
    expect(shown).toEqual(['newer in lobby']);
    expect(told).toEqual([{ handle: 1, message: { type: 'authenticated', expiresInMs: 30_000 } }]);
    pass(29_000);
    expect(ended).toEqual([]);
    expect(says({ type: 'publish', data: 1 })).toBe(false);
    pass(6_000);
    expect(ended.map(({ handle }) => handle)).toEqual([1]);
  });

  test('28 is not put off by a token that is refused, or another user’s', async () => {
    guard.add(1, 'lobby', 'ann', grant({ expiresAtMs: inMs(10_000) }));
    const refusals: Identity[] = [
      { ok: false, code: 'not_authenticated', message: 'no' },
      { ok: true, user: 'bob', grant: grant() },
    ];
    for (const refusal of refusals) {
      answer = () => refusal;
      says({ type: 'auth', token: 'other' });
      await turn();
      pass(1_000);
    }
    answer = () => Promise.reject(new BellhopError('timeout'));
    says({ type: 'auth', token: 'other' });
    await turn();
    pass(1_000);
    says({ type: 'auth', token: 7 });
    const codes = told.map(({ message }) => message['code']);
    expect(codes).toEqual(['not_authenticated', 'not_allowed', 'internal', 'bad_message']);
    pass(12_000);
    expect(ended.map(({ handle }) => handle)).toEqual([1]);
  });

  test('tokens are looked at one at a time, and once a second', async () => {
    guard.add(1, 'lobby', 'ann', grant());
    let asked = 0;
    let go: (identity: Identity) => void = () => undefined;
    answer = () => {
      asked += 1;
      return new Promise((resolve) => {
        go = resolve;
      });
    };
    for (let i = 0; i < 5; i++) says({ type: 'auth', token: 't' });
    pass(60_000);
    says({ type: 'auth', token: 't' });
    expect(asked).toBe(1);
    go({ ok: true, user: 'ann', grant: grant() });
    await turn();
    says({ type: 'auth', token: 't' });
    expect(asked).toBe(1);
    pass(1_000);
    says({ type: 'auth', token: 't' });
    expect(asked).toBe(2);
    expect(told.filter(({ message }) => message['code'] === 'rate_limited')).toHaveLength(6);
    guard.remove(1);
    go({ ok: true, user: 'ann', grant: grant({ expiresAtMs: inMs(1) }) });
    await turn();
    pass(10_000);
    expect(ended).toEqual([]);
  });
});

test('28 a revocation ends every client of the user that was let in by what is older', () => {
  guard.add(1, 'lobby', 'ann', grant());
  guard.add(2, 'hall', 'ann', grant({ issuedAtMs: 0 }));
  guard.add(3, 'lobby', 'bob', grant());
  const at = clock.now().wallMs;
  guard.add(4, 'hall', 'ann', grant({ issuedAtMs: at + 1 }));
  guard.revoke(
    new Map([
      ['ann', at],
      ['nobody', at],
    ]),
  );
  expect(ended.map(({ handle, how, close: { code } }) => ({ handle, how, code }))).toEqual([
    { handle: 1, how: 'left', code: 4401 },
    { handle: 2, how: 'left', code: 4401 },
  ]);
  expect(guard.size).toBe(2);
});
