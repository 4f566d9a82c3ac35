import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { Supervisor, type SupervisorEvent, type SupervisorOptions } from './supervisor.ts';
import type { Exit, Worker } from './worker.ts';

/** A worker that lives until it is told to die. */
class FakeWorker implements Worker {
  readonly pid = 1;
  readonly heard: string[] = [];
  readonly exited: Promise<Exit>;
  #exit: (exit: Exit) => void = () => undefined;
  #ready: (message: Readonly<Record<string, unknown>>) => void = () => undefined;

  constructor() {
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
  }

  onReady(listener: (message: Readonly<Record<string, unknown>>) => void): void {
    this.#ready = listener;
  }
  drain = () => void this.heard.push('drain');
  stop = () => void this.heard.push('stop');
  reload = () => void this.heard.push('reload');
  kill = () => {
    this.heard.push('kill');
    void this.die({ code: null, signal: 'SIGKILL' });
  };
  sayReady(): void {
    this.#ready({ type: 'ready' });
  }
  async die(exit: Exit): Promise<void> {
    this.#exit(exit);
    await this.exited;
    await Promise.resolve();
  }
}

const CRASH: Exit = { code: 1, signal: null };

function supervised(options: Partial<SupervisorOptions> = {}) {
  const lives: FakeWorker[] = [];
  const events: SupervisorEvent[] = [];
  const clock = new ManualClock();
  const supervisor = new Supervisor({
    launch: () => {
      const worker = new FakeWorker();
      lives.push(worker);
      return worker;
    },
    restart: true,
    restartDelayMs: 2_000,
    on: (event) => events.push(event),
    clock,
    random: new SeededRandom(1),
    ...options,
  });
  supervisor.start();
  const life = (): FakeWorker => {
    const worker = lives.at(-1);
    if (worker === undefined) throw new Error('no life yet');
    return worker;
  };
  return { supervisor, lives, life, events, clock };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('Supervisor', () => {
  it('starts a worker that crashed again, later each time', async () => {
    const { supervisor, lives, life, events } = supervised();
    const pauses: number[] = [];
    for (let i = 0; i < 4; i++) {
      await life().die(i === 2 ? { code: null, signal: 'SIGSEGV' } : CRASH);
      const last = events.at(-1);
      if (last?.kind !== 'ended' || last.restartMs === undefined) throw new Error('no restart announced');
      pauses.push(last.restartMs);
      vi.advanceTimersByTime(last.restartMs - 1);
      expect(lives).toHaveLength(i + 1);
      vi.advanceTimersByTime(1);
      expect(lives).toHaveLength(i + 2);
    }
    for (const [i, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(0.9 * 2_000 * 2 ** i);
      expect(pause).toBeLessThanOrEqual(1.1 * 2_000 * 2 ** i);
    }
    void supervisor.stop('at once');
    await life().die({ code: 0, signal: null });
  });

  it.each([
    [0, 'done'],
    [2, 'refused'],
  ] as const)('does not start again after exit code %d (%s)', async (code, verdict) => {
    const { life, events } = supervised();
    await life().die({ code, signal: null });
    expect(events.at(-1)).toMatchObject({ kind: 'ended', verdict, restartMs: undefined });
  });

  it('starts a certified node again, and nothing if told not to', async () => {
    const again = supervised();
    await again.life().die({ code: 3, signal: null });
    expect(again.events.at(-1)).toMatchObject({ verdict: 'certified', restartMs: expect.any(Number) });
    await again.supervisor.stop('at once');
    const never = supervised({ restart: false });
    await never.life().die(CRASH);
    expect(never.events.at(-1)).toMatchObject({ verdict: 'crashed', restartMs: undefined });
  });

  it('passes readiness on', () => {
    const { life, events, supervisor } = supervised();
    life().sayReady();
    expect(events.map(({ kind }) => kind)).toEqual(['started', 'ready']);
    void supervisor.stop('at once', 0);
    vi.runAllTimers();
  });

  it('drains when asked, and starts nothing after it', async () => {
    const { supervisor, life, lives } = supervised();
    supervisor.drain();
    expect(life().heard).toEqual(['drain']);
    await life().die(CRASH);
    vi.runAllTimers();
    expect(lives).toHaveLength(1);
  });

  it.each(['drain', 'at once'] as const)('ends by force what does not end (%s)', async (how) => {
    const { supervisor, life } = supervised();
    const stopped = supervisor.stop(how, 4_000);
    expect(supervisor.stop(how, 4_000)).toBe(stopped);
    vi.advanceTimersByTime(3_999);
    expect(life().heard).toEqual([how === 'drain' ? 'drain' : 'stop']);
    vi.advanceTimersByTime(1);
    await stopped;
    expect(life().heard.at(-1)).toBe('kill');
  });

  it('can be stopped while it waits for the next life', async () => {
    const { supervisor, life, lives } = supervised();
    await life().die(CRASH);
    await supervisor.stop('at once');
    vi.runAllTimers();
    expect(lives).toHaveLength(1);
  });

  it('renews a life at once, whatever it was told of restarts, and by force where it does not end', async () => {
    const { supervisor, lives, life, events } = supervised({ restart: false });
    const renewed = supervisor.renew(4_000);
    expect(life().heard).toEqual(['drain']);
    await life().die({ code: 0, signal: null });
    expect(await renewed).toBe(true);
    expect(events.at(-1)).toMatchObject({ kind: 'ended', restartMs: 0 });
    vi.advanceTimersByTime(1);
    expect(lives).toHaveLength(2);
    const forced = supervisor.renew(4_000);
    vi.advanceTimersByTime(4_000);
    expect(await forced).toBe(true);
    expect(lives[1]?.heard).toEqual(['drain', 'kill']);
    vi.advanceTimersByTime(1);
    expect(lives).toHaveLength(3);
    // That was it: the next death is treated as configured.
    await life().die(CRASH);
    vi.runAllTimers();
    expect(lives).toHaveLength(3);
    expect(await supervisor.renew(4_000)).toBe(true);
    expect(lives).toHaveLength(4);
    void supervisor.stop('at once');
    await life().die(CRASH);
  });

  it('renews nothing that is being stopped', async () => {
    const { supervisor, life, lives } = supervised();
    const renewed = supervisor.renew(4_000);
    void supervisor.stop('at once');
    await life().die({ code: 0, signal: null });
    expect(await renewed).toBe(false);
    expect(await supervisor.renew(4_000)).toBe(false);
    vi.runAllTimers();
    expect(lives).toHaveLength(1);
  });
});
