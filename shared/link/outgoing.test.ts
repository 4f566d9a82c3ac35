/** The order of bytes on a link: what is written here is decoded again, so a fragment out of place is a fault. */
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../random.ts';
import { SendCredit } from './credit.ts';
import { FrameDecoder } from './decode.ts';
import { prepare } from './encode.ts';
import { FRAME_HEADER_BYTES } from './frame-header.ts';
import { type Cast, type ClientFrame, FRAGMENT_CONTENT, isGated, type LinkMessage } from './messages.ts';
import { type Allowance, BATCH_BYTES, BEGUN_MAX, HAND_OVER_MAX, type LaneKey, OutgoingQueue } from './outgoing.ts';

/** A queue, and the far end of its link. */
class Bench {
  readonly queue = new OutgoingQueue();
  readonly decoder = new FrameDecoder();
  readonly told: LinkMessage[] = [];
  readonly dropped: LinkMessage[] = [];
  gateOpen = true;
  allowance: Allowance | undefined;

  push(message: LinkMessage, lane?: LaneKey): void {
    this.queue.push(prepare(message), lane);
  }

  /** @returns the frames of one batch: the type and id of each */
  batch(): string[] {
    const target = Buffer.alloc(BATCH_BYTES);
    const passes = (message: LinkMessage) => this.gateOpen || !isGated(message);
    const { bytes, dropped } = this.queue.fill(target, 0, passes, this.allowance);
    expect(bytes).toBeLessThanOrEqual(BATCH_BYTES);
    this.dropped.push(...dropped);
    const written = Buffer.from(target.subarray(0, bytes));
    this.told.push(...this.decoder.push(written));
    const frames: string[] = [];
    for (let at = 0; at < bytes; at += FRAME_HEADER_BYTES + written.readUIntBE(at, 3)) {
      frames.push(`${(written[at + 3] ?? 0).toString(16)} ${written.readUInt32BE(at + 4)}`);
    }
    return frames;
  }

  drain(): void {
    for (let batches = 0; this.queue.isReady && batches < 100_000; batches++) if (this.batch().length === 0) return;
  }
}

const cast = (room: number, seq: number, bytes = 100): Cast => ({
  type: 'cast',
  room,
  class: 'message',
  seq,
  excluded: 0,
  frame: Buffer.alloc(bytes, seq),
});
const said = (session: number, cseq: number, bytes = 100): ClientFrame => ({
  type: 'client-frame',
  session,
  cseq,
  resent: false,
  payload: Buffer.alloc(bytes, cseq),
});
const moved = (room: number): LinkMessage => ({ type: 'moved', room, epoch: 1 });
const open = (...handles: number[]): LinkMessage => ({
  type: 'open',
  room: 'r',
  floor: 0,
  sessions: handles.map((handle) => ({ handle, session: `s${handle}`, user: 'u', seat: 1, kind: 'rebind', since: 1 })),
});
const seqs = (messages: readonly LinkMessage[], room: number) =>
  messages.flatMap((message) => (message.type === 'cast' && message.room === room ? [message.seq] : []));
const MIB = 1_048_576;
const CAST = '21';

