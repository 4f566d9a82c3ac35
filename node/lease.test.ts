import { describe, expect, it } from 'vitest';
import { BEAT, DEAD, FENCE, GEN, GRACE, LeaseBench, nodeRecord, OTHER, RUN } from './fixture.ts';

describe('joining', () => {
  it('observes for grace before it registers, and speaks only once a heartbeat has counted', () => {
    const bench = new LeaseBench();
    bench.tick();
    bench.directory.answer('readCluster', bench.cluster());
    bench.tick(GRACE - 1);
    bench.directory.answer('readCluster', bench.cluster());
    expect(bench.lease.state.kind).toBe('observing');
    bench.tick(2 * BEAT);
    bench.directory.answer('readCluster', bench.cluster());
    bench.directory.answer('register', { kind: 'registered', gen: GEN, ver: 1, first: true });
    expect(bench.open).toBe(false);
    bench.beat();
    expect(bench.open).toBe(true);
    expect(bench.mayClaim()).toBe(true);
  });

  it('skips the grace only in the history made for it, where nothing was ever registered under its id', () => {
    const fresh = new LeaseBench({ bootstrap: GEN });
    fresh.tick();
    fresh.directory.answer('readCluster', fresh.cluster());
    fresh.directory.answer('register', { kind: 'registered', gen: GEN, ver: 1, first: true });
    fresh.beat();
    expect(fresh.mayClaim()).toBe(true);

    const second = new LeaseBench({ bootstrap: GEN });
    second.tick();
    second.directory.answer('readCluster', second.cluster());
    second.directory.answer('register', { kind: 'registered', gen: GEN, ver: 1, first: false });
    second.beat();
    expect(second.mayClaim()).toBe(false);

    const other = new LeaseBench({ bootstrap: 'gen-0' });
    other.tick();
    other.directory.answer('readCluster', other.cluster());
    expect(other.lease.state.kind).toBe('observing');
  });

  it('starts the grace anew when another history is met while it observes', () => {
    const bench = new LeaseBench();
    bench.tick();
    bench.directory.answer('readCluster', bench.cluster());
    bench.tick(GRACE - 100);
    bench.directory.answer('readCluster', bench.cluster({ gen: 'gen-2' }));
    bench.tick(2 * BEAT);
    bench.directory.answer('readCluster', bench.cluster({ gen: 'gen-2' }));
    expect(bench.lease.state.kind).toBe('observing');
    expect(bench.kinds).toEqual([]);
  });

  it.each([
    ['version', { ver: 4 }, { ver: 3 }],
    ['beat', { ver: 4, counters: { n2: 9 } }, { ver: 4, counters: { n2: 8 } }],
  ])('starts the grace anew when Redis is taken back under the same run id: a lower %s', (_, before, after) => {
    const bench = new LeaseBench();
    const other = { nodes: [nodeRecord('n2', OTHER)] };
    bench.tick();
    bench.directory.answer('readCluster', bench.cluster({ ...other, ...before }));
    bench.tick(GRACE);
    bench.directory.answer('readCluster', bench.cluster({ ...other, ...after }));
    expect(bench.lease.state.kind).toBe('observing');
    bench.tick(GRACE);
    bench.directory.answer('readCluster', bench.cluster({ ...other, ...after }));
    expect(bench.lease.state.kind).toBe('registering');
  });

  it('takes an empty history that is given its name for the one it observed', () => {
    const bench = new LeaseBench();
    bench.tick();
    bench.directory.answer('readCluster', bench.cluster({ gen: undefined }));
    bench.tick(GRACE);
    bench.directory.answer('readCluster', bench.cluster());
    expect(bench.directory.waiting).toEqual(['register']);
  });

  it('52 refuses to join those whose periods do not go with its own', () => {
    const bench = new LeaseBench();
    bench.tick();
    const slow = nodeRecord('n2', OTHER, { timings: { fenceMs: 5_000, deadMs: 9_000 } });
    bench.directory.answer('readCluster', bench.cluster({ nodes: [slow] }));
    expect(bench.lease.state.kind).toBe('refused');
    bench.tick(1_000);
    expect(bench.directory.waiting).toEqual([]);
  });

  it('does not mind the periods of the dead', () => {
    const bench = new LeaseBench();
    bench.tick();
    const slow = nodeRecord('n2', OTHER, { timings: { fenceMs: 5_000, deadMs: 9_000 }, state: 'dead' });
    bench.directory.answer('readCluster', bench.cluster({ nodes: [slow] }));
    expect(bench.lease.state.kind).toBe('observing');
  });

  it('ends when its own incarnation is certified', () => {
    const bench = new LeaseBench();
    bench.tick();
    bench.directory.answer('readCluster', bench.cluster());
    bench.tick(GRACE);
    bench.directory.answer('readCluster', bench.cluster());
    bench.directory.answer('register', { kind: 'certified' });
    expect(bench.kinds).toEqual(['certified']);
  });
});

