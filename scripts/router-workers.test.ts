import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import type { ClusterWorker } from './cluster-worker.ts';
import { RouterWorkers, type RouterWorkersEvent, type RouterWorkersOptions } from './router-workers.ts';
import type { Exit } from './worker.ts';

const CRASH: Exit = { code: 1, signal: null };
const KILLED: Exit = { code: null, signal: 'SIGKILL' };
const DONE: Exit = { code: 0, signal: null };
const REFUSED: Exit = { code: 2, signal: null };

/** A worker that lives until it is told to die. */
class FakeWorker implements ClusterWorker {
  readonly pid: number;
  readonly position: number;
  readonly heard: string[] = [];
  readonly sent: object[] = [];
  readonly exited: Promise<Exit>;
  #exit: (exit: Exit) => void = () => undefined;
  #ready: (message: Readonly<Record<string, unknown>>) => void = () => undefined;
  #listener: (message: unknown) => void = () => undefined;

  constructor(position: number, pid: number) {
    this.position = position;
    this.pid = pid;
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
  }

  onReady(listener: (message: Readonly<Record<string, unknown>>) => void): void {
    this.#ready = listener;
  }
  onMessage(listener: (message: unknown) => void): void {
    this.#listener = listener;
  }
  send = (message: object) => void this.sent.push(message);
  drain = () => void this.heard.push('drain');
  stop = () => void this.heard.push('stop');
  reload = () => void this.heard.push('reload');
  kill = () => void this.heard.push('kill');
  says(message: unknown): void {
    this.#listener(message);
  }
  serves(): void {
    this.#ready({ type: 'ready', url: 'http://u' });
  }
  async die(exit: Exit): Promise<void> {
    this.#exit(exit);
    await this.exited;
    await Promise.resolve();
  }
}

