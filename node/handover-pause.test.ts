import { expect, it } from 'vitest';
import { HandoverPause } from './handover-pause.ts';

function paused(): { pause: HandoverPause; told: number[] } {
  const told: number[] = [];
  return { pause: new HandoverPause(30, 1_000, (ms) => told.push(ms)), told };
}

it('ends with the first word that waited being logged', () => {
  const { pause, told } = paused();
  pause.logged(1_001);
  pause.seated(1_002);
  pause.took(true);
  pause.took(false);
  expect(told).toEqual([]);
  pause.logged(1_012);
  pause.logged(1_030);
  expect(told).toEqual([42]);
});

it('ends with the first seat where nothing waited, whenever somebody speaks', () => {
  const { pause, told } = paused();
  pause.seated(1_004);
  pause.seated(1_009);
  pause.took(false);
  pause.took(true);
  pause.logged(9_000);
  expect(told).toEqual([34]);
});