describe('a namesake', () => {
  const namesake = nodeRecord('n1', OTHER);
  function watching(): LeaseBench {
    const bench = new LeaseBench();
    bench.tick();
    bench.directory.answer('readCluster', bench.cluster({ nodes: [namesake], counters: { n1: 7 } }));
    bench.tick(GRACE);
    bench.directory.answer('readCluster', bench.cluster({ nodes: [namesake], counters: { n1: 7 } }));
    bench.directory.answer('register', { kind: 'living', incarnation: OTHER, counter: 7, gen: GEN });
    return bench;
  }
  const read = (bench: LeaseBench, ms: number, counter = 7) => {
    bench.tick(ms);
    bench.directory.answer('readCluster', bench.cluster({ nodes: [namesake], counters: { n1: counter } }));
  };

  it('whose counter moves makes it refuse', () => {
    const bench = watching();
    read(bench, 500);
    read(bench, 500, 8);
    expect(bench.events.at(-1)).toMatchObject({ kind: 'refused', message: expect.stringContaining('n1 is alive') });
  });

  it('that stands still for dead is certified on that exact counter, and only then replaced', () => {
    const bench = watching();
    read(bench, DEAD - 1);
    expect(bench.directory.waiting).toEqual([]);
    read(bench, 2 * BEAT);
    const certify = bench.directory.take('certify');
    expect(certify.args).toMatchObject({
      incarnation: OTHER,
      by: { kind: 'patience', counter: 7 },
      runId: RUN,
      gen: GEN,
    });
    certify.reply({ kind: 'certified', ver: 2 });
    bench.tick();
    bench.directory.answer('register', { kind: 'registered', gen: GEN, ver: 3, first: false });
    expect(bench.lease.state.kind).toBe('living');
  });

  it('that stands in a history of another name has it observe that one first', () => {
    const bench = new LeaseBench();
    bench.tick();
    bench.directory.answer('readCluster', bench.cluster());
    bench.tick(GRACE);
    bench.directory.answer('readCluster', bench.cluster());
    // Redis was emptied meanwhile, and the namesake, which is proved dead a moment later, was the first to come back.
    bench.directory.answer('register', { kind: 'living', incarnation: OTHER, counter: 1, gen: 'gen-2' });
    const dead = { nodes: [nodeRecord('n1', OTHER, { state: 'dead' })], gen: 'gen-2' };
    for (let ms = 0; ms < GRACE - 2 * BEAT; ms += BEAT) {
      bench.tick(BEAT);
      while (bench.directory.waiting[0] === 'readCluster') bench.directory.answer('readCluster', bench.cluster(dead));
      expect(bench.directory.waiting).toEqual([]);
      expect(bench.mayClaim()).toBe(false);
    }
    expect(bench.lease.state.kind).toBe('observing');
  });

  it('that moves at the very last makes it refuse', () => {
    const bench = watching();
    read(bench, DEAD);
    bench.directory.answer('certify', { kind: 'moved', counter: 8 });
    expect(bench.lease.state.kind).toBe('refused');
  });

  it('is watched anew after a read that failed: it could not count either', () => {
    const bench = watching();
    bench.tick(DEAD - 100);
    bench.directory.take('readCluster').fail('unavailable');
    read(bench, 500);
    expect(bench.directory.waiting).toEqual([]);
    read(bench, DEAD);
    expect(bench.directory.waiting).toEqual(['certify']);
  });

  it('that is certified meanwhile by others lets it register', () => {
    const bench = watching();
    bench.tick(500);
    bench.directory.answer('readCluster', bench.cluster({ nodes: [nodeRecord('n1', OTHER, { state: 'left' })] }));
    bench.tick();
    expect(bench.directory.waiting).toEqual(['register']);
  });

  it('in another history is no namesake', () => {
    const bench = watching();
    bench.tick(500);
    bench.directory.answer('readCluster', bench.cluster({ gen: 'gen-2' }));
    expect(bench.lease.state.kind).toBe('observing');
  });
});

