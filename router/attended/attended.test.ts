import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AttendedBench, OWNER, request, switched } from './attended-fixture.ts';
import { readRequest, requestHeaders } from './request-head.ts';

let bench: AttendedBench;
beforeEach(async () => {
  bench = await new AttendedBench().start();
});
afterEach(() => bench.stop());

const status = (heard: string) => Number(heard.split(' ')[1]);
const codeOf = (heard: string) => JSON.parse(heard.split('\r\n\r\n')[1] ?? '{}').error.code;
const bodyOf = (heard: string) => heard.slice(heard.indexOf('\r\n\r\n') + 4);

describe('a proxied upgrade', () => {
  it('18 reaches the server with our headers, and none of the client’s that could pass for them', async () => {
    const lines = [
      'X-Bellhop-User: root',
      'X-Forwarded-For: 1.2.3.4',
      'Forwarded: for=1.2.3.4',
      'Connection: X-Secret, accept-language',
      'Accept-Language: de',
      'X-Secret: 1',
      'Cookie: a=1',
      'Origin: http://edge.test',
      'Sec-WebSocket-Protocol: y, bearer.tok',
    ];
    const client = await bench.client(request(lines, '/rooms/doc%2D1?user=ann&token=t&%74icket=x'));
    await client.until(({ heard }) => heard.endsWith('\r\n\r\n'));
    const [server] = bench.atServer;
    const [line = '', ...headers] = server?.heard.trimEnd().split('\r\n') ?? [];
    expect(line).toBe('GET /app/doc-1?token=t HTTP/1.1');
    const names = headers.map((header) => header.split(': ')[0]);
    expect(names).toEqual([
      'Host',
      'Connection',
      'Upgrade',
      'Sec-WebSocket-Version',
      'Sec-WebSocket-Key',
      'Sec-WebSocket-Protocol',
      'Origin',
      'Cookie',
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Forwarded-Host',
      'X-Bellhop-User',
      'X-Bellhop-Room',
      'X-Bellhop-Session',
      'X-Bellhop-Epoch',
    ]);
    expect(headers).toContain('X-Bellhop-User: ann');
    expect(headers).toContain('X-Bellhop-Room: doc-1');
    expect(headers).toContain('X-Bellhop-Epoch: 7');
    expect(headers).toContain('X-Forwarded-For: 127.0.0.1');
    expect(headers).toContain('Sec-WebSocket-Protocol: y');
  });

  it('18 says over what it came to us', () => {
    const read = readRequest(['Host', 'edge.test'], '/rooms/doc', true);
    if (typeof read === 'string') throw new Error(read);
    const facts = { user: 'ann', room: 'doc', session: 's', epoch: 1, remoteAddress: '127.0.0.1' };
    const protoOf = (isSecure: boolean) =>
      requestHeaders(read, { ...facts, isSecure }, 'a').filter(([name]) => name === 'X-Forwarded-Proto');
    expect([protoOf(true), protoOf(false)]).toEqual([
      [['X-Forwarded-Proto', 'https']],
      [['X-Forwarded-Proto', 'http']],
    ]);
  });

  it('19 names the client that a trusted proxy saw', async () => {
    const behind = await new AttendedBench({ trustedProxies: ['127.0.0.0/8'] }).start();
    const client = await behind.client(request(['X-Forwarded-For: 6.6.6.6, 198.51.100.7, 127.0.0.9']));
    await client.until(({ heard }) => heard.endsWith('\r\n\r\n'));
    expect(behind.atServer[0]?.heard).toContain('X-Forwarded-For: 198.51.100.7\r\n');
    await behind.stop();
  });

  it.each([
    [true, []],
    [false, ['Authorization: Bearer tok']],
  ])('keeps a token to itself where it was meant for us (%s)', async (authenticates, kept) => {
    const other = await new AttendedBench({ authenticates }).start();
    const client = await other.client(request(['Authorization: Bearer tok']));
    await client.until(({ heard }) => heard.endsWith('\r\n\r\n'));
    const lines = other.atServer[0]?.heard.split('\r\n') ?? [];
    expect(lines.filter((line) => line.startsWith('Authorization'))).toEqual(kept);
    await other.stop();
  });

  it('carries bytes both ways, unread', async () => {
    const { client, server } = await bench.pair();
    const blob = Buffer.alloc(300_000, 7);
    client.write(blob);
    server.write(blob);
    await server.until(({ bytes }) => bytes >= blob.length);
    await client.until(({ bytes }) => bytes >= blob.length);
    expect(client.heard.endsWith(blob.toString('latin1'))).toBe(true);
  });

  it('keeps what the client sent with its upgrade, and before its 101', async () => {
    bench.script = () => undefined;
    const client = await bench.client(`${request()}first`);
    client.write('second');
    await expect.poll(() => bench.atServer.length).toBe(1);
    const [server] = bench.atServer;
    await server?.until(({ heard }) => heard.includes('\r\n\r\n'));
    expect(bodyOf(server?.heard ?? '')).toBe('');
    server?.write(switched());
    await server?.until(({ heard }) => heard.endsWith('firstsecond'));
    expect(bodyOf(server?.heard ?? '')).toBe('firstsecond');
  });

  it('passes on data that came in one segment with the 101', async () => {
    bench.script = (peer) => peer.write(`${switched()}hello`);
    const client = await bench.client();
    await client.until(({ heard }) => heard.endsWith('hello'));
    expect(client.heard.split('\r\n')[0]).toBe('HTTP/1.1 101 Switching Protocols');
    expect(bodyOf(client.heard)).toBe('hello');
  });

  it('passes on the subprotocol, the extensions and the cookies that the server chose, and nothing else', async () => {
    const lines = [
      'Sec-WebSocket-Protocol: y',
      'Sec-WebSocket-Extensions: permessage-deflate',
      'Set-Cookie: s=1',
      'X-A: 1',
    ];
    bench.script = (peer) => peer.write(switched(lines));
    const offer = [
      'Sec-WebSocket-Protocol: x, y',
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    ];
    const client = await bench.client(request(offer));
    await client.until(({ heard }) => heard.endsWith('\r\n\r\n'));
    for (const line of lines.slice(0, 3)) expect(client.heard).toContain(`${line}\r\n`);
    expect(client.heard).not.toContain('X-A');
  });

  it('stops reading from a server whose client does not read', async () => {
    const { client, server } = await bench.pair();
    client.socket.pause();
    const chunk = Buffer.alloc(1 << 20);
    let taken = 0;
    // A server that is never held back takes all of it in its stride.
    while (taken < 64 && server.socket.write(chunk)) taken++;
    for (; taken < 64 && server.socket.writableLength < 16 << 20; taken++) {
      server.socket.write(chunk);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    expect(server.socket.writableLength).toBeGreaterThan(8 << 20);
  });
});

describe('the end of a session', () => {
  it('is `left` when the client ends in order, and the server hears of it', async () => {
    const { client, server } = await bench.pair();
    client.socket.end('bye');
    await server.over();
    expect(bodyOf(server.heard)).toBe('bye');
    expect(bench.ended).toEqual([{ handle: 1, how: 'left' }]);
    server.socket.end('last words');
    expect(bodyOf(await client.over())).toBe('last words');
    await bench.empty();
  });

  it('is `left` when the server ends in order', async () => {
    const { client, server } = await bench.pair();
    server.socket.end('bye');
    expect(bodyOf(await client.over())).toBe('bye');
    expect(bench.ended).toEqual([{ handle: 1, how: 'left' }]);
    client.socket.end();
    await bench.empty();
  });

  it('is `broken` when the client’s socket is reset in the middle of a frame', async () => {
    const { client, server } = await bench.pair();
    client.write(Buffer.from([0x82, 0xfe, 0x10, 0x00, 1, 2]));
    await server.until(({ heard }) => bodyOf(heard).length === 6);
    client.reset();
    await server.over();
    await bench.empty();
    expect(bench.ended).toEqual([{ handle: 1, how: 'broken' }]);
  });

  it('is `broken` when the server’s socket is reset in the middle of a frame', async () => {
    const { client, server } = await bench.pair();
    server.write(Buffer.from([0x82, 0x7e, 0x10, 0x00, 1, 2]));
    await client.until(({ heard }) => bodyOf(heard).length === 6);
    server.reset();
    await client.over();
    await bench.empty();
    expect(bench.ended).toEqual([{ handle: 1, how: 'broken' }]);
  });

  it('is told by nobody when the core ordered it', async () => {
    const { client, server } = await bench.pair();
    expect(bench.attended.close(1, { code: 4403, reason: 'kicked' })).toBe(true);
    await Promise.all([client.over(), server.over()]);
    await bench.empty();
    expect(bench.ended).toEqual([]);
    expect(bench.attended.close(1, { code: 4403, reason: 'kicked' })).toBe(false);
  });

  it('comes with the certificate of the node whose server it is', async () => {
    const { client } = await bench.pair();
    bench.attended.nodeCertified('b'.repeat(32));
    expect(bench.attended.sessions).toBe(1);
    bench.attended.nodeCertified(OWNER.incarnation);
    await client.over();
    await bench.empty();
    expect(bench.ended).toEqual([{ handle: 1, how: 'left' }]);
  });

  it('comes with the router’s stop, for each client', async () => {
    const pairs = [await bench.pair(), await bench.pair()];
    await bench.attended.stop(1);
    await Promise.all(pairs.map(({ client }) => client.over()));
    await bench.empty();
    expect(bench.ended.map(({ handle }) => handle).sort()).toEqual([1, 2]);
    expect(status(await (await bench.client()).over())).toBe(503);
  });
});

describe('a client that is not seated', () => {
  it('hears why, as an HTTP status', async () => {
    bench.admit = async () => ({ ok: false, code: 'not_authenticated', message: 'a token is needed' });
    const heard = await (await bench.client()).over();
    expect([status(heard), codeOf(heard)]).toEqual([401, 'not_authenticated']);
    expect(bench.opened).toEqual([]);
  });

  it('hears the core’s word, before its 101', async () => {
    bench.seatsByHand = true;
    const client = await bench.client();
    await expect.poll(() => bench.opened).toEqual([1]);
    const error = { code: 'room_full', message: 'the room is full', retryable: true };
    bench.attended.close(1, { code: 1013, reason: 'room_full', error, retryAfterMs: 1_500 });
    const heard = await client.over();
    expect([status(heard), codeOf(heard)]).toEqual([503, 'room_full']);
    expect(heard).toContain('Retry-After: 2\r\n');
  });

  it('is forgotten when it resets before it was seated', async () => {
    bench.seatsByHand = true;
    const client = await bench.client();
    await expect.poll(() => bench.opened).toEqual([1]);
    client.reset();
    await bench.empty();
    expect(bench.ended).toEqual([{ handle: 1, how: 'broken' }]);
    bench.seat(1);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(bench.atServer).toEqual([]);
  });

  it('hears 502 where its owner names no server', async () => {
    bench.seatsByHand = true;
    const client = await bench.client();
    await expect.poll(() => bench.opened).toEqual([1]);
    bench.attended.seated(1, { node: 'n1', incarnation: 'b'.repeat(32) }, 7);
    const heard = await client.over();
    expect([status(heard), codeOf(heard)]).toEqual([502, 'target_failed']);
    expect(bench.ended).toEqual([{ handle: 1, how: 'left' }]);
  });
});

describe('rooms that are not attended', () => {
  it('get their 101 from the router itself', async () => {
    const client = await bench.client(request([], '/rooms/lobby?user=ann'));
    await client.until(({ heard }) => heard.endsWith('\r\n\r\n'));
    expect(status(client.heard)).toBe(101);
    expect(bench.atServer).toEqual([]);
    expect(bench.attended.sockets).toBe(0);
  });
});
