import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { ApiClient } from './api-client.ts';
import { FakeRouter } from './fake-router.ts';

/** Collects what nobody holds, a few times over: what is behind a weak reference goes with it. */
async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  for (let i = 0; i < 5; i++) {
    if (typeof gc === 'function') gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

it('ends a silent stream when the operator has heard enough, whatever was collected meanwhile', async () => {
  const stream = (response: { write(text: string): unknown }) => void response.write('event: owner\ndata: {}\n\n');
  const router = await FakeRouter.start(() => ({ stream }));
  try {
    const ended = new AbortController();
    const heard: string[] = [];
    for await (const { event } of new ApiClient({ url: router.url }).stream('/rooms/a/tail', ended.signal)) {
      heard.push(event);
      void collect().then(() => ended.abort());
    }
    expect(heard).toEqual(['owner']);
  } finally {
    await router.stop();
  }
});