describe('the gate', () => {
  it('is judged at use, from the sending of the heartbeat that counted', () => {
    const bench = new LeaseBench().live();
    bench.clock.advance(FENCE - 1);
    expect(bench.open).toBe(true);
    bench.clock.advance(1);
    expect(bench.open).toBe(false);
  });

  it('believes the faster of both clocks', () => {
    const bench = new LeaseBench().live();
    bench.clock.stepWall(FENCE);
    expect(bench.open).toBe(false);
    bench.clock.stepWall(-10 * FENCE);
    expect(bench.open).toBe(true);
  });

  it('is not opened by a reply that comes late', () => {
    const bench = new LeaseBench().live();
    bench.tick(2 * BEAT);
    const late = bench.directory.take('heartbeat');
    bench.clock.advance(FENCE);
    late.reply({ kind: 'ok', counter: 2, ver: 1 });
    expect(bench.open).toBe(false);
  });

  it('counts a late reply from when its question was sent', () => {
    const bench = new LeaseBench().live();
    bench.tick(2 * BEAT);
    const late = bench.directory.take('heartbeat');
    bench.clock.advance(300);
    late.reply({ kind: 'ok', counter: 2, ver: 1 });
    bench.clock.advance(FENCE - 301);
    expect(bench.open).toBe(true);
    bench.clock.advance(1);
    expect(bench.open).toBe(false);
  });

  it('opens again only after an answered probe and one renewal', () => {
    const bench = new LeaseBench().live();
    bench.tick(FENCE);
    expect(bench.kinds).toContain('suspended');
    bench.directory.answer('standing', { runId: RUN, gen: GEN, standing: 'living' });
    expect(bench.open).toBe(false);
    bench.beat();
    expect(bench.open).toBe(true);
    expect(bench.kinds.at(-1)).toBe('resumed');
  });

  it('sends no renewal while no probe is answered', () => {
    const bench = new LeaseBench().live();
    bench.tick(FENCE);
    for (let i = 0; i < 5; i++) {
      bench.directory.take('standing').fail();
      expect(bench.directory.waiting).toEqual([]);
      bench.tick(2 * BEAT);
    }
    expect(bench.directory.waiting).toEqual(['standing']);
  });

  it('shuts for good when a probe finds it certified', () => {
    const bench = new LeaseBench().live();
    bench.tick(FENCE);
    bench.directory.answer('standing', { runId: RUN, gen: GEN, standing: 'certified' });
    expect(bench.lease.state.kind).toBe('certified');
    expect(bench.open).toBe(false);
    bench.tick(1_000);
    expect(bench.directory.waiting).toEqual([]);
  });

  it('shuts at once when another part learns of the certificate, whatever heartbeat comes back', () => {
    const bench = new LeaseBench().live();
    bench.tick(2 * BEAT);
    const beat = bench.directory.take('heartbeat');
    bench.lease.certified(bench.clock.now());
    beat.reply({ kind: 'ok', counter: 2, ver: 1 });
    expect(bench.open).toBe(false);
    expect(bench.kinds.filter((kind) => kind === 'certified')).toHaveLength(1);
  });

  it('has one heartbeat under way at most, and none before it is due', () => {
    const bench = new LeaseBench().live();
    bench.tick(10);
    expect(bench.directory.waiting).toEqual([]);
    bench.tick(2 * BEAT);
    bench.tick(2 * BEAT);
    expect(bench.directory.waiting).toEqual(['heartbeat']);
  });
});

