import { expect, it } from 'vitest';
import { HealthGauge } from './health.ts';

/** What the gauge says after each answer: `+` well, `-` not. */
function after(answers: string, failuresMax = 3): string[] {
  const gauge = new HealthGauge(failuresMax);
  return [...answers].map((answer) => {
    const turned = gauge.took(answer === '+');
    return turned ? gauge.health.toUpperCase() : gauge.health;
  });
}

it('is well after a first success, ill after failures in a row, and well again after half as many successes', () => {
  expect(after('+')).toEqual(['WELL']);
  expect(after('--+')).toEqual(['unknown', 'unknown', 'WELL']);
  expect(after('---')).toEqual(['unknown', 'unknown', 'ILL']);
  expect(after('+--+--')).toEqual(['WELL', 'well', 'well', 'well', 'well', 'well']);
  expect(after('+---+-++')).toEqual(['WELL', 'well', 'well', 'ILL', 'ill', 'ill', 'ill', 'WELL']);
  expect(after('+-+', 1)).toEqual(['WELL', 'ILL', 'WELL']);
});
