import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { onceATurn } from './once-a-turn.ts';

describe('once a turn', () => {
  it('comes behind all answers of one piece, before what is written, and again in the next turn', async () => {
    const told: string[] = [];
    const end = onceATurn(() => told.push('end'));
    const hear = async (answer: Promise<string>) => {
      told.push(await answer);
      end();
    };
    const piece = (...names: readonly string[]) => {
      const settle: (() => void)[] = [];
      for (const name of names) void hear(new Promise((resolve) => settle.push(() => resolve(name))));
      for (const one of settle) one();
      setImmediate(() => told.push('written'));
    };
    piece('a', 'b', 'c');
    await immediate();
    expect(told.splice(0)).toEqual(['a', 'b', 'c', 'end', 'written']);
    piece('d');
    await immediate();
    expect(told).toEqual(['d', 'end', 'written']);
  });
});
