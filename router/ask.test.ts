import { expect, it } from 'vitest';
import { BellhopError } from '../shared/errors.ts';
import { asBellhopError, askEach, within } from './ask.ts';

it('gives one answer for each item, in order, whatever order they came in', async () => {
  const release: (() => void)[] = [];
  const asked = askEach([0, 1, 2], async (item) => {
    await new Promise<void>((resolve) => {
      release[item] = resolve;
    });
    if (item === 1) throw new BellhopError('link_lost');
    return item * 10;
  });
  for (const item of [2, 0, 1]) release[item]?.();
  const answers = await asked;
  expect(answers.map(({ item }) => item)).toEqual([0, 1, 2]);
  expect(answers.map((answer) => (answer.ok ? answer.value : answer.error.code))).toEqual([0, 'link_lost', 20]);
});

it('asks a bounded number at once', async () => {
  let running = 0;
  let most = 0;
  await askEach([...Array(200).keys()], async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((resolve) => setImmediate(resolve));
    running -= 1;
  });
  expect(most).toBe(32);
});

it('ends all questions together when the time is up, those not asked yet included', async () => {
  let asked = 0;
  const answers = await askEach(
    [...Array(50).keys()],
    () => {
      asked += 1;
      return new Promise<never>(() => undefined);
    },
    20,
  );
  expect(answers.map((answer) => (answer.ok ? 'ok' : answer.error.code))).toEqual(Array(50).fill('timeout'));
  expect(asked).toBe(32);
});

it('waits no longer than it is told', async () => {
  await expect(within(5, new Promise<never>(() => undefined))).rejects.toMatchObject({ code: 'timeout' });
  await expect(within(5_000, Promise.resolve(1))).resolves.toBe(1);
});

it('keeps the text of a fault that is not ours inside', () => {
  const fault = asBellhopError(new TypeError('secret'));
  expect([fault.code, fault.message.includes('secret')]).toEqual(['internal', false]);
});
