import { describe, expect, it } from 'vitest';
import { type LoadPlan, parsePlan, planArguments } from './load-plan.ts';

describe('a plan', () => {
  it('comes out of its arguments as it went in, also where its path holds an equals sign', () => {
    const plan: LoadPlan = {
      ports: [1_024, 65_535],
      path: '/rooms/b{room}?user=u{i}&x=1',
      envelope: 'bellhop',
      clients: 1_000,
      members: 20,
      bytes: 128,
      rate: 5_000,
      seconds: 10,
      warm: 2,
      settle: 1_500,
      drain: 10,
      concurrency: 64,
      tick: 500,
    };
    expect(parsePlan(planArguments(plan))).toEqual(plan);
  });
});
