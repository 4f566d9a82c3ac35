import { expect, it } from 'vitest';
import { type ServerEvent, serverEvents } from './server-events.ts';

async function read(...chunks: readonly string[]): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  async function* body() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  for await (const event of serverEvents(body())) events.push(event);
  return events;
}

it('reads events, however the bytes are cut', async () => {
  const text =
    ': hello\n\nevent: message\nid: 1\ndata: {"a":1}\n\ndata: x\r\ndata:y\r\n\r\nevent: tick\n\ndata: cut off';
  const wanted = [
    { event: 'message', data: '{"a":1}' },
    { event: 'message', data: 'x\ny' },
  ];
  expect(await read(text)).toEqual(wanted);
  expect(await read(...text)).toEqual(wanted);
  const bytes = Buffer.from('data: grüße\n\n');
  async function* halves() {
    yield bytes.subarray(0, 9);
    yield bytes.subarray(9);
  }
  const found: ServerEvent[] = [];
  for await (const event of serverEvents(halves())) found.push(event);
  expect(found).toEqual([{ event: 'message', data: 'grüße' }]);
});

it('gives up on an event without an end', async () => {
  const chunk = `data: ${'x'.repeat(1_000_000)}\n`;
  await expect(read(...Array.from({ length: 9 }, () => chunk))).rejects.toThrow('larger than');
  await expect(read(...Array.from({ length: 9 }, () => 'x'.repeat(1_000_000)))).rejects.toThrow('larger than');
});
