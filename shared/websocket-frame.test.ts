import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { payloadOf, textFrame } from './websocket-frame.ts';

/** Lengths around every boundary of the header's three forms. */
const LENGTHS = [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537, 200_000];

describe('frames made here, read by ws', () => {
  let server: WebSocketServer;
  let client: WebSocket;
  let raw: Socket;

  beforeEach(async () => {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    server.on('connection', (_socket, request) => {
      raw = request.socket;
    });
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    client = new WebSocket(`ws://127.0.0.1:${address.port}`);
    await once(client, 'open');
  });

  afterEach(async () => {
    client.terminate();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Writes frames past ws on the server's side and returns what ws on the client's side makes of them. */
  async function received(frames: readonly Buffer[], messages: number): Promise<string[]> {
    const texts: string[] = [];
    const done = new Promise<void>((resolve, reject) => {
      client.on('error', reject);
      client.on('close', (code) => reject(new Error(`closed with ${code}`)));
      client.on('message', (data, isBinary) => {
        texts.push(isBinary ? 'binary' : String(data));
        if (texts.length === messages) resolve();
      });
    });
    for (const frame of frames) raw.write(frame);
    await done;
    return texts;
  }

  it('are whole text messages of any length', async () => {
    const texts = LENGTHS.map((length) => 'x'.repeat(length));
    expect(await received(texts.map(textFrame), texts.length)).toEqual(texts);
  });

  it('carry any character', async () => {
    const texts = ['é', '😀'.repeat(40), `${'x'.repeat(124)}é`, '\u0000\u2028'];
    expect(await received(texts.map(textFrame), texts.length)).toEqual(texts);
  });
});

describe('payloadOf', () => {
  it.each(LENGTHS)('finds a payload of %d bytes', (length) => {
    const text = 'y'.repeat(length);
    expect(payloadOf(textFrame(text)).toString()).toBe(text);
  });
});