describe('another history', () => {
  it('met under an unbroken lease lets what is held be claimed at once, and nothing else for grace', () => {
    const bench = new LeaseBench().live();
    bench.tick(2 * BEAT);
    bench.directory.take('heartbeat').fail('other-run', 'run-2');
    expect(bench.events.at(-1)).toEqual({ kind: 'history', unbroken: true });
    expect(bench.runs.at(-1)).toBe('run-2');
    expect(bench.mayClaim(true)).toBe(false);
    bench.tick();
    bench.directory.answer('register', { kind: 'registered', gen: GEN, ver: 1, first: false });
    expect(bench.mayClaim(true)).toBe(true);
    expect(bench.mayClaim(false)).toBe(false);
    bench.beat(1);
    for (let ms = 0; ms < GRACE; ms += BEAT) {
      bench.tick(BEAT + 30);
      if (bench.directory.waiting.length > 0) bench.beat();
    }
    expect(bench.mayClaim(false)).toBe(true);
  });

  it('met after the deadline keeps the gate shut and claims nothing for grace, though renewals count', () => {
    const bench = new LeaseBench().live();
    bench.tick(FENCE);
    bench.directory.answer('standing', { runId: RUN, gen: 'gen-2', standing: 'unknown' });
    expect(bench.events.at(-1)).toEqual({ kind: 'history', unbroken: false });
    bench.tick();
    bench.directory.answer('register', { kind: 'registered', gen: 'gen-2', ver: 1, first: true });
    bench.beat(1);
    expect(bench.open).toBe(false);
    expect(bench.mayClaim(true)).toBe(false);
    for (let ms = 0; ms < GRACE + BEAT; ms += BEAT) {
      bench.tick(BEAT + 30);
      if (bench.directory.waiting.length > 0) bench.beat();
    }
    expect(bench.open).toBe(true);
    expect(bench.mayClaim(true)).toBe(true);
  });

  it.each([
    ['absent', { kind: 'absent' }],
    ['empty', { kind: 'empty' }],
    ['other-gen', { kind: 'other-gen', gen: 'gen-2' }],
    ['other-run', { kind: 'other-run', runId: 'run-2' }],
    ['a counter that went back', { kind: 'ok', counter: 1, ver: 1 }],
  ] as const)('is recognised by %s', (_name, reply) => {
    const bench = new LeaseBench().live();
    bench.tick(2 * BEAT);
    bench.beat(9);
    bench.tick(2 * BEAT);
    bench.directory.answer('heartbeat', reply);
    expect(bench.events.at(-1)).toEqual({ kind: 'history', unbroken: true });
    expect(bench.lease.state.kind).toBe('rejoining');
  });

  it('judges the lease before the renewal that shows it can count', () => {
    const bench = new LeaseBench().live();
    bench.tick(2 * BEAT);
    const beat = bench.directory.take('heartbeat');
    bench.clock.advance(FENCE);
    beat.reply({ kind: 'ok', counter: 1, ver: 1 });
    expect(bench.events.at(-1)).toEqual({ kind: 'history', unbroken: false });
  });

  it('is the same history while run and gen are', () => {
    const bench = new LeaseBench().live();
    const count = bench.events.length;
    bench.lease.metHistory(RUN, GEN, bench.clock.now());
    bench.lease.metRun(RUN, bench.clock.now());
    expect(bench.events).toHaveLength(count);
    bench.lease.metRun('run-2', bench.clock.now());
    expect(bench.events.at(-1)?.kind).toBe('history');
  });

  it('ends the right that a bootstrap gave', () => {
    const bench = new LeaseBench({ bootstrap: GEN });
    bench.register();
    bench.beat();
    expect(bench.mayClaim()).toBe(true);
    bench.lease.metRun('run-2', bench.clock.now());
    bench.tick();
    bench.directory.answer('register', { kind: 'registered', gen: GEN, ver: 1, first: false });
    bench.beat(1);
    expect(bench.mayClaim()).toBe(false);
  });

  it('after it has left, nothing is asked any more', () => {
    const bench = new LeaseBench().live();
    bench.lease.stop();
    bench.lease.certified(bench.clock.now());
    bench.tick(10_000);
    expect(bench.directory.waiting).toEqual([]);
    expect(bench.kinds).not.toContain('certified');
    expect(bench.lease.state.kind).toBe('gone');
  });
});
