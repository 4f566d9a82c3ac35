/** What a node has its record say, on a directory that the test answers for. */
import { expect, it } from 'vitest';
import { DirectoryError } from '../shared/directory/directory.ts';
import { nodeRecord } from './fixture.ts';
import { OwnRecord, type OwnRecordPorts } from './own-record.ts';

it('tells its state once more after a change whose answer was lost, also where that is what it said before', () => {
  const told: unknown[] = [];
  const answers: ((reply: unknown) => void)[] = [];
  const call: OwnRecordPorts['call'] = (_operation, args, done) => {
    told.push('state' in args ? args.state : undefined);
    answers.push(done as (reply: unknown) => void);
  };
  const own = new OwnRecord({ record: nodeRecord('n1', 'i1'), stepMs: 0, runId: () => 'run-1', call });
  const now = { monoMs: 0, wallMs: 0 };
  own.registered(now);
  own.tick('draining', true, now);
  expect(told).toEqual(['draining']);
  // It was carried out, as the drain was undone.
  answers[0]?.(new DirectoryError('timeout', 'no answer'));
  own.tick('active', true, now);
  expect(told).toEqual(['draining', 'active']);
  answers[1]?.({ kind: 'ok', ver: 2 });
  own.tick('active', true, now);
  expect(told).toEqual(['draining', 'active']);
});

it('begins with all its weight where its last life was drained and has left, and with a tenth where it died', () => {
  const weightAfter = (state: 'left' | 'dead'): number => {
    const record = nodeRecord('n1', 'i2');
    const own = new OwnRecord({ record, stepMs: 2_000, runId: () => 'run-1', call: () => undefined });
    own.observed({
      runId: 'run-1',
      gen: 'g1',
      ver: 3,
      nodes: [{ ...nodeRecord('n1', 'i1'), state }, nodeRecord('n2', 'i9')],
      beats: { n2: { incarnation: 'i9', counter: 4, load: { rooms: 7, sessions: 7 } } },
    });
    return own.asRegistered().weight;
  };
  expect(weightAfter('left')).toBe(1);
  expect(weightAfter('dead')).toBe(0.1);
});
