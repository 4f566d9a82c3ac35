import { describe, expect, it, vi } from 'vitest';
import type { RoomRecord, Triple } from '../shared/directory/directory.ts';
import { SeededRandom } from '../shared/random.ts';
import { BEAT, FENCE, GEN, GRACE, LeaseBench, ME, OTHER, RUN, triple } from './fixture.ts';
import { type OwnershipEvent, RoomOwnership } from './ownership.ts';

function record(
  epoch: number,
  owner: { node: string; incarnation: string } | undefined,
  more: Partial<RoomRecord> = {},
) {
  const nonce = String(epoch % 10).repeat(16);
  return { owner, epoch, nonce, head: 0, tags: [{ tag: `${epoch}.${nonce}`, firstSeq: 1 }], ...more };
}
const mine = { node: 'n1', incarnation: ME };
const theirs = { node: 'n2', incarnation: OTHER };

/** One room's ownership on a living lease, every reply of the directory given by hand. */
class Bench {
  readonly bench = new LeaseBench().live();
  readonly directory = this.bench.directory;
  readonly events: OwnershipEvent[] = [];
  readonly room: RoomOwnership;
  head = 0;
  takeovers = 0;
  stateFor: string | undefined;

  constructor() {
    this.room = new RoomOwnership({
      room: 'r',
      node: 'n1',
      incarnation: ME,
      lease: this.bench.lease,
      random: new SeededRandom(5),
      call: this.directory.call,
      now: () => this.bench.clock.now(),
      count: () => undefined,
      observeClaim: () => undefined,
      head: () => this.head,
      isDurable: false,
      open: { last: 9, bytesMax: 999 },
      restore: () => undefined,
      standing: (owner, done) => this.directory.call('standing', owner, done),
      takingOver: () => this.takeovers++,
      hasStateFor: (nonce) => nonce === this.stateFor,
      wake: () => undefined,
      on: (event) => this.events.push(event),
    });
  }

  get now() {
    return this.bench.clock.now();
  }

  get last(): OwnershipEvent | undefined {
    return this.events.at(-1);
  }

  read(found: RoomRecord | undefined): void {
    this.directory.answer('readRoom', found === undefined ? { kind: 'missing' } : { kind: 'record', record: found });
  }

  stands(standing: 'living' | 'certified' | 'unknown'): void {
    this.directory.answer('standing', { runId: RUN, gen: GEN, standing });
  }

  own(epoch: number) {
    return this.directory.answer('claim', { kind: 'owned', record: record(epoch, mine) });
  }

  /** Holds the room under `epoch`. */
  hold(epoch = 5): this {
    this.room.seek(0, this.now);
    this.read(undefined);
    this.stands('living');
    this.own(epoch);
    return this;
  }

  /** Met another history; registered and living there. */
  history(unbroken = true): void {
    if (!unbroken) this.bench.tick(FENCE);
    this.bench.lease.metRun('run-2', this.now);
    this.room.historyChanged(unbroken, this.now);
    while (this.directory.waiting.length > 0) {
      const [first] = this.directory.waiting;
      if (first !== undefined) this.directory.take(first);
    }
    this.bench.tick();
    this.directory.answer('register', { kind: 'registered', gen: GEN, ver: 1, first: false });
    this.bench.beat(1);
  }
}

