/** Links that speak TLS, with real certificates over a real loopback socket. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, afterEach, expect, test } from 'vitest';
import { Authority } from '../testing/certificates.ts';
import { until } from '../testing/until.ts';
import { TlsFiles } from '../tls-files.ts';
import type { LinkDown, LinkEvents, LinkOptions } from './connection.ts';
import { dialLink } from './dial.ts';
import { NODE, ROUTER } from './link-fixture.ts';
import { LinkListener } from './listener.ts';
import type { LinkMessage } from './messages.ts';

const ours = new Authority('ours');
const strange = new Authority('strange');
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(() => {
  ours.remove();
  strange.remove();
});

type Tls = LinkOptions['tls'];

function filesOf(authority: Authority, name: string): TlsFiles {
  const files = new TlsFiles(authority.sign(name), () => undefined);
  ends.push(() => files.close());
  return files;
}

async function listening(tls: Tls) {
  const heard: LinkMessage[] = [];
  const refused: string[] = [];
  const events: LinkEvents = { onMessage: (_link, message) => void heard.push(message), onDown: () => undefined };
  const listener = new LinkListener({
    host: '127.0.0.1',
    port: 0,
    handshake: NODE,
    events,
    tls,
    onRefused: (why) => refused.push(why),
  });
  ends.push(() => listener.close());
  return { listener, heard, refused, address: await listener.start() };
}

function dialled(address: { host: string; port: number }, tls: Tls) {
  const state: { up: boolean; down: LinkDown | undefined } = { up: false, down: undefined };
  const link = dialLink(address, {
    handshake: ROUTER,
    tls,
    events: {
      onUp: () => {
        state.up = true;
      },
      onMessage: () => undefined,
      onDown: (_link, down) => {
        state.down = down;
      },
    },
  });
  ends.push(() => link.destroy());
  return { link, state };
}

test('47 with a certificate of the same authority on both sides a link comes up and carries', async () => {
  const { address, heard, listener } = await listening(filesOf(ours, 'node'));
  const { link, state } = dialled(address, filesOf(ours, 'router'));
  await until(async () => state.up);
  expect(link.send({ type: 'call', id: 7, op: 'x', args: 'y'.repeat(60_000) })).toBe(true);
  await until(async () => heard.length === 1);
  expect(heard[0]).toMatchObject({ type: 'call', id: 7 });
  expect(listener.unproven).toBe(0);
});

test('47 a dialer without a certificate, with a strange one, or without TLS gets no link', async () => {
  const { address, listener } = await listening(filesOf(ours, 'node'));
  const ca = readFileSync(ours.ca, 'utf8');
  const bare = { current: { ca, cert: '', key: '' }, onChange: () => undefined };
  for (const tls of [undefined, filesOf(strange, 'router'), bare]) {
    const { state } = dialled(address, tls as Tls);
    await until(async () => state.down !== undefined);
    expect(state).toMatchObject({ up: false, down: { wasUp: false } });
  }
  await until(async () => listener.unproven === 0);
  expect(listener.links()).toEqual([]);
});

test('47 a dialer refuses a node whose certificate is of another authority, before it says a word of its proof', async () => {
  // The node itself would take the dialer's certificate: only the dialer can refuse here.
  const ca = readFileSync(ours.ca, 'utf8');
  const { address, listener } = await listening({
    current: { ...filesOf(strange, 'node').current, ca },
    onChange: () => undefined,
  });
  const { state } = dialled(address, filesOf(ours, 'router'));
  await until(async () => state.down !== undefined);
  expect(state.up).toBe(false);
  await until(async () => listener.unproven === 0);
});

test('a connection that never begins counts as unproven, and is cut with the listener', async () => {
  const { address, listener } = await listening(filesOf(ours, 'node'));
  const socket = connect(address);
  socket.on('error', () => undefined);
  await until(async () => listener.unproven === 1);
  const closed = once(socket, 'close');
  await listener.close();
  await closed;
  expect(listener.unproven).toBe(0);
});

test('a certificate that is replaced counts for new links, and those that are up stay up', async () => {
  const node = filesOf(ours, 'node');
  const { address, listener } = await listening(node);
  const first = dialled(address, filesOf(ours, 'router'));
  await until(async () => first.state.up);
  const { cert } = node.current;
  ours.sign('node');
  node.reload();
  expect(node.current.cert).not.toBe(cert);
  const second = dialled(address, filesOf(ours, 'router-2'));
  await until(async () => second.state.up);
  expect(first.link.isUp).toBe(true);
  await until(async () => listener.links().length === 2);
});
