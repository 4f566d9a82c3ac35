import { describe, expect, it } from 'vitest';
import { connectionsWithin, openFilesMax } from './files-limit.ts';

describe('42 open files', () => {
  it.each([
    [undefined, 100_000, { connectionsMax: 100_000, plainConnectionsMax: 1_000 }],
    [1_048_576, 100_000, { connectionsMax: 100_000, plainConnectionsMax: 1_000 }],
    [20_000, 100_000, { connectionsMax: 18_872, plainConnectionsMax: 1_000 }],
    [1_024, 100_000, { connectionsMax: 672, plainConnectionsMax: 224 }],
    [1_024, 50, { connectionsMax: 50, plainConnectionsMax: 224 }],
    [64, 100_000, { connectionsMax: 1, plainConnectionsMax: 1 }],
  ])('of %s bound %i connections', (files, wanted, bounds) => {
    expect(connectionsWithin(files, wanted)).toEqual(bounds);
  });

  it('are read where the system tells, and taken for enough elsewhere', () => {
    const line = 'Max open files            4096                 524288               files     \n';
    expect(openFilesMax(() => `Limit Soft Limit Hard Limit Units\n${line}`)).toBe(4_096);
    expect(openFilesMax(() => line.replace('4096     ', 'unlimited'))).toBeUndefined();
    const absent = (): string => {
      throw new Error('ENOENT');
    };
    expect(openFilesMax(absent)).toBeUndefined();
  });
});
