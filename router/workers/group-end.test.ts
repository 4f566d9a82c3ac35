import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { GroupEnd } from './group-end.ts';
import type { ToParent } from './messages.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function makeEnd() {
  const sent: ToParent[] = [];
  const end = new GroupEnd({ send: (message) => sent.push(message), metrics: async () => [] });
  return { end, sent };
}

it('is ready when the parent says so, and not before', () => {
  const { end } = makeEnd();
  expect(end.ready).toBe(false);
  end.heard({ type: 'group', ready: true });
  expect(end.ready).toBe(true);
  end.heard({ type: 'group', ready: false });
  expect(end.ready).toBe(false);
});

it('shows what it counted when it is asked', async () => {
  const { end, sent } = makeEnd();
  end.heard({ type: 'collect' });
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual([{ type: 'metrics', metrics: [] }]);
});

it('gets each answer to its own question', async () => {
  const { end, sent } = makeEnd();
  const texts = [end.metrics(), end.metrics()];
  expect(sent).toEqual([
    { type: 'ask-metrics', id: 1 },
    { type: 'ask-metrics', id: 2 },
  ]);
  end.heard({ type: 'metrics-text', id: 2, text: 'two' });
  end.heard({ type: 'metrics-text', id: 1, text: 'one' });
  end.heard({ type: 'metrics-text', id: 1, text: 'late' });
  expect(await Promise.all(texts)).toEqual(['one', 'two']);
  expect(vi.getTimerCount()).toBe(0);
});

it('gives up a question that nobody answers, and asks no more than its bound at once', async () => {
  const { end } = makeEnd();
  const asked = Array.from({ length: 64 }, () => end.metrics().catch((error: { code: string }) => error.code));
  await expect(end.metrics()).rejects.toMatchObject({ code: 'too_many', retryable: true });
  await vi.advanceTimersByTimeAsync(2_000);
  expect(new Set(await Promise.all(asked))).toEqual(new Set(['timeout']));
  const later = end.metrics();
  end.heard({ type: 'metrics-text', id: 65, text: 'now' });
  expect(await later).toBe('now');
});

it('ignores what is not for it', () => {
  const { end, sent } = makeEnd();
  for (const odd of [undefined, null, 7, 'group', {}, { type: 'stop' }, { type: 'group', ready: 'yes' }])
    end.heard(odd);
  expect([end.ready, sent]).toEqual([false, []]);
});
