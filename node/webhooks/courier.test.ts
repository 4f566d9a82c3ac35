import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../shared/clock.ts';
import { SeededRandom } from '../../shared/random.ts';
import { Courier, type CourierOptions } from './courier.ts';
import type { OutgoingEvent } from './event.ts';

interface Request {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly events: readonly { readonly n: number }[];
  answer(status: number | Error): Promise<void>;
}

let clock: ManualClock;
let requests: Request[];
let settled: number[];
let logged: string[];

beforeEach(() => {
  clock = new ManualClock();
  requests = [];
  settled = [];
  logged = [];
});

function makeCourier(changes: Partial<CourierOptions> = {}): Courier {
  return new Courier({
    url: 'https://user:password@backend.example/hooks?key=secret',
    secrets: ['a secret of sixteen or more'],
    clock,
    random: new SeededRandom(3),
    post: (_url, headers, body) =>
      new Promise((resolve, reject) => {
        requests.push({
          headers,
          body,
          events: (JSON.parse(body) as { events: { n: number }[] }).events,
          async answer(status) {
            if (status instanceof Error) reject(status);
            else resolve(status);
            for (let i = 0; i < 5; i++) await Promise.resolve();
          },
        });
      }),
    queueBytesMax: 1_000_000,
    ageMsMax: 60_000,
    log: (event) => logged.push(event),
    ...changes,
  });
}

function event(n: number, isVoid = () => false): OutgoingEvent {
  const json = JSON.stringify({ n });
  return {
    room: 'lobby',
    id: { epoch: 1, number: n },
    json,
    bytes: json.length,
    sinceMs: clock.now().monoMs,
    isVoid,
    settled: () => settled.push(n),
  };
}

/** Ticks as time goes by. */
function pass(courier: Courier, ms: number): void {
  for (let at = 0; at < ms; at += 20) {
    clock.advance(20);
    courier.tick();
  }
}

describe('delivery', () => {
  it('gathers what comes together into one signed request', async () => {
    const courier = makeCourier();
    for (let n = 1; n <= 3; n++) courier.take(event(n));
    courier.tick();
    expect(requests).toHaveLength(0);
    pass(courier, 100);
    expect(requests.map(({ body }) => body)).toEqual(['{"events":[{"n":1},{"n":2},{"n":3}]}']);
    expect(Object.keys(requests[0]?.headers ?? {})).toEqual(
      expect.arrayContaining(['content-type', 'webhook-id', 'webhook-timestamp', 'webhook-signature']),
    );
    expect(settled).toEqual([]);
    await requests[0]?.answer(204);
    expect(settled).toEqual([1, 2, 3]);
    expect(courier.state).toMatchObject({ state: 'ok', queued: 0, delivered: 3, failed: 0, dropped: 0 });
  });

  it('has one request under way, and sends what gathered behind it', async () => {
    const courier = makeCourier();
    courier.take(event(1));
    pass(courier, 100);
    courier.take(event(2));
    pass(courier, 1_000);
    expect(requests).toHaveLength(1);
    await requests[0]?.answer(200);
    pass(courier, 100);
    expect(requests[1]?.events).toEqual([{ n: 2 }]);
  });

  it('bounds a batch by count', async () => {
    const courier = makeCourier();
    for (let n = 1; n <= 450; n++) courier.take(event(n));
    pass(courier, 100);
    await requests[0]?.answer(200);
    await requests[1]?.answer(200);
    expect(requests.map(({ events }) => events.length)).toEqual([200, 200, 50]);
  });

  it('passes over what is another owner’s to tell, but repeats a batch as it was', async () => {
    const courier = makeCourier();
    let isGone = false;
    courier.take(event(1, () => isGone));
    pass(courier, 100);
    courier.take(event(2, () => isGone));
    courier.take(event(3));
    isGone = true;
    await requests[0]?.answer(500);
    pass(courier, 2_000);
    expect(requests[1]?.events).toEqual([{ n: 1 }]);
    await requests[1]?.answer(200);
    pass(courier, 100);
    expect(requests[2]?.events).toEqual([{ n: 3 }]);
  });
});

