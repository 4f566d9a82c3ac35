import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FaultProxy } from './fault-proxy.ts';

const HOST = '127.0.0.1';
let echo: Server;
let proxy: FaultProxy;
const sockets: Socket[] = [];

/** Says back what it hears, behind a word of its own. */
async function serve(word: string): Promise<Server> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => socket.write(`${word}${chunk.toString()}`));
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

class Caller {
  heard = '';
  readonly socket: Socket;
  readonly closed: Promise<void>;

  constructor() {
    this.socket = connect(proxy.port, HOST);
    sockets.push(this.socket);
    this.socket.on('data', (chunk) => {
      this.heard += chunk.toString();
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve()));
  }

  async hears(text: string): Promise<void> {
    while (this.heard !== text) await once(this.socket, 'data');
  }
}

beforeEach(async () => {
  echo = await serve('>');
  proxy = await FaultProxy.open(HOST, { host: HOST, port: portOf(echo) });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.close();
  echo.close();
});

it('carries both ways, and an end', async () => {
  const caller = new Caller();
  caller.socket.write('a');
  await caller.hears('>a');
  caller.socket.end('b');
  await caller.closed;
  expect(caller.heard).toBe('>a>b');
});

it('holds one way, and lets go what waited', async () => {
  const caller = new Caller();
  caller.socket.write('a');
  await caller.hears('>a');
  proxy.fail({ kind: 'hold', up: false, down: true });
  const other = sockets.find((socket) => socket.localPort === portOf(echo));
  if (other === undefined) throw new Error('nobody is served');
  caller.socket.write('b');
  // The echo has heard it: up is open.
  await once(other, 'data');
  await new Promise((resolve) => setImmediate(resolve));
  expect(caller.heard).toBe('>a');
  proxy.heal();
  await caller.hears('>a>b');
});

it('cuts who is there and who comes', async () => {
  const caller = new Caller();
  caller.socket.write('a');
  await caller.hears('>a');
  proxy.fail({ kind: 'cut' });
  await caller.closed;
  await new Caller().closed;
  proxy.heal();
  const next = new Caller();
  next.socket.write('b');
  await next.hears('>b');
  expect(proxy.connections).toBe(1);
});

it('strikes only who names himself so', async () => {
  proxy.fail({ kind: 'cut' }, 'r1');
  const [struck, spared] = [new Caller(), new Caller()];
  spared.socket.write('r2');
  struck.socket.write('hello, r1 here');
  await spared.hears('>r2');
  await struck.closed;
});

it('delays, and keeps the order where the delay shrinks', async () => {
  const caller = new Caller();
  await once(caller.socket, 'connect');
  proxy.fail({ kind: 'delay', ms: 100 });
  const began = performance.now();
  caller.socket.write('a');
  await caller.hears('>a');
  // Both ways, and a timer may fire a millisecond early.
  expect(performance.now() - began).toBeGreaterThanOrEqual(198);
  // Letters arrive one by one while the delay shrinks to nothing.
  caller.socket.setNoDelay(true);
  for (const letter of 'bcdefghij') {
    proxy.fail({ kind: 'delay', ms: Math.max(0, 'j'.charCodeAt(0) - letter.charCodeAt(0) - 1) });
    caller.socket.write(letter);
    await new Promise((resolve) => setImmediate(resolve));
  }
  while (!caller.heard.includes('j')) await once(caller.socket, 'data');
  expect(caller.heard.replaceAll('>', '')).toBe('abcdefghij');
});

it('keeps back what bears a text and what follows it, also an end, while others go on', async () => {
  const [first, other] = [new Caller(), new Caller()];
  first.socket.write('a');
  await first.hears('>a');
  const kept = proxy.keep('secret');
  expect(kept.isHere).toBe(false);
  first.socket.write('the secret');
  while (!kept.isHere) await new Promise((resolve) => setImmediate(resolve));
  other.socket.write('b');
  await other.hears('>b');
  first.socket.end(', and more');
  await once(other.socket.end(), 'close');
  expect(first.heard).toBe('>a');
  kept.letGo();
  await first.closed;
  expect(first.heard.replaceAll('>', '')).toBe('athe secret, and more');
});

it('leads elsewhere', async () => {
  const other = await serve('<');
  const caller = new Caller();
  caller.socket.write('a');
  await caller.hears('>a');
  proxy.retarget({ host: HOST, port: portOf(other) });
  await caller.closed;
  const next = new Caller();
  next.socket.write('a');
  await next.hears('<a');
  other.close();
});
