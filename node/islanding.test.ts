import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { FENCE } from './fixture.ts';
import { Islanding } from './islanding.ts';

class Bench {
  readonly clock = new ManualClock();
  readonly islanding = new Islanding(FENCE);

  get holds(): boolean {
    return this.islanding.holds(this.clock.now());
  }

  yes(...incarnations: string[]): void {
    for (const incarnation of incarnations) this.islanding.saidYes(incarnation, this.clock.now());
  }
}

function listed(...incarnations: string[]): Bench {
  const bench = new Bench();
  bench.islanding.read(5, incarnations);
  return bench;
}

describe('an island', () => {
  it('needs every router of the list', () => {
    const bench = listed('r1', 'r2');
    expect(bench.holds).toBe(false);
    bench.yes('r1');
    expect(bench.holds).toBe(false);
    bench.yes('r2');
    expect(bench.holds).toBe(true);
  });

  it('needs a list, with at least one router on it', () => {
    expect(new Bench().holds).toBe(false);
    const empty = listed();
    expect(empty.islanding.view).toBe(5);
    expect(empty.holds).toBe(false);
  });

  it('does not hear who is not on the list', () => {
    const bench = listed('r1');
    bench.yes('r2');
    expect(bench.holds).toBe(false);
  });

  it('tells two workers of one router apart: each is on the list by its own incarnation', () => {
    const bench = listed('w0', 'w1');
    bench.yes('w0', 'w0');
    expect(bench.holds).toBe(false);
  });

  it('lasts for fence from the oldest question that counts', () => {
    const bench = listed('r1', 'r2');
    bench.yes('r1');
    bench.clock.advance(1_000);
    bench.yes('r2');
    bench.clock.advance(FENCE - 1_001);
    expect(bench.holds).toBe(true);
    bench.clock.advance(1);
    expect(bench.holds).toBe(false);
    bench.yes('r1');
    expect(bench.holds).toBe(true);
  });

  it('counts a question by the faster of both clocks', () => {
    const bench = listed('r1');
    bench.yes('r1');
    bench.clock.stepWall(FENCE);
    expect(bench.holds).toBe(false);
  });

  it('takes no older question for a newer one that is answered already', () => {
    const bench = listed('r1');
    const early = bench.clock.now();
    bench.clock.advance(1_000);
    bench.yes('r1');
    bench.islanding.saidYes('r1', early);
    bench.clock.advance(1_000);
    expect(bench.holds).toBe(true);
  });
});

describe('the list', () => {
  it('that names another router wants its word too', () => {
    const bench = listed('r1');
    bench.yes('r1');
    bench.islanding.read(6, ['r1', 'r2']);
    expect(bench.holds).toBe(false);
    expect(bench.islanding.view).toBe(6);
  });

  it('keeps who has left it until a renewal that named a later one', () => {
    const bench = listed('r1', 'r2');
    bench.islanding.read(6, ['r1']);
    bench.yes('r1');
    expect(bench.holds).toBe(false);
    bench.islanding.renewed(5);
    expect(bench.holds).toBe(false);
    bench.islanding.renewed(6);
    expect(bench.holds).toBe(true);
  });

  it('does not go back', () => {
    const bench = listed('r1', 'r2');
    bench.islanding.read(4, ['r1']);
    expect(bench.islanding.view).toBe(5);
    expect([...bench.islanding.routers]).toEqual(['r1', 'r2']);
  });

  it('of another history is forgotten', () => {
    const bench = listed('r1');
    bench.yes('r1');
    bench.islanding.forget();
    expect(bench.holds).toBe(false);
    expect(bench.islanding.view).toBeUndefined();
  });
});