describe('a lost owner that an OPEN names', () => {
  it('is asked about while the record is read: then the claim follows at once', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now, theirs);
    expect(bench.directory.waiting).toEqual(['readRoom', 'standing']);
    bench.stands('certified');
    expect(bench.directory.waiting).toEqual(['readRoom']);
    bench.read(record(7, theirs));
    expect(bench.takeovers).toBe(1);
    expect(bench.own(8)).toMatchObject({ seen: { incarnation: OTHER, epoch: 7 } });
    expect(bench.last).toMatchObject({ kind: 'opened', takenOver: true });
  });

  it('may be answered about last', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now, theirs);
    bench.read(record(7, theirs));
    expect(bench.directory.waiting).toEqual(['standing']);
    bench.stands('certified');
    expect(bench.directory.waiting).toEqual(['claim']);
  });

  it('is asked about again where it was not certified then', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now, theirs);
    bench.stands('living');
    bench.read(record(7, theirs));
    expect(bench.directory.waiting).toEqual(['standing']);
    bench.stands('living');
    expect(bench.last).toMatchObject({ kind: 'elsewhere', node: 'n2' });
    expect(bench.takeovers).toBe(0);
  });

  it('says nothing of whoever the record names instead', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now, theirs);
    bench.stands('certified');
    bench.read(record(7, { node: 'n3', incarnation: 'f'.repeat(32) }));
    expect(bench.directory.take('standing').args).toEqual({ node: 'n3', incarnation: 'f'.repeat(32) });
    expect(bench.directory.waiting).toEqual([]);
  });

  it('in another history is no reason to claim', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now, theirs);
    bench.directory.answer('standing', { runId: RUN, gen: 'another', standing: 'certified' });
    bench.read(record(7, theirs));
    expect(bench.directory.waiting).not.toContain('claim');
    expect(bench.last).toMatchObject({ kind: 'wait' });
  });
});

describe('a claim', () => {
  it('is made for a record that names nobody: numbering goes on', () => {
    const bench = new Bench();
    bench.room.seek(77, bench.now);
    bench.read(record(4, undefined, { head: 12 }));
    const claim = bench.own(80);
    expect(claim).toMatchObject({
      seen: { incarnation: undefined, epoch: 4 },
      floor: 77,
      numbering: { kind: 'continue' },
    });
    expect(bench.last).toMatchObject({ kind: 'opened', kept: false, takenOver: false });
  });

  it('is made for a missing record only after gen was read again', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.read(undefined);
    expect(bench.directory.waiting).toEqual(['standing']);
    bench.stands('living');
    expect(bench.own(5).seen).toBeUndefined();
  });

  it('is not made where gen turns out to be another', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.read(undefined);
    bench.directory.answer('standing', { runId: RUN, gen: 'gen-2', standing: 'unknown' });
    expect(bench.directory.waiting).not.toContain('claim');
    expect(bench.bench.kinds).toContain('history');
    expect(bench.last).toMatchObject({ kind: 'wait' });
  });

  it('of a certified owner takes over: numbering restarts', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.read(record(4, theirs));
    bench.stands('certified');
    expect(bench.own(5).numbering).toEqual({ kind: 'restart' });
    expect(bench.last).toMatchObject({ kind: 'opened', takenOver: true });
  });

  it('is never made while the owner lives', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.read(record(4, theirs));
    bench.stands('living');
    expect(bench.directory.waiting).toEqual([]);
    expect(bench.last).toEqual({ kind: 'elsewhere', node: 'n2', incarnation: OTHER, epoch: 4 });
  });

  it('whose reply is lost is made again, for the record that names itself', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.read(record(4, undefined));
    bench.directory.take('claim').fail();
    expect(bench.last).toEqual({ kind: 'wait', away: true });
    bench.room.seek(0, bench.now);
    bench.read(record(6, mine));
    expect(bench.own(7).seen).toMatchObject({ incarnation: ME, epoch: 6 });
    expect(bench.room.held?.epoch).toBe(7);
  });

  it('that lost a race decides anew on the record that beat it', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.read(record(4, undefined));
    bench.directory.answer('claim', { kind: 'changed', record: record(5, theirs) });
    bench.stands('living');
    expect(bench.last).toMatchObject({ kind: 'elsewhere', epoch: 5 });
  });

  it('is given up when the record changes under it again and again', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.read(record(1, undefined));
    for (let epoch = 2; epoch <= 4; epoch++) {
      bench.directory.answer('claim', { kind: 'changed', record: record(epoch, undefined) });
    }
    expect(bench.directory.waiting).toEqual([]);
    expect(bench.last).toEqual({ kind: 'wait', away: false });
  });

  it('is not sent once the gate has shut while the record was read', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.bench.clock.advance(FENCE);
    bench.read(record(4, undefined));
    expect(bench.directory.waiting).toEqual([]);
    expect(bench.last).toEqual({ kind: 'wait', away: false });
  });

  it('is made above every floor that was named while it was sought', () => {
    const bench = new Bench();
    bench.room.seek(3, bench.now);
    bench.room.seek(99, bench.now);
    bench.read(record(4, undefined));
    expect(bench.own(100).floor).toBe(99);
  });

  it('opens from the state of a handover when the record names its nonce', () => {
    const bench = new Bench();
    bench.stateFor = '6'.repeat(16);
    bench.room.seek(0, bench.now);
    bench.read(record(6, mine));
    expect(bench.last).toMatchObject({ kind: 'opened', kept: true, takenOver: false });
    expect(bench.directory.waiting).toEqual([]);
  });

  it('is retried later when Redis does not answer', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.directory.take('readRoom').fail('unavailable');
    expect(bench.last).toEqual({ kind: 'wait', away: true });
    expect(bench.room.state.kind).toBe('none');
  });
});

