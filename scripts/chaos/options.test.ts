import { expect, it } from 'vitest';
import { readOptions } from './options.ts';
import { PART_IDS } from './part.ts';
import { EVIDENCE } from './parts.ts';

const read = (...argv: string[]) => readOptions(argv, EVIDENCE);

it('reads faults and load, each part as often as it is asked for', () => {
  expect(read('--kills', '3', '--routers-killed=2', '--drains', '0', '--rooms=7', '--seed', '0')).toMatchObject({
    rounds: new Map([
      ['kills', 3],
      ['routers', 2],
    ]),
    rooms: 7,
    clients: undefined,
    seed: 0,
    evidence: false,
  });
  expect(read('--mixed', '--seconds', '5', '--json')).toMatchObject({
    rounds: new Map([['mixed', 1]]),
    mixedMs: 5_000,
    json: true,
  });
  expect(read('--away', '8')).toMatchObject({ rounds: new Map([['away', 1]]), awayMs: 8_000 });
});

it('knows the whole evidence run, some of it, and some of it less often', () => {
  expect(read('--evidence')).toMatchObject({
    rounds: new Map(PART_IDS.map((id) => [id, EVIDENCE[id]])),
    evidence: true,
  });
  expect(read('--evidence', '--parts', 'kills,pauses', '--pauses', '2', '--resume')).toMatchObject({
    rounds: new Map([
      ['pauses', 2],
      ['kills', EVIDENCE.kills],
    ]),
    resume: true,
  });
});

it('shows how it is used where nothing is to be done', () => {
  expect(read()).toBe('help');
  expect(read('--rooms', '5')).toBe('help');
  expect(read('--kills', '1', '--help')).toBe('help');
  expect(read('--docs')).toMatchObject({ docs: true, rounds: new Map() });
});

it('says which flag it cannot use', () => {
  expect(() => read('--kills', 'many')).toThrow('--kills must be a whole number');
  expect(() => read('--kills', '1', '--nodes', '1')).toThrow('--nodes must be a whole number, at least 2');
  expect(() => read('--parts', 'kills,naps')).toThrow('not naps');
  expect(() => read('--kills', '1', '--class', 'solid')).toThrow('--class must be relay or durable');
  expect(() => read('--explode')).toThrow('--explode');
});
