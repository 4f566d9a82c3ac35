import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { isFinalFrame, payloadOf, textFrame, textFrames } from './websocket-frame.ts';

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

  it('are put together again where one message takes several, wherever a character was cut', async () => {
    const text = '€😀x'.repeat(30_000);
    const frames = textFrames(text, 65_536);
    expect(frames.length).toBe(4);
    expect(await received([...frames, ...textFrames('next', 65_536)], 2)).toEqual([text, 'next']);
  });
});

describe('textFrames', () => {
  it.each([11, 100, 125, 136, 140, 1_000])('keeps every frame within %d bytes and the text whole', (frameBytesMax) => {
    const text = 'aé€😀'.repeat(200);
    const frames = textFrames(text, frameBytesMax);
    for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(frameBytesMax);
    expect(Buffer.concat(frames.map(payloadOf)).toString()).toBe(text);
    expect(frames.map(isFinalFrame)).toEqual(frames.map((_, i) => i === frames.length - 1));
    expect(frames.map((frame) => (frame[0] ?? 0) & 0x0f)).toEqual(frames.map((_, i) => (i === 0 ? 1 : 0)));
  });

  it('makes one frame of what fits', () => {
    for (const text of ['', 'x', '€'.repeat(330)]) expect(textFrames(text, 1_000)).toEqual([textFrame(text)]);
    expect(() => textFrames('x', 10)).toThrow(RangeError);
  });
});

describe('payloadOf', () => {
  it.each(LENGTHS)('finds a payload of %d bytes', (length) => {
    const text = 'y'.repeat(length);
    expect(payloadOf(textFrame(text)).toString()).toBe(text);
  });
});