describe('a floor above its own epoch', () => {
  it('makes the owner silent, and claim again above it with its memory', () => {
    const bench = new Bench().hold(5);
    bench.head = 41;
    bench.room.seek(9, bench.now);
    expect(bench.room.held).toBeUndefined();
    bench.read(record(5, mine));
    const claim = bench.own(10);
    expect(claim).toMatchObject({ floor: 9, numbering: { kind: 'continue', head: 41 } });
    expect(bench.last).toMatchObject({ kind: 'opened', kept: true });
  });

  it('that is its own is nothing', () => {
    const bench = new Bench().hold(5);
    bench.room.seek(5, bench.now);
    expect(bench.room.held?.epoch).toBe(5);
    expect(bench.directory.waiting).toEqual([]);
  });
});

describe('another history', () => {
  it('makes every held room silent until it was claimed again, never merely verified', () => {
    const bench = new Bench().hold(5);
    bench.head = 3;
    bench.history();
    expect(bench.room.held).toBeUndefined();
    bench.room.tick(bench.now);
    bench.read(record(5, mine));
    const claim = bench.own(6);
    expect(claim).toMatchObject({ floor: 5, numbering: { kind: 'continue', head: 3 }, runId: 'run-2' });
    expect(bench.room.held?.epoch).toBe(6);
  });

  it('takes back what is missing, or has a lower epoch, whoever it names', () => {
    const bench = new Bench().hold(5);
    bench.history();
    bench.room.tick(bench.now);
    bench.read(record(4, theirs));
    expect(bench.own(6).seen).toMatchObject({ incarnation: OTHER, epoch: 4 });
    expect(bench.last).toMatchObject({ kept: true });

    const gone = new Bench().hold(5);
    gone.history();
    gone.room.tick(gone.now);
    gone.read(undefined);
    gone.directory.answer('standing', { runId: 'run-2', gen: GEN, standing: 'living' });
    expect(gone.own(6)).toMatchObject({ seen: undefined, floor: 5 });
  });

  it('ends ownership where the record has a higher epoch', () => {
    const bench = new Bench().hold(5);
    bench.history();
    bench.room.tick(bench.now);
    bench.read(record(8, theirs));
    expect(bench.last).toMatchObject({ kind: 'lost', record: { epoch: 8 } });
    expect(bench.room.state.kind).toBe('none');
  });

  it('keeps the memory where the reply of a claim for it was lost', () => {
    const bench = new Bench().hold(5);
    bench.head = 9;
    bench.history();
    bench.room.tick(bench.now);
    bench.read(record(5, mine));
    bench.directory.take('claim').fail();
    bench.bench.clock.advance(200);
    bench.room.tick(bench.now);
    bench.read(record(6, mine));
    expect(bench.own(7)).toMatchObject({ seen: { epoch: 6 }, numbering: { kind: 'continue', head: 9 } });
    expect(bench.last).toMatchObject({ kind: 'opened', kept: true });
  });

  it('under a lapsed lease claims nothing for grace, and takes nothing back', () => {
    const bench = new Bench().hold(5);
    bench.history(false);
    bench.room.tick(bench.now);
    expect(bench.directory.waiting).toEqual([]);
    for (let ms = 0; ms < GRACE; ms += BEAT) {
      bench.bench.tick(BEAT + 30);
      if (bench.directory.waiting.includes('heartbeat')) bench.bench.beat();
    }
    bench.room.tick(bench.now);
    bench.read(record(4, theirs));
    bench.directory.answer('standing', { runId: 'run-2', gen: GEN, standing: 'living' });
    expect(bench.last).toMatchObject({ kind: 'lost' });
  });

  it('met while a claim is under way voids it', () => {
    const bench = new Bench();
    bench.room.seek(0, bench.now);
    bench.read(record(4, undefined));
    const claim = bench.directory.take('claim');
    bench.history();
    expect(bench.last).toEqual({ kind: 'wait', away: false });
    claim.reply({ kind: 'owned', record: record(5, mine) });
    expect(bench.room.state.kind).toBe('none');
    expect(bench.events.filter((event) => event.kind === 'opened')).toEqual([]);
  });

  it('met twice is unbroken only if both were', () => {
    const bench = new Bench().hold(5);
    bench.room.historyChanged(false, bench.now);
    bench.room.historyChanged(true, bench.now);
    expect(bench.room.state).toMatchObject({ kind: 'stale', unbroken: false });
  });

  it('met while a room is being released leaves it nobody’s', () => {
    const bench = new Bench().hold(5);
    bench.room.release(0, 1, bench.now);
    bench.room.historyChanged(true, bench.now);
    expect(bench.last).toEqual({ kind: 'lost', record: undefined });
  });
});

