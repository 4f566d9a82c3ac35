/** A lease while Redis is away: what prolongs it, and what does not. */
import { describe, expect, it } from 'vitest';
import type { RouterRecord } from '../shared/directory/directory.ts';
import { ISLAND_MS } from '../shared/timing.ts';
import { BEAT, FENCE, GEN, LeaseBench, RUN } from './fixture.ts';

function router(incarnation: string): RouterRecord {
  const timings = { fenceMs: FENCE, deadMs: 2_600 };
  const rest = { url: '', version: '', host: '', pid: 1, startedAt: 0, counter: 0, sessions: 0 };
  return { router: incarnation, incarnation, timings, ...rest };
}

/** Lives, and knows the routers r1 and r2. */
class Bench extends LeaseBench {
  constructor() {
    super();
    this.live();
    this.sees(2, 'r1', 'r2');
  }

  sees(ver: number, ...incarnations: string[]): void {
    this.lease.sawCluster({ runId: RUN, gen: GEN, ver, beats: {}, nodes: [], routers: incarnations.map(router) });
  }

  yes(...incarnations: string[]): void {
    const now = this.clock.now();
    for (const incarnation of incarnations) this.lease.routerSaid(incarnation, now, 'failed', now);
  }

  /** Ticks for `ms` while nothing that is asked of Redis is answered; `says` each 100 ms. */
  away(ms: number, says: () => void = () => undefined): void {
    for (let past = 0; past < ms; past += 100) {
      this.tick(100);
      while (this.directory.waiting.length > 0) {
        const [operation] = this.directory.waiting;
        this.directory.take(operation ?? 'heartbeat').fail('timeout');
      }
      says();
    }
  }
}

describe('an islanded node', () => {
  it('asks every router from its first failed heartbeat, not before', () => {
    const bench = new Bench();
    bench.tick(BEAT * 2);
    expect(bench.asked).toEqual([]);
    bench.directory.take('heartbeat').fail('timeout');
    bench.tick(20);
    expect(bench.asked).toEqual([['r1', 'r2']]);
    bench.tick(20);
    expect(bench.asked).toHaveLength(1);
    bench.tick(BEAT * 2);
    expect(bench.asked).toHaveLength(2);
  });

  it('speaks on past its lease, claims nothing, and says so once', () => {
    const bench = new Bench();
    bench.away(20_000, () => bench.yes('r1', 'r2'));
    expect(bench.open).toBe(true);
    expect(bench.lease.leaseOpen(bench.clock.now())).toBe(false);
    expect([bench.mayClaim(), bench.mayClaim(true)]).toEqual([false, false]);
    expect(bench.kinds).toEqual(['registered', 'resumed', 'islanded']);
  });

  it('is silent within fence where one router says nothing', () => {
    const bench = new Bench();
    bench.away(FENCE + 200, () => bench.yes('r1'));
    expect(bench.open).toBe(false);
  });

  it('is silent within fence of the last question to one that reaches Redis again', () => {
    const bench = new Bench();
    bench.away(5_000, () => bench.yes('r1', 'r2'));
    const answers = () => {
      bench.yes('r1');
      bench.lease.routerSaid('r2', bench.clock.now(), 'answered', bench.clock.now());
    };
    bench.away(FENCE - 200, answers);
    expect(bench.open).toBe(true);
    bench.away(300, answers);
    expect(bench.open).toBe(false);
    // What has lapsed is not revived: only Redis can.
    bench.away(5_000, () => bench.yes('r1', 'r2'));
    expect(bench.open).toBe(false);
    expect(bench.kinds).toEqual(['registered', 'resumed', 'islanded', 'suspended']);
  });

  it('is not one whose answers come after its lease ran out, however early it asked', () => {
    const bench = new Bench();
    const askedAt = bench.clock.now();
    bench.away(FENCE + 100);
    for (const incarnation of ['r1', 'r2']) bench.lease.routerSaid(incarnation, askedAt, 'failed', bench.clock.now());
    expect(bench.open).toBe(false);
  });

  it('was stopped, and finds its gate shut when it wakes, with the answers in its sockets', () => {
    const bench = new Bench();
    bench.away(3_000, () => bench.yes('r1', 'r2'));
    const askedAt = bench.clock.now();
    bench.clock.advance(FENCE);
    expect(bench.open).toBe(false);
    for (const incarnation of ['r1', 'r2']) bench.lease.routerSaid(incarnation, askedAt, 'failed', bench.clock.now());
    expect(bench.open).toBe(false);
  });

  it('waits for those too who registered since, if it has read of them', () => {
    const bench = new Bench();
    bench.sees(3, 'r1', 'r2', 'r3');
    bench.away(FENCE + 100, () => bench.yes('r1', 'r2'));
    expect(bench.open).toBe(false);
  });

  it('tells in each heartbeat as of when it knows the routers', () => {
    const bench = new Bench();
    bench.tick(BEAT * 2);
    expect(bench.directory.take('heartbeat').args).toMatchObject({ view: 2 });
  });

  it('ends after a while even so: who came later must be able to rely on that', () => {
    const bench = new Bench();
    bench.away(ISLAND_MS - 200, () => bench.yes('r1', 'r2'));
    expect(bench.open).toBe(true);
    bench.away(300, () => bench.yes('r1', 'r2'));
    expect(bench.open).toBe(false);
  });

  it('meets another history as one whose lease has run out', () => {
    const bench = new Bench();
    bench.away(5_000, () => bench.yes('r1', 'r2'));
    expect(bench.open).toBe(true);
    bench.lease.metRun('run-2', bench.clock.now());
    expect(bench.events.at(-1)).toEqual({ kind: 'history', unbroken: false });
    bench.yes('r1', 'r2');
    expect(bench.open).toBe(false);
  });

  it('goes on without a gap when Redis is back', () => {
    const bench = new Bench();
    bench.away(5_000, () => bench.yes('r1', 'r2'));
    bench.tick(BEAT * 2);
    bench.directory.answer('standing', { runId: RUN, gen: GEN, standing: 'living' });
    bench.directory.answer('heartbeat', { kind: 'ok', counter: 9, ver: 2 });
    expect(bench.kinds).toEqual(['registered', 'resumed', 'islanded', 'resumed']);
    const { length } = bench.asked;
    bench.tick(BEAT * 2);
    expect(bench.asked).toHaveLength(length);
  });
});
