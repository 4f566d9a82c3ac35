import { describe, expect, it } from 'vitest';
import { checkUpgrade, isOriginAllowed, type UpgradeHead } from './upgrade.ts';

type Changes = Readonly<Record<string, string | readonly string[] | undefined>>;

const GOOD: Changes = {
  Host: 'edge.example',
  Upgrade: 'websocket',
  Connection: 'keep-alive, Upgrade',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version': '13',
};

/** A request like a good one but for these headers: undefined leaves one out, a list repeats it. */
function head(changes: Changes = {}, url = '/rooms/lobby', other: Partial<UpgradeHead> = {}): UpgradeHead {
  const rawHeaders = Object.entries({ ...GOOD, ...changes }).flatMap(([name, value]) =>
    (value === undefined ? [] : typeof value === 'string' ? [value] : value).flatMap((one) => [name, one]),
  );
  return { method: 'GET', httpVersion: '1.1', url, rawHeaders, ...other };
}

const check = (given: UpgradeHead, origins?: readonly string[]) => checkUpgrade(given, origins);
const codeOf = (given: UpgradeHead, origins?: readonly string[]) => {
  const verdict = check(given, origins);
  return verdict.ok ? 'ok' : verdict.code;
};

describe('an upgrade', () => {
  it('in order is let through', () => {
    expect(check(head())).toEqual({
      ok: true,
      request: { room: 'lobby', user: undefined, bearer: undefined, resume: undefined, history: 0 },
    });
    expect(codeOf(head({ Upgrade: 'WebSocket', Connection: 'upgrade' }))).toBe('ok');
    expect(codeOf(head({ 'Content-Length': '0' }))).toBe('ok');
  });

  it('23 hands on its ticket, which occurs once, and the origin that a ticket may be bound to', () => {
    const origin = 'https://edge.example';
    expect(check(head({ Origin: origin }, '/rooms/lobby?ticket=abc'))).toMatchObject({
      ok: true,
      request: { ticket: 'abc', origin },
    });
    expect(codeOf(head({}, '/rooms/lobby?ticket=abc&%74icket=def'))).toBe('bad_request');
  });

  it.each<[string, Changes]>([
    ['without Host', { Host: undefined }],
    ['with two Hosts', { Host: ['a', 'b'] }],
    ['without Upgrade', { Upgrade: undefined }],
    ['to another protocol', { Upgrade: 'h2c' }],
    ['to several protocols', { Upgrade: 'h2c, websocket' }],
    ['without upgrade in Connection', { Connection: 'keep-alive' }],
    ['without a key', { 'Sec-WebSocket-Key': undefined }],
    ['with two keys', { 'Sec-WebSocket-Key': ['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ=='] }],
    ['with a short key', { 'Sec-WebSocket-Key': 'c2hvcnQ=' }],
    ['with a key that is not base64', { 'Sec-WebSocket-Key': '!!!lIHNhbXBsZSBub25jZQ==' }],
    ['with a body', { 'Content-Length': '5' }],
    ['with two lengths', { 'Content-Length': ['0', '5'] }],
    ['in chunks', { 'Transfer-Encoding': 'chunked' }],
    ['with two origins', { Origin: ['http://edge.example', 'http://edge.example'] }],
  ])('%s is malformed', (_name, changes) => {
    expect(codeOf(head(changes))).toBe('bad_request');
  });

  it('by another method or an old HTTP is refused', () => {
    expect(check(head({}, '/rooms/a', { method: 'POST' }))).toMatchObject({
      code: 'method_not_allowed',
      headers: { Allow: 'GET' },
    });
    expect(codeOf(head({}, '/rooms/a', { httpVersion: '1.0' }))).toBe('bad_request');
  });

  it('of another version is told which one is spoken', () => {
    for (const version of ['8', '14', '013', undefined, ['13', '13']]) {
      expect(check(head({ 'Sec-WebSocket-Version': version }))).toMatchObject({
        code: 'upgrade_required',
        headers: { 'Sec-WebSocket-Version': '13' },
      });
    }
  });

  it.each([
    ['/', 'not_found'],
    ['/rooms', 'not_found'],
    ['/rooms/', 'not_found'],
    ['/rooms/a/', 'not_found'],
    ['/rooms/a/b', 'not_found'],
    ['//rooms/a', 'bad_request'],
    ['/x/../rooms/a', 'not_found'],
    ['/Rooms/a', 'not_found'],
    ['/rooms/a%2Fb', 'bad_room'],
    ['/rooms/%', 'bad_room'],
    ['/rooms/%2541', 'bad_room'],
    ['/rooms/..', 'bad_room'],
    [`/rooms/${'a'.repeat(129)}`, 'bad_room'],
    ['http://edge.example/rooms/a', 'bad_request'],
    ['*', 'bad_request'],
    ['/rooms/a#x', 'bad_request'],
    ['/rooms/a?after=1', 'bad_request'],
    ['/rooms/a?after=-1&tag=5.0123456789abcdef', 'bad_request'],
    ['/rooms/a?after=01&tag=5.0123456789abcdef', 'bad_request'],
    ['/rooms/a?after=9999999999999999&tag=5.0123456789abcdef', 'bad_request'],
    ['/rooms/a?after=1&tag=5.xyz', 'bad_request'],
    ['/rooms/a?sent=-1', 'bad_request'],
    ['/rooms/a?session=0123456789012345678901', 'bad_request'],
    ['/rooms/a?resume=x', 'bad_request'],
    ['/rooms/a?session=short&resume=x', 'bad_request'],
    ['/rooms/a?user=x&user=y', 'bad_request'],
    ['/rooms/a?history=x', 'bad_request'],
    ['/rooms/%61?user=x&unknown=1&unknown=2', 'ok'],
  ])('of %s is %s', (url, expected) => {
    expect(codeOf(head({}, url))).toBe(expected);
  });

  it('says what it wants', () => {
    const tag = '5.0123456789abcdef';
    const session = 'abcdefghijklmnopqrstuv';
    const url = `/rooms/a%3A1?user=ann&session=${session}&resume=secret&sent=4&after=7&tag=${tag}&history=500`;
    expect(check(head({}, url))).toEqual({
      ok: true,
      request: {
        room: 'a:1',
        user: 'ann',
        bearer: undefined,
        resume: { session, token: 'secret', cursor: { seq: 7, tag }, sent: 4 },
        history: 100,
      },
    });
  });

  it('shows its token in a header, or else in a subprotocol', () => {
    const offered = { 'Sec-WebSocket-Protocol': 'bellhop.v1, bearer.from.the.list' };
    expect(check(head(offered))).toMatchObject({ request: { bearer: 'from.the.list' } });
    expect(check(head({ ...offered, Authorization: 'bearer a.b.c' }))).toMatchObject({ request: { bearer: 'a.b.c' } });
    expect(check(head({ Authorization: 'Basic abc' }))).toMatchObject({ request: { bearer: undefined } });
  });
});