describe('giving up', () => {
  it.each(['released', 'unknown'] as const)('answered %s, only a new claim lets output start again', (how) => {
    const bench = new Bench().hold(5);
    bench.room.release(12, 1_000, bench.now);
    expect(bench.room.held).toBeUndefined();
    const release = bench.directory.take('release');
    expect(release.args).toMatchObject({ triple: triple(5), head: 12 });
    if (how === 'released') release.reply({ kind: 'released' });
    else release.fail();
    expect(bench.last).toMatchObject({ kind: 'lost' });
    bench.room.seek(0, bench.now);
    expect(bench.room.held).toBeUndefined();
    bench.read(record(5, how === 'released' ? undefined : mine));
    expect(bench.directory.waiting).toEqual(['claim']);
  });

  it('of what Redis has lost some of tells that the history went back', () => {
    const bench = new Bench().hold(5);
    const wentBack = vi.spyOn(bench.bench.lease, 'wentBack').mockImplementation(() => undefined);
    bench.room.release(12, 1_000, bench.now);
    bench.directory.take('release').reply({ kind: 'rolled-back', head: 10 });
    expect(bench.last).toMatchObject({ kind: 'lost' });
    expect(wentBack).toHaveBeenCalledOnce();
  });

  it('of what is not held does nothing', () => {
    const bench = new Bench();
    bench.room.release(0, 1_000, bench.now);
    expect(bench.directory.waiting).toEqual([]);
  });
});

describe('a transfer', () => {
  it('called off before it was written goes on as if nothing had been', () => {
    const bench = new Bench().hold(5);
    expect(bench.room.beginTransfer()).toEqual(triple(5) satisfies Triple);
    expect(bench.room.held).toBeUndefined();
    expect(bench.room.beginTransfer()).toBeUndefined();
    bench.room.resumeAfterTransfer();
    expect(bench.room.held).toEqual(triple(5));
  });

  it('of unknown outcome stays silent, and ends in a new claim', () => {
    const bench = new Bench().hold(5);
    bench.room.beginTransfer();
    bench.room.claimAgain(bench.now);
    expect(bench.room.held).toBeUndefined();
    bench.read(record(5, mine));
    bench.own(6);
    expect(bench.room.held?.epoch).toBe(6);
  });

  it('of unknown outcome that was carried out ends in the loss of the room', () => {
    const bench = new Bench().hold(5);
    bench.room.beginTransfer();
    bench.room.claimAgain(bench.now);
    bench.read(record(6, theirs));
    expect(bench.last).toMatchObject({ kind: 'lost', record: { owner: theirs } });
  });

  it('interrupted by another history is claimed again', () => {
    const bench = new Bench().hold(5);
    bench.room.beginTransfer();
    bench.room.historyChanged(true, bench.now);
    bench.room.resumeAfterTransfer();
    expect(bench.room.held).toBeUndefined();
    expect(bench.room.state.kind).toBe('stale');
  });
});
