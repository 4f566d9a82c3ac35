import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

function loop() {
  let nowMs = 0;
  let next: (() => void) | undefined;
  const done: number[] = [];
  const turns = new Turns(
    () => nowMs,
    (run) => {
      expect(next).toBeUndefined();
      next = run;
    },
  );
  return {
    turns,
    done,
    work: (id: number, ms: number) =>
      turns.do(() => {
        done.push(id);
        nowMs += ms;
      }),
    turn: (): boolean => {
      const run = next;
      next = undefined;
      run?.();
      return run !== undefined;
    },
  };
}

it('does at once what a turn has time for, and the rest in the next turns, in order', () => {
  const { turns, done, work, turn } = loop();
  for (let id = 0; id < 20; id++) work(id, 2);
  expect(done).toEqual([0, 1, 2, 3]);
  expect(turns.waiting).toBe(16);
  turn();
  expect(done).toHaveLength(8);
  // What comes meanwhile has no precedence.
  work(20, 2);
  expect(done).toHaveLength(8);
  while (turn());
  expect(done).toEqual(Array.from({ length: 21 }, (_, id) => id));
  expect(turns.waiting).toBe(0);
});

it('begins one piece in each turn, however long they take', () => {
  const { done, work, turn } = loop();
  for (let id = 0; id < 3; id++) work(id, 100);
  expect(done).toEqual([0]);
  turn();
  expect(done).toEqual([0, 1]);
  turn();
  expect(done).toEqual([0, 1, 2]);
});

it('keeps nothing awake once all is done', () => {
  const { work, turn } = loop();
  work(0, 1);
  expect(turn()).toBe(true);
  expect(turn()).toBe(false);
});

it('does what work itself brings behind what waits', () => {
  const { turns, done, work, turn } = loop();
  turns.do(() => work(7, 9));
  work(8, 1);
  while (turn());
  expect(done).toEqual([7, 8]);
});