describe('an origin', () => {
  it.each<[string, string, readonly string[] | undefined, boolean]>([
    ['https://edge.example', 'edge.example', undefined, true],
    ['http://edge.example:8080', 'EDGE.example:8080', undefined, true],
    ['https://edge.example', 'edge.example:443', undefined, true],
    ['https://edge.example', 'edge.example:8443', undefined, false],
    ['https://evil.example', 'edge.example', undefined, false],
    ['https://edge.example.evil.example', 'edge.example', undefined, false],
    ['file://edge.example', 'edge.example', undefined, false],
    ['null', 'edge.example', undefined, false],
    ['null', 'edge.example', ['null'], false],
    ['garbage', 'edge.example', undefined, false],
    ['https://app.example', 'edge.example', ['https://app.example'], true],
    ['https://edge.example', 'edge.example', ['https://app.example'], false],
  ])('%s at %s with %j: %s', (origin, host, origins, allowed) => {
    expect(isOriginAllowed(origin, host, origins)).toBe(allowed);
    expect(codeOf(head({ Origin: origin, Host: host }), origins)).toBe(allowed ? 'ok' : 'not_allowed');
  });

  it('2 of the router’s own host is one over TLS where TLS ends here', () => {
    expect(isOriginAllowed('https://edge.example', 'edge.example', undefined, true)).toBe(true);
    expect(isOriginAllowed('http://edge.example', 'edge.example', undefined, true)).toBe(false);
    expect(isOriginAllowed('http://app.example', 'edge.example', ['http://app.example'], true)).toBe(true);
  });
});
