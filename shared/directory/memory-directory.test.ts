import { describe, expect, it } from 'vitest';
import { ManualClock } from '../clock.ts';
import { CONFORMANCE_CERTS_MAX, directoryConformance } from './conformance.ts';
import { DirectoryError } from './directory.ts';
import { nodeRecord, token } from './example-records.ts';
import { MemoryDirectory } from './memory-directory.ts';

const RUN = token('run', 40);
const NEXT = token('next', 40);

directoryConformance('MemoryDirectory', async () => {
  const memory = new MemoryDirectory({ runId: RUN, certsMax: CONFORMANCE_CERTS_MAX });
  const clock = new ManualClock();
  return {
    directory: memory.connect(clock),
    runId: RUN,
    passTime: async (ms) => clock.advance(ms),
    now: async () => clock.now().wallMs,
  };
});

describe('MemoryDirectory', () => {
  const read = (memory: MemoryDirectory) => memory.execute('readCluster', {}, 0);

  it('keeps, empties or restores its data in the next run', () => {
    const memory = new MemoryDirectory({ runId: RUN });
    memory.execute('createHistory', { gen: 'g1' }, 0);
    const snapshot = memory.snapshot();
    memory.execute('register', { record: nodeRecord('n1', token('a')), runId: RUN, newGen: 'g1' }, 0);
    memory.restart({ runId: NEXT, data: 'kept' });
    expect(read(memory)).toMatchObject({ runId: NEXT, gen: 'g1', nodes: [{ node: 'n1' }] });
    memory.restart({ runId: RUN, data: snapshot });
    expect(read(memory)).toMatchObject({ runId: RUN, gen: 'g1', nodes: [] });
    memory.restart({ runId: NEXT, data: 'empty' });
    expect(read(memory)).toMatchObject({ runId: NEXT, gen: undefined });
  });

  it('never changes a snapshot that was taken or restored', () => {
    const memory = new MemoryDirectory({ runId: RUN });
    const snapshot = memory.snapshot();
    memory.restore(snapshot);
    memory.execute('createHistory', { gen: 'g1' }, 0);
    memory.restore(snapshot);
    expect(read(memory)).toMatchObject({ runId: RUN, gen: undefined });
  });

  it('shares nothing with its callers', async () => {
    const memory = new MemoryDirectory({ runId: RUN });
    const programs = [{ pattern: '*', program: 'relay' }];
    memory.execute('register', { record: nodeRecord('n1', token('a'), { programs }), runId: RUN, newGen: 'g1' }, 0);
    programs.pop();
    expect(read(memory).nodes?.[0]?.programs).toHaveLength(1);
  });

  it('refuses calls in another run until that run is put in force', async () => {
    const memory = new MemoryDirectory({ runId: RUN });
    const directory = memory.connect(new ManualClock());
    await directory.call('createHistory', { gen: 'g1' });
    memory.restart({ runId: NEXT, data: 'kept' });
    const refused = await directory.call('createHistory', { gen: 'g1' }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(DirectoryError);
    expect(refused).toMatchObject({ code: 'other-run', runId: NEXT });
    directory.useRun(NEXT);
    expect(await directory.call('createHistory', { gen: 'g2' })).toEqual({ kind: 'exists', gen: 'g1' });
    memory.restart({ runId: RUN, data: 'kept' });
    directory.useRun(undefined);
    expect(await directory.call('readRoom', { room: 'lobby' })).toEqual({ kind: 'missing' });
  });
});
