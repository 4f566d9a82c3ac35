import { describe, expect, it } from 'vitest';
import type { Program, RoomContext } from './program.ts';
import { ProgramHost } from './program-host.ts';

const context = { room: 'r' } as unknown as RoomContext;
const member = { session: 's', user: 'u', since: 0, meta: undefined };

function host(program: Program) {
  const failures: unknown[] = [];
  return { host: new ProgramHost(program, context, (error) => failures.push(error)), failures };
}

describe('a program that throws', () => {
  it.each(['open', 'join', 'leave', 'message', 'timer'] as const)('in %s fails once and is called no more', (where) => {
    const calls: string[] = [];
    const program: Program = {
      open: () => void calls.push('open'),
      join: () => void calls.push('join'),
      leave: () => void calls.push('leave'),
      message: () => void calls.push('message'),
      timer: () => void calls.push('timer'),
      close: () => void calls.push('close'),
    };
    const { host: one, failures } = host({
      ...program,
      [where]: () => {
        throw new Error('boom');
      },
    });
    const all = () => {
      one.open();
      one.setTimer('t', 5);
      one.join(member);
      one.message({ member, id: 1, data: null });
      one.leave(member);
      one.tick(10);
    };
    all();
    expect(failures).toEqual([new Error('boom')]);
    const before = calls.length;
    expect(calls.at(-1)).toBe('close');
    all();
    one.close();
    expect(calls).toHaveLength(before);
    expect(failures).toHaveLength(1);
  });

  it('in close is told too', () => {
    let calls = 0;
    const { host: one, failures } = host({
      close: () => {
        calls++;
        throw new Error('late');
      },
    });
    one.close();
    one.close();
    expect([calls, failures.length]).toEqual([1, 1]);
  });
});

describe('timers', () => {
  it('fire once, when due, and may be moved, cleared and set again by themselves', () => {
    const fired: string[] = [];
    const box: { host?: ProgramHost } = {};
    const { host: one } = host({
      timer: (name) => {
        fired.push(name);
        if (name === 'again' && fired.length < 4) box.host?.setTimer('again', 0);
        if (name === 'clears') box.host?.clearTimer('cleared');
      },
    });
    box.host = one;
    one.setTimer('a', 10);
    one.setTimer('a', 20);
    one.tick(19);
    expect(fired).toEqual([]);
    one.tick(20);
    one.tick(30);
    expect(fired).toEqual(['a']);
    one.setTimer('clears', 30);
    one.setTimer('cleared', 30);
    one.tick(30);
    expect(fired).toEqual(['a', 'clears']);
    one.setTimer('again', 30);
    one.tick(30);
    expect(fired).toEqual(['a', 'clears', 'again']);
    one.tick(30);
    expect(fired).toEqual(['a', 'clears', 'again', 'again']);
  });

  it('are at most 100, and do not outlive the program', () => {
    let fired = 0;
    const { host: one } = host({ timer: () => void fired++ });
    for (let i = 0; i < 100; i++) one.setTimer(`t${i}`, 1);
    expect(() => one.setTimer('t100', 1)).toThrow(RangeError);
    one.setTimer('t5', 2);
    one.close();
    one.tick(10);
    expect(fired).toBe(0);
  });
});

describe('state', () => {
  it('is what the program says', () => {
    expect(host({ state: () => ({ n: 1 }) }).host.state()).toEqual({ n: 1 });
    expect(host({}).host.state()).toBeUndefined();
  });

  it('too large to carry is a failure', () => {
    const { host: one, failures } = host({ state: () => 'x'.repeat(1_048_577) });
    one.state();
    expect(failures).toHaveLength(1);
    expect(failures[0]).toBeInstanceOf(RangeError);
  });
});
