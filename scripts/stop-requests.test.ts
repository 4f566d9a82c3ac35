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

  it('58 takes SIGHUP for a wish to have files read again where there are any, unless its terminal is gone', () => {
    const heard: string[] = [];
    let terminal = true;
    end = onStopRequests({
      watchParent: false,
      on: (nth, why) => heard.push(`${nth} ${why}`),
      reread: () => heard.push('reread'),
      hasTerminal: () => terminal,
    });
    process.emit('SIGHUP', 'SIGHUP');
    process.emit('SIGHUP', 'SIGHUP');
    terminal = false;
    process.emit('SIGHUP', 'SIGHUP');
    expect(heard).toEqual(['reread', 'reread', '1 SIGHUP']);
  });

  it('58 takes it for such a wish where there never was a terminal', () => {
    const heard: string[] = [];
    const on = (nth: number, why: string) => void heard.push(`${nth} ${why}`);
    end = onStopRequests({ watchParent: false, on, reread: () => heard.push('reread'), hasTerminal: () => false });
    process.emit('SIGHUP', 'SIGHUP');
    expect(heard).toEqual(['reread']);
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
