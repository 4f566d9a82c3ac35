import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { onStopRequests } from './stop-requests.ts';

let end: () => void = () => undefined;
afterEach(() => end());

function listening() {
  const clock = new ManualClock();
  const heard: string[] = [];
  end = onStopRequests({ watchParent: false, on: (nth, why) => heard.push(`${nth} ${why}`), clock });
  return { clock, heard };
}

describe('onStopRequests', () => {
  it('takes what npm hands on right after the terminal’s own signal for the same request', () => {
    const { clock, heard } = listening();
    process.emit('SIGINT', 'SIGINT');
    clock.advance(20);
    process.emit('SIGINT', 'SIGINT');
    expect(heard).toEqual(['1 SIGINT']);
  });

  it('counts a later signal as the next request, of whatever kind', () => {
    const { clock, heard } = listening();
    process.emit('SIGTERM', 'SIGTERM');
    clock.advance(500);
    process.emit('SIGINT', 'SIGINT');
    expect(heard).toEqual(['1 SIGTERM', '2 SIGINT']);
  });

  it('hears nothing after its end', () => {
    const before = process.listenerCount('SIGHUP');
    const { heard } = listening();
    expect(process.listenerCount('SIGHUP')).toBe(before + 1);
    end();
    expect(process.listenerCount('SIGHUP')).toBe(before);
    expect(heard).toEqual([]);
  });
});
