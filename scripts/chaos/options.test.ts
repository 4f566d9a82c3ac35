import { expect, it } from 'vitest';
import { readOptions } from './options.ts';

it('reads faults and load, and takes proof for granted unless told otherwise', () => {
  const options = readOptions(['--kills', '3', '--no-supervisor', '--rooms=7', '--storm', '2', '--seed', '0']);
  expect(options).toMatchObject({ kills: 3, proof: false, rooms: 7, clients: 400, storm: 2, seed: 0, redis: false });
  expect(readOptions(['--redis'])).toMatchObject({ redis: true, proof: true });
});

it('shows how it is used where nothing is to be done', () => {
  expect(readOptions([])).toBe('help');
  expect(readOptions(['--rooms', '5'])).toBe('help');
  expect(readOptions(['--kills', '1', '--help'])).toBe('help');
});

it('says which flag it cannot use', () => {
  expect(() => readOptions(['--kills', 'many'])).toThrow('--kills must be a whole number');
  expect(() => readOptions(['--kills', '1', '--nodes', '1'])).toThrow('--nodes must be a whole number, at least 2');
  expect(() => readOptions(['--explode'])).toThrow('--explode');
});