function made(options: Partial<RouterWorkersOptions> = {}) {
  const lives: FakeWorker[] = [];
  const events: RouterWorkersEvent[] = [];
  const workers = new RouterWorkers({
    workers: 2,
    launch: (position) => {
      const worker = new FakeWorker(position, lives.length + 1);
      lives.push(worker);
      return worker;
    },
    restart: true,
    restartDelayMs: 2_000,
    metrics: async () => [],
    on: (event) => events.push(event),
    clock: new ManualClock(),
    random: new SeededRandom(1),
    ...options,
  });
  workers.start();
  const life = (nth: number): FakeWorker => {
    const worker = lives[nth - 1];
    if (worker === undefined) throw new Error(`there is no life ${nth}`);
    return worker;
  };
  const told = (kind: RouterWorkersEvent['kind']) => events.filter((event) => event.kind === kind);
  return { workers, lives, life, told };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const READY = { type: 'group', ready: true };
const NOT_READY = { type: 'group', ready: false };

it('is ready once every worker serves, and says so to each and once to its starter', () => {
  const { life, told } = made();
  life(1).serves();
  expect([life(1).sent, told('ready')]).toEqual([[], []]);
  life(2).serves();
  expect(life(1).sent).toContainEqual(READY);
  expect(life(2).sent).toContainEqual(READY);
  expect(told('ready')).toEqual([{ kind: 'ready', url: 'http://u' }]);
});

it('replaces a worker that died, in its place, and stays ready for the others', async () => {
  const { workers, life, lives, told } = made();
  life(1).serves();
  life(2).serves();
  await life(1).die(KILLED);
  expect([workers.serving, life(2).sent]).not.toContainEqual(NOT_READY);
  vi.advanceTimersToNextTimer();
  expect(lives.map(({ position }) => position)).toEqual([1, 2, 1]);
  expect([workers.serving, workers.restarts]).toEqual([1, 1]);
  life(3).serves();
  // It did not hear it when the others did.
  expect(life(3).sent).toEqual([READY]);
  expect([workers.serving, told('ready').length, told('ended')]).toEqual([2, 1, []]);
});

it('tells all workers what one has seen, once, and a new one what there was', async () => {
  const { life } = made();
  life(1).serves();
  life(2).serves();
  const report = { at: 1, kind: 'node.joined', node: 'n1', incarnation: 'a' };
  const events = [{ id: 1, ...report }];
  life(1).says({ type: 'reports', reports: [report, { kind: 7 }], missed: 0 });
  life(2).says({ type: 'reports', reports: [report], missed: 0 });
  for (const n of [1, 2]) {
    expect(life(n).sent.filter((one) => 'events' in one)).toEqual([{ type: 'events', events, missed: 0 }]);
  }
  await life(1).die(KILLED);
  vi.advanceTimersToNextTimer();
  life(3).serves();
  expect(life(3).sent).toContainEqual({ type: 'events', events, missed: 0 });
});

it('hands on the wish to have a node killed', () => {
  const { life, told } = made();
  life(1).serves();
  life(1).says({ type: 'kill-node', node: 'n2' });
  expect(told('kill-node')).toEqual([{ kind: 'kill-node', node: 'n2' }]);
});

it('is not ready while no worker serves', async () => {
  const { workers, life } = made();
  life(1).serves();
  life(2).serves();
  await life(2).die(CRASH);
  await life(1).die(CRASH);
  vi.advanceTimersToNextTimer();
  expect(workers.serving).toBe(0);
  life(3).serves();
  expect(life(3).sent).toContainEqual(READY);
  workers.drain();
});

it('pauses longer and longer for a worker that keeps dying, up to a bound', async () => {
  const { workers, lives, life, told } = made({ restartDelayMs: 1_000 });
  for (let nth = 0; nth < 12; nth++) {
    await lives
      .filter(({ position }) => position === 1)
      .at(-1)
      ?.die(CRASH);
    vi.advanceTimersToNextTimer();
  }
  const pauses = told('worker').flatMap((event) =>
    event.kind === 'worker' && event.event.kind === 'ended' ? [event.event.restartMs ?? 0] : [],
  );
  expect(pauses).toHaveLength(12);
  expect(pauses[1] ?? 0).toBeGreaterThan(pauses[0] ?? 0);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(40_000);
  expect(life(2).heard).toEqual([]);
  workers.drain();
});

it('drains all, starts none, and has ended when the last has', async () => {
  const { workers, life, lives, told } = made();
  life(1).serves();
  life(2).serves();
  workers.drain();
  expect([life(1).heard, life(2).heard]).toEqual([['drain'], ['drain']]);
  expect(life(1).sent.at(-1)).toEqual(NOT_READY);
  await life(1).die(DONE);
  expect(told('ended')).toEqual([]);
  await life(2).die(DONE);
  expect(told('ended')).toEqual([{ kind: 'ended', code: 0 }]);
  expect(lives).toHaveLength(2);
});

it('58 has every worker read its files again, and none that is gone', async () => {
  const { workers, life } = made();
  life(1).serves();
  await life(2).die(CRASH);
  workers.reload();
  expect([life(1).heard, life(2).heard]).toEqual([['reload'], []]);
  workers.drain();
});

it('has ended at once when it is drained while nobody lives', async () => {
  const { workers, life, told } = made();
  await life(1).die(CRASH);
  await life(2).die(CRASH);
  workers.drain();
  expect(told('ended')).toEqual([{ kind: 'ended', code: 0 }]);
});

it('ends all when one is refused before the router ever served', async () => {
  const { life, told } = made();
  await life(1).die(REFUSED);
  expect(life(2).heard).toEqual(['stop']);
  await life(2).die(DONE);
  vi.clearAllTimers();
  expect(told('ended')).toEqual([{ kind: 'ended', code: 2 }]);
});

it('goes on without restarts until nobody is left', async () => {
  const { life, told } = made({ restart: false });
  life(1).serves();
  life(2).serves();
  await life(1).die(KILLED);
  expect(told('ended')).toEqual([]);
  await life(2).die(CRASH);
  expect(told('ended')).toEqual([{ kind: 'ended', code: 1 }]);
});

it('answers a worker’s question with the metrics of all that serve', async () => {
  const { life, workers } = made();
  life(1).serves();
  life(2).serves();
  life(1).says({ type: 'ask-metrics', id: 9 });
  expect(life(2).sent).toContainEqual({ type: 'collect' });
  const counter = (value: number) => ({
    type: 'metrics',
    metrics: [{ name: 'c_total', help: 'h', type: 'counter', aggregator: 'sum', values: [{ value, labels: {} }] }],
  });
  life(1).says(counter(1));
  life(2).says(counter(2));
  await vi.advanceTimersByTimeAsync(0);
  expect(life(1).sent.at(-1)).toMatchObject({
    type: 'metrics-text',
    id: 9,
    text: expect.stringContaining('c_total 3'),
  });
  workers.drain();
});
