import { trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Args, DirectoryError, type Reply } from './directory/directory.ts';
import { beginSpan, tracedCall } from './tracing.ts';

const triple = { incarnation: 'a'.repeat(32), epoch: 5, nonce: 'b'.repeat(16) };
const append: Args<'append'> = {
  room: 'lobby',
  triple,
  batch: 1,
  head: 0,
  items: [],
  keep: { entries: 1, ms: 1 },
  forget: [],
  sendersMax: 1,
};

describe('without an SDK', () => {
  it('hands back what it was given', () => {
    const done = () => undefined;
    expect(tracedCall('append', append, done)).toBe(done);
    expect(() => beginSpan('drain', { 'bellhop.rooms': 3 })('done')).not.toThrow();
  });
});

describe('with an SDK', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  beforeAll(() => void trace.setGlobalTracerProvider(provider));
  afterEach(() => exporter.reset());
  afterAll(async () => {
    trace.disable();
    await provider.shutdown();
  });
  const spans = () =>
    exporter
      .getFinishedSpans()
      .map(({ name, attributes, status }) => ({ name, attributes, failed: status.code === 2 }));

  it('an operation by which a room changes hands is a span from its call to its answer', () => {
    const told: unknown[] = [];
    const done = tracedCall('append', append, (result) => told.push(result));
    expect(spans()).toEqual([]);
    const reply: Reply<'append'> = { kind: 'fenced', record: undefined };
    done(reply);
    expect(told).toEqual([reply]);
    expect(spans()).toMatchObject([
      {
        name: 'bellhop.append',
        attributes: {
          'bellhop.room': 'lobby',
          'bellhop.items': 0,
          'bellhop.outcome': 'fenced',
          'db.system.name': 'redis',
        },
        failed: false,
      },
    ]);
  });

  it('a fault is told as one', () => {
    tracedCall('append', append, () => undefined)(new DirectoryError('timeout', 'no answer'));
    expect(spans()).toMatchObject([{ attributes: { 'bellhop.outcome': 'timeout' }, failed: true }]);
  });

  it('what comes many times a second has none', () => {
    const done = () => undefined;
    expect(tracedCall('readCluster', { known: undefined }, done)).toBe(done);
  });

  it('what takes a while ends with what became of it', () => {
    beginSpan('handover', { 'bellhop.room': 'lobby', 'bellhop.target': 'n2' })('moved');
    beginSpan('drain', { 'bellhop.rooms': 3 })('1 rooms left', true);
    expect(spans()).toMatchObject([
      { name: 'bellhop.handover', attributes: { 'bellhop.outcome': 'moved' }, failed: false },
      { name: 'bellhop.drain', attributes: { 'bellhop.rooms': 3 }, failed: true },
    ]);
  });
});
