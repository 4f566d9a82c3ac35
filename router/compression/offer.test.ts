import { afterEach, expect, it, test } from 'vitest';
import { WebSocket } from 'ws';
import { EdgeBench, upgrade } from '../edge-fixture.ts';
import { Inflation } from './inflation.ts';
import { servedOffer } from './offer.ts';

const NAME = 'permessage-deflate';
const NO_CONTEXT = 'server_no_context_takeover; client_no_context_takeover';

it.each<[string, string | undefined, string | undefined]>([
  ['none', undefined, undefined],
  ['an empty one', '', undefined],
  ['a bare one', NAME, NAME],
  ['that of Chromium', `${NAME}; client_max_window_bits`, NAME],
  ['one without context', `${NAME}; ${NO_CONTEXT}`, NAME],
  ['a window that is large enough', `${NAME};server_max_window_bits=12`, `${NAME}; server_max_window_bits=12`],
  ['a value between quotes', `${NAME}; server_max_window_bits="15"`, `${NAME}; server_max_window_bits=15`],
  ['a window that is too small', `${NAME}; server_max_window_bits=11`, undefined],
  ['a small window, and then any', `${NAME}; server_max_window_bits=8, ${NAME}`, NAME],
  ['a window without a size', `${NAME}; server_max_window_bits`, undefined],
  ['a window beyond what there is', `${NAME}; client_max_window_bits=16`, undefined],
  ['a leading zero', `${NAME}; client_max_window_bits=09`, undefined],
  ['a value where none belongs', `${NAME}; client_no_context_takeover=1`, undefined],
  ['a parameter twice', `${NAME}; client_no_context_takeover; client_no_context_takeover`, undefined],
  ['an unknown parameter', `${NAME}; speed=9`, undefined],
  ['another extension first', `x-webkit-deflate-frame; a="b,c", ${NAME}`, NAME],
  ['another name', 'permessage-bzip2', undefined],
  ['what is no offer', ';;,=,"', undefined],
  ['an open quote', `${NAME}; client_max_window_bits="9`, undefined],
])('reads %s', (_name, header, served) => {
  expect(servedOffer(header)).toBe(served);
});

let bench: EdgeBench | undefined;
afterEach(() => bench?.stop());

/** The answer of an edge to this offer; undefined where it took none. */
async function answerTo(offer: string, inflation: Inflation | undefined): Promise<string | undefined> {
  bench = await new EdgeBench({ inflation }).start();
  const socket = await bench.open();
  const head = new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(bytes.toString('latin1'))));
  socket.write(upgrade({ 'Sec-WebSocket-Extensions': offer }));
  const answer = await head;
  expect(answer.split('\r\n')[0]).toBe('HTTP/1.1 101 Switching Protocols');
  return /^Sec-WebSocket-Extensions: (.*)\r$/im.exec(answer)?.[1];
}

test('41 an offer to compress is declined by default, and the client is served without', async () => {
  expect(await answerTo(NAME, undefined)).toBeUndefined();
  const ws = new WebSocket(`ws://127.0.0.1:${bench?.port}/rooms/lobby`, { perMessageDeflate: true });
  await new Promise<void>((resolve) => ws.on('open', () => resolve()));
  expect(ws.extensions).toBe('');
  ws.send('plain');
  await expect.poll(() => bench?.heard).toEqual(['lobby: plain']);
  ws.terminate();
});

test('41 where compression is on, no context is ever kept from one message to the next', async () => {
  expect(await answerTo(`${NAME}; client_max_window_bits`, new Inflation(1_024))).toBe(`${NAME}; ${NO_CONTEXT}`);
});

it('answers with the window that was asked for', async () => {
  const answer = await answerTo(`${NAME}; server_max_window_bits=13`, new Inflation(1_024));
  expect(answer).toBe(`${NAME}; server_max_window_bits=13; ${NO_CONTEXT}`);
});

test.each([`${NAME}; server_max_window_bits=9`, `${NAME}; nonsense`, '=;,'])(
  '41 the offer "%s" cannot be served, so that client goes on uncompressed',
  async (offer) => {
    expect(await answerTo(offer, new Inflation(1_024))).toBeUndefined();
  },
);