describe('a large message', () => {
  test('lets those of other rooms pass: one fragment of it leaves with each batch', () => {
    const bench = new Bench();
    bench.push(cast(1, 1, MIB), 'a');
    for (let seq = 1; seq <= 5_000; seq++) bench.push(cast(2, seq), 'b');
    const smallBytes = bench.queue.bytes - prepare(cast(1, 1, MIB)).bytes;
    const batches: string[][] = [];
    while (seqs(bench.told, 2).length < 5_000) batches.push(bench.batch());
    for (const batch of batches.slice(0, -1)) expect(batch.filter((frame) => frame === `${CAST} 1`)).toHaveLength(1);
    // The small ones have three quarters of each batch: no more delay than that.
    expect(batches.length).toBeLessThanOrEqual(Math.ceil(smallBytes / (HAND_OVER_MAX - FRAGMENT_CONTENT - 200)) + 1);
    expect(seqs(bench.told, 1)).toEqual([]);
    bench.drain();
    expect(seqs(bench.told, 1)).toEqual([1]);
    expect(seqs(bench.told, 2)).toEqual(Array.from({ length: 5_000 }, (_, at) => at + 1));
  });

  test('is not passed by what is said of the same room, nor passes what was said before', () => {
    const bench = new Bench();
    bench.push(cast(1, 1), 'a');
    bench.push(cast(1, 2, 200_000), 'a');
    bench.push(cast(1, 3), 'a');
    bench.push(moved(1), 'a');
    bench.push(cast(2, 1), 'b');
    bench.drain();
    expect(bench.told.map((message) => message.type)).toEqual(['cast', 'cast', 'cast', 'cast', 'moved']);
    expect(seqs(bench.told, 1)).toEqual([1, 2, 3]);
    expect(bench.told.findIndex((message) => message.type === 'cast' && message.room === 2)).toBeLessThan(2);
  });

  test('of several rooms take turns, and no more are begun than the other side takes', () => {
    const bench = new Bench();
    for (let room = 1; room <= 40; room++) bench.push(cast(room, room, MIB), `room ${room}`);
    const seen = new Set<string>();
    for (let batch = 0; batch < 10; batch++) for (const frame of bench.batch()) seen.add(frame);
    expect(seen.size).toBe(BEGUN_MAX);
    bench.drain();
    expect(bench.told).toHaveLength(40);
  });

  test('is not starved by an endless stream of small ones', () => {
    const bench = new Bench();
    bench.push(cast(1, 1, MIB), 'a');
    let seq = 0;
    for (let batch = 0; batch < 70; batch++) {
      // Always four batches of them behind the one that leaves now.
      while (bench.queue.bytes < MIB + 4 * HAND_OVER_MAX) bench.push(cast(2, ++seq, 2_000), 'b');
      bench.batch();
    }
    expect(seqs(bench.told, 1)).toEqual([1]);
  });

  test('a long call and small ones take turns', () => {
    const bench = new Bench();
    bench.push({ type: 'call', id: 1, op: 'x', args: 'y'.repeat(400_000) });
    for (let seq = 1; seq <= 2_000; seq++) bench.push(cast(2, seq), 'b');
    for (let batch = 0; batch < 6; batch++) bench.batch();
    expect(seqs(bench.told, 2).length).toBeGreaterThan(1_000);
    bench.drain();
    expect(bench.told.at(-1)?.type).toBe('call');
    expect(bench.told).toHaveLength(2_001);
  });
});

describe('a gate that shuts within a message', () => {
  test('makes it void: nothing of it is told, and the room goes on when the gate is open again', () => {
    const bench = new Bench();
    const large = cast(1, 1, MIB);
    bench.push(large, 'a');
    bench.push(moved(1), 'a');
    bench.batch();
    bench.gateOpen = false;
    bench.drain();
    expect(bench.dropped).toEqual([large]);
    expect(bench.told).toEqual([moved(1)]);
    expect(bench.queue.isEmpty).toBe(true);
    expect(bench.queue.bytes).toBe(0);
    bench.gateOpen = true;
    bench.push(cast(1, 2, 200_000), 'a');
    bench.drain();
    expect(seqs(bench.told, 1)).toEqual([2]);
  });

  test('so does taking it back', () => {
    const bench = new Bench();
    bench.push(cast(1, 1, MIB), 'a');
    bench.batch();
    expect(seqs(bench.queue.drop(isGated), 1)).toEqual([1]);
    bench.push(cast(1, 2), 'a');
    bench.drain();
    expect(seqs(bench.told, 1)).toEqual([2]);
    expect(bench.queue.isEmpty).toBe(true);
  });
});

