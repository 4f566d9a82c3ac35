/** What a part lost, said twice or closed, as the checker found it. Owns: which rules make which figure. Pure. */
import type { RuleName } from '../checker/rule.ts';
import type { PartResult } from '../part.ts';

export interface Losses {
  readonly lost: number;
  readonly doubled: number;
  readonly disordered: number;
  readonly closed: number;
  readonly late: number;
}

const RULES: Readonly<Record<keyof Losses, readonly RuleName[]>> = {
  lost: ['acked-in-log', 'heard-in-log', 'contiguous', 'complete', 'log-sequence', 'log-readable'],
  doubled: ['no-repeat', 'log-repeat'],
  disordered: ['order', 'log-order', 'agreement', 'epoch-order'],
  closed: ['socket-closed'],
  late: ['late-emit'],
};

export function lossesOf({ broken }: Pick<PartResult, 'broken'>): Losses {
  const sum = (rules: readonly RuleName[]) => rules.reduce((total, rule) => total + (broken[rule] ?? 0), 0);
  return {
    lost: sum(RULES.lost),
    doubled: sum(RULES.doubled),
    disordered: sum(RULES.disordered),
    closed: sum(RULES.closed),
    late: sum(RULES.late),
  };
}

/** What zero failures in so many trials say about the rate: it is below 3/n with 95 % confidence. */
export function ruleOfThree(trials: number): string {
  const percent = 300 / trials;
  return trials === 0 ? 'no trial' : `< ${percent >= 100 ? '100' : Number(percent.toPrecision(2))} %`;
}