describe('a receiver that does not answer well', () => {
  it('is asked again with the same batch under the same id, later and later, up to a minute', async () => {
    const courier = makeCourier({ ageMsMax: 3_600_000 });
    courier.take(event(1));
    pass(courier, 100);
    const waits: number[] = [];
    for (let i = 0; i < 10; i++) {
      await requests[i]?.answer(i % 2 === 0 ? 503 : new Error('nobody there'));
      const beganMs = clock.now().monoMs;
      while (requests.length < i + 2) pass(courier, 20);
      waits.push(clock.now().monoMs - beganMs);
    }
    expect(new Set(requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(requests.map(({ body }) => body)).size).toBe(1);
    // Each attempt is signed for its own time.
    expect(new Set(requests.map(({ headers }) => headers['webhook-timestamp'])).size).toBeGreaterThan(5);
    waits.forEach((ms, i) => {
      const windowMs = Math.min(60_000, 500 * 2 ** i);
      expect(ms).toBeGreaterThanOrEqual(windowMs / 2);
      expect(ms).toBeLessThanOrEqual(windowMs + 20);
    });
    expect(courier.state).toMatchObject({ state: 'failing', queued: 1, failed: 10, lastError: 'nobody there' });
    await requests.at(-1)?.answer(200);
    expect(courier.state).toMatchObject({ state: 'ok', delivered: 1, queued: 0 });
    expect(settled).toEqual([1]);
    expect(logged).toEqual(['webhooks do not arrive', 'webhooks arrive again']);
  });

  it('does not learn of redirects', async () => {
    const courier = makeCourier();
    courier.take(event(1));
    pass(courier, 100);
    await requests[0]?.answer(302);
    expect(courier.state).toMatchObject({ state: 'failing', lastError: 'the receiver answered 302' });
  });

  it('loses the oldest beyond the bound of bytes, and is told how many', async () => {
    const courier = makeCourier({ queueBytesMax: 40 });
    for (let n = 1; n <= 9; n++) courier.take(event(n));
    expect(settled).toEqual([1, 2, 3, 4]);
    pass(courier, 100);
    expect(JSON.parse(requests[0]?.body ?? '')).toEqual({
      events: [{ n: 5 }, { n: 6 }, { n: 7 }, { n: 8 }, { n: 9 }],
      dropped: 4,
    });
    await requests[0]?.answer(200);
    expect(courier.state.dropped).toBe(4);
    courier.take(event(10));
    pass(courier, 100);
    expect(requests[1]?.body).toBe('{"events":[{"n":10}]}');
  });

  it('loses what is too old, under way or not, and is told how many', async () => {
    const courier = makeCourier({ ageMsMax: 5_000 });
    courier.take(event(1));
    pass(courier, 100);
    courier.take(event(2));
    await requests[0]?.answer(500);
    clock.advance(5_000);
    courier.take(event(3));
    pass(courier, 1_000);
    expect(settled).toEqual([1, 2]);
    expect(JSON.parse(requests[1]?.body ?? '')).toEqual({ events: [{ n: 3 }], dropped: 2 });
  });

  it('is left alone once it answers that it is gone', async () => {
    const courier = makeCourier();
    courier.take(event(1));
    pass(courier, 100);
    courier.take(event(2));
    await requests[0]?.answer(410);
    courier.take(event(3));
    pass(courier, 120_000);
    expect(requests).toHaveLength(1);
    expect(courier.state).toMatchObject({ state: 'off', dropped: 3, queued: 0 });
    expect(settled).toEqual([1, 2, 3]);
  });
});

it('shows an endpoint without what may be secret', () => {
  expect(makeCourier().state.url).toBe('https://backend.example/hooks');
});