describe('without credit', () => {
  test('data waits, and behind it what is said of the same room; the rest goes on', () => {
    const bench = new Bench();
    const credit = new SendCredit();
    bench.allowance = credit;
    bench.push(cast(1, 1), 'a');
    bench.push(moved(1), 'a');
    bench.push(moved(2), 'b');
    bench.push({ type: 'call', id: 1, op: 'x', args: null });
    bench.drain();
    expect(bench.told).toEqual([moved(2), { type: 'call', id: 1, op: 'x', args: null }]);
    expect(bench.queue.isReady).toBe(false);
    expect(credit.isShort).toBe(true);
    credit.grant(1_000);
    bench.queue.replenished();
    bench.drain();
    expect(bench.told.slice(2)).toEqual([cast(1, 1), moved(1)]);
  });

  test('order is kept between what waited, what was queued behind it, and what came later', () => {
    const bench = new Bench();
    const credit = new SendCredit();
    bench.allowance = credit;
    for (let seq = 1; seq <= 700; seq++) bench.push(cast(1, seq), 'a');
    bench.batch();
    for (let seq = 701; seq <= 800; seq++) bench.push(cast(1, seq), 'a');
    credit.grant(40_000);
    bench.queue.replenished();
    bench.drain();
    bench.push(cast(1, 801), 'a');
    credit.grant(10_000_000);
    bench.queue.replenished();
    bench.drain();
    expect(seqs(bench.told, 1)).toEqual(Array.from({ length: 801 }, (_, at) => at + 1));
  });

  test('an ack does not pass what was answered before it', () => {
    const bench = new Bench();
    const credit = new SendCredit();
    bench.allowance = credit;
    const acks: LinkMessage = { type: 'acks', entries: [{ session: 1, cseq: 1 }] };
    bench.push(cast(1, 1), 'a');
    bench.push(acks);
    bench.drain();
    expect(bench.told).toEqual([]);
    credit.grant(1_000);
    bench.queue.replenished();
    bench.drain();
    expect(bench.told).toEqual([cast(1, 1), acks]);
  });
});

describe('an OPEN', () => {
  test('follows the frames of the sessions it names, and all its pieces follow each other', () => {
    const bench = new Bench();
    bench.push(said(1, 1, 300_000), 1);
    bench.push(open(2));
    bench.push(open(3, 1));
    bench.push(open(4));
    bench.push(said(5, 1), 5);
    bench.drain();
    const order = bench.told.map((message) =>
      message.type === 'open'
        ? message.sessions.map((one) => one.handle).join()
        : `said ${'session' in message ? message.session : ''}`,
    );
    expect(order.filter((one) => !one.startsWith('said'))).toEqual(['2', '3,1', '4']);
    expect(order.indexOf('said 1')).toBeLessThan(order.indexOf('3,1'));
    expect(order.indexOf('said 5')).toBeLessThan(order.indexOf('said 1'));
  });
});

/** One life of a queue: pushes, grants, gates and drops at random. */
function live(seed: number): void {
  const random = new SeededRandom(seed);
  const bench = new Bench();
  const credit = new SendCredit();
  bench.allowance = credit;
  const lanes = 1 + random.below(6);
  const pushed = new Map<number, number>();
  const taken = new Set<string>();
  let granted = 0;
  let spent = 0;
  for (let step = 0; step < 200; step++) {
    switch (random.below(8)) {
      case 0:
        granted += 60_000;
        credit.grant(60_000);
        bench.queue.replenished();
        break;
      case 1:
        if (random.below(4) === 0) bench.gateOpen = !bench.gateOpen;
        break;
      case 2:
        if (random.below(6) !== 0) break;
        for (const message of bench.queue.drop((one) => isGated(one) && random.below(3) === 0)) {
          if (message.type === 'cast') taken.add(`${message.room} ${message.seq}`);
        }
        break;
      case 3:
      case 4:
        bench.batch();
        spent += bench.decoder.takeDataBytes();
        expect(spent).toBeLessThanOrEqual(granted);
        break;
      default: {
        const room = 1 + random.below(lanes);
        const seq = (pushed.get(room) ?? 0) + 1;
        pushed.set(room, seq);
        bench.push(
          cast(room, seq, random.below(5) === 0 ? 70_000 + random.below(60_000) : random.below(3_000)),
          `${room}`,
        );
      }
    }
  }
  bench.gateOpen = true;
  granted += 1_000_000_000;
  credit.grant(1_000_000_000);
  bench.queue.replenished();
  bench.drain();
  for (const message of bench.dropped) if (message.type === 'cast') taken.add(`${message.room} ${message.seq}`);
  for (const [room, last] of pushed) {
    const expected = Array.from({ length: last }, (_, at) => at + 1).filter((seq) => !taken.has(`${room} ${seq}`));
    expect(seqs(bench.told, room)).toEqual(expected);
  }
  expect(bench.queue.isEmpty).toBe(true);
  expect([bench.queue.bytes, bench.queue.dataBytes]).toEqual([0, 0]);
}

test('whatever happens, each room is told in order what was not taken back, whole, and within the credit', () => {
  for (let seed = 1; seed <= 400; seed++) {
    try {
      live(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
