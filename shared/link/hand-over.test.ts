import { describe, expect, test } from 'vitest';
import { ManualClock } from '../clock.ts';
import { FrameDecoder } from './decode.ts';
import { prepare } from './encode.ts';
import { HandOver } from './hand-over.ts';
import { turns } from './link-fixture.ts';
import type { LinkMessage } from './messages.ts';
import { ManualTimers } from './timers.ts';

/** A kernel that takes a batch only when told to. */
class ManualKernel {
  readonly clock = new ManualClock();
  readonly timers = new ManualTimers(this.clock);
  readonly decoder = new FrameDecoder();
  readonly taken: LinkMessage[] = [];
  readonly lateMs: number[] = [];
  idles = 0;
  readonly out: HandOver;
  #pending: { readonly bytes: Buffer; readonly done: () => void } | undefined;

  constructor(passes: (message: LinkMessage) => boolean = () => true) {
    const edge = {
      write: (bytes: Buffer, done: () => void) => {
        expect(this.#pending).toBeUndefined();
        this.#pending = { bytes, done };
      },
      passes,
      onDropped: () => {},
      onLate: (ms: number) => this.lateMs.push(ms),
      onIdle: () => {
        this.idles += 1;
      },
    };
    this.out = new HandOver(edge, this.clock, this.timers);
  }

  get holds(): boolean {
    return this.#pending !== undefined;
  }

  take(): void {
    const pending = this.#pending;
    if (pending === undefined) throw new Error('nothing was handed over');
    this.#pending = undefined;
    // The kernel copies: the batch is filled again after this.
    this.taken.push(...this.decoder.push(Buffer.from(pending.bytes)));
    pending.done();
  }
}

const moved = (epoch: number): LinkMessage => ({ type: 'moved', room: 1, epoch });
const cast = (seq: number) => ({ type: 'cast', room: 1, class: 'message', seq, excluded: 0 }) as const;

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

describe('HandOver', () => {
  test('a wait ends when the kernel has taken what was queued before it, not when it was written', async () => {
    const kernel = new ManualKernel();
    kernel.out.push(prepare(moved(1)));
    kernel.out.flush();
    const first = kernel.out.whenHandedOver();
    kernel.out.push(prepare(moved(2)));
    const second = kernel.out.whenHandedOver();
    expect(kernel.out.bytes).toBeGreaterThan(0);
    expect(await isSettled(first)).toBe(false);
    kernel.take();
    expect(await first).toBe(true);
    expect(await isSettled(second)).toBe(false);
    kernel.take();
    expect(await second).toBe(true);
    expect(kernel.taken).toEqual([moved(1), moved(2)]);
    expect(kernel.idles).toBe(1);
    expect(await kernel.out.whenHandedOver()).toBe(true);
  });

  test('a wait ends when what it waited for was taken back', async () => {
    const kernel = new ManualKernel();
    kernel.out.push(prepare(moved(1)));
    const handedOver = kernel.out.whenHandedOver();
    expect(kernel.out.drop(() => true)).toEqual([moved(1)]);
    expect(await handedOver).toBe(true);
    expect(kernel.out.isIdle).toBe(true);
  });

  test('a long call that has begun to leave is neither taken back nor cut short by the gate', () => {
    let open = true;
    const kernel = new ManualKernel(() => open);
    const call: LinkMessage = { type: 'call', id: 1, op: 'x', args: 'y'.repeat(200_000) };
    kernel.out.push(prepare(call));
    kernel.out.push(prepare(moved(1)));
    kernel.out.flush();
    open = false;
    expect(kernel.out.drop(() => true)).toEqual([moved(1)]);
    while (!kernel.out.isIdle) kernel.take();
    expect(kernel.taken).toEqual([call]);
  });

  test('a batch that the kernel took late is reported', () => {
    const kernel = new ManualKernel();
    for (const ms of [1_000, 1_001]) {
      kernel.out.push(prepare(moved(1)));
      kernel.out.flush();
      kernel.clock.advance(ms);
      kernel.take();
    }
    expect(kernel.lateMs).toEqual([1_001]);
  });

  test('who asks without reading gets no more answers than a few', () => {
    const kernel = new ManualKernel();
    kernel.out.push(prepare(moved(1)));
    kernel.out.flush();
    const queued = Array.from({ length: 1_000 }, (_, seq) => kernel.out.pushBeat(prepare({ type: 'ping', seq })));
    expect(queued.filter((taken) => taken).length).toBe(32);
    while (!kernel.out.isIdle) kernel.take();
    expect(kernel.taken.length).toBe(33);
  });

  test('after stop nothing leaves, and every wait is answered', async () => {
    const kernel = new ManualKernel();
    kernel.out.push(prepare(moved(1)));
    const handedOver = kernel.out.whenHandedOver();
    kernel.out.stop();
    kernel.out.flush();
    expect(await handedOver).toBe(false);
    expect(await kernel.out.whenHandedOver()).toBe(false);
    expect(() => kernel.take()).toThrow('nothing was handed over');
  });
});

describe('a link that is written to turn after turn', () => {
  /** What a turn brings, small, and its end; the kernel takes at once what was handed over. */
  async function turn(kernel: ManualKernel, epoch: number, bytes = 0): Promise<void> {
    const frame = Buffer.alloc(bytes);
    kernel.out.push(prepare(bytes === 0 ? moved(epoch) : { ...cast(epoch), frame }));
    await turns(1);
    if (kernel.holds) kernel.take();
  }

  async function pacedKernel(): Promise<ManualKernel> {
    const kernel = new ManualKernel();
    for (let at = 1; at <= 16; at++) await turn(kernel, at);
    expect(kernel.taken.length).toBe(16);
    return kernel;
  }

  test('is paced after sixteen small batches: the next holds what comes within a millisecond', async () => {
    const kernel = await pacedKernel();
    for (let at = 17; at <= 20; at++) await turn(kernel, at);
    expect(kernel.taken.length).toBe(16);
    kernel.timers.advance(1);
    kernel.take();
    expect(kernel.taken).toEqual(Array.from({ length: 20 }, (_, at) => moved(at + 1)));
    expect(kernel.timers.pending).toBe(0);
    // One batch a millisecond, not a burst anew.
    await turn(kernel, 21);
    expect(kernel.taken.length).toBe(20);
    kernel.timers.advance(1);
    kernel.take();
    expect(kernel.taken.length).toBe(21);
  });

  test('leaves at once again after it was quiet', async () => {
    const kernel = await pacedKernel();
    kernel.timers.advance(2);
    await turn(kernel, 17);
    await turn(kernel, 18);
    expect(kernel.taken.length).toBe(18);
    await turn(kernel, 19);
    expect(kernel.taken.length).toBe(18);
  });

  test('does not wait once much is queued, for a beat, or for who flushes', async () => {
    const kernel = await pacedKernel();
    await turn(kernel, 17);
    await turn(kernel, 18, 40_000);
    expect(kernel.taken.length).toBe(18);
    expect(kernel.timers.pending).toBe(0);
    await turn(kernel, 19);
    kernel.out.pushBeat(prepare({ type: 'ping', seq: 1 }));
    await turns(1);
    kernel.take();
    expect(kernel.taken.length).toBe(20);
    await turn(kernel, 20);
    kernel.out.flush();
    kernel.take();
    expect(kernel.taken.length).toBe(21);
    expect(kernel.timers.pending).toBe(0);
  });

  test('asks the gate when its time has come, not before', async () => {
    let open = true;
    const kernel = new ManualKernel(() => open);
    for (let at = 1; at <= 17; at++) await turn(kernel, at);
    open = false;
    kernel.timers.advance(1);
    expect(kernel.holds).toBe(false);
    expect(kernel.taken.length).toBe(16);
    expect(kernel.out.isIdle).toBe(true);
  });

  test('leaves no timer when it is stopped', async () => {
    const kernel = await pacedKernel();
    await turn(kernel, 17);
    expect(kernel.timers.pending).toBe(1);
    kernel.out.stop();
    expect(kernel.timers.pending).toBe(0);
  });
});
