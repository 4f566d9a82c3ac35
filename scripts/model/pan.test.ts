import { describe, expect, it } from 'vitest';
import { readPan } from './pan.ts';

const ENDED = { code: 0, timedOut: false };

/** What pan 6.5.2 prints at the end of a search. */
function report({ before = '', errors = 0, states = '65735', notes = '' } = {}): string {
  return `${before}
(Spin Version 6.5.2 -- 6 December 2019)
${notes}
Full statespace search for:
	never claim         	- (none specified)
	assertion violations	+

State-vector 88 byte, depth reached 278, errors: ${errors}
 ${states} states, stored
   123456 states, matched
   189191 transitions (= stored+matched)
hash conflicts:      4098 (resolved)

Stats on memory usage (in Megabytes):
    6.770	equivalent memory usage for states (stored*(State-vector + overhead))
    8.000	memory used for hash table (-w20)
   53.406	memory used for DFS stack (-m1000000)
   67.517	total actual memory usage

pan: elapsed time 0.24 seconds
`;
}

describe('readPan', () => {
  it('says that a property holds only of a search that ended, with its states and memory', () => {
    expect(readPan(report(), ENDED)).toEqual({ verdict: { kind: 'holds' }, states: 65_735, megabytes: 67.517 });
  });

  it('reads the states of a large search and of one for liveness', () => {
    expect(readPan(report({ states: '1.3526793e+08' }), ENDED).states).toBe(135_267_930);
    const live = report().replace('states, stored', 'states, stored (301096 visited)');
    expect(readPan(live, ENDED)).toMatchObject({ verdict: { kind: 'holds' }, states: 65_735 });
  });

  it('takes a violation for one, though pan calls its search not completed', () => {
    const before = 'pan:1: assertion violated (mytag[0]>=maxEmit) (at depth 14)\npan: wrote own.pml.trail';
    const output = report({ before, errors: 1, notes: 'Warning: Search not completed' });
    const verdict = { kind: 'breaks', what: 'assertion violated (mytag[0]>=maxEmit)', depth: 14 };
    expect(readPan(output, ENDED).verdict).toEqual(verdict);
    const cycle = report({ before: 'pan:1: acceptance cycle (at depth 164)', errors: 1 });
    expect(readPan(cycle, ENDED).verdict).toEqual({ kind: 'breaks', what: 'acceptance cycle', depth: 164 });
  });

  it.each([
    ['its depth', 'error: max search depth too small', /deeper/],
    ['memory', 'pan: reached -DMEMLIM bound\n\t1.07371e+09 bytes used', /memory/],
    ['memory of the machine', 'pan: out of memory', /memory/],
    ['the hash table', 'pan: hashtable full', /hash table/],
    ['anything else', 'Warning: Search not completed', /not completed/],
  ])('does not take a search for a proof that was cut short by %s', (_what, before, why) => {
    const verdict = { kind: 'incomplete', why: expect.stringMatching(why) };
    expect(readPan(report({ before }), ENDED).verdict).toEqual(verdict);
  });

  it('does not take for an answer what it does not understand', () => {
    const incomplete = { verdict: { kind: 'incomplete' } };
    expect(readPan('', { code: 1, timedOut: false })).toMatchObject({ ...incomplete, states: 0 });
    expect(readPan('pan: unexpected end', { code: null, timedOut: false })).toMatchObject(incomplete);
    expect(readPan(report(), { code: null, timedOut: true })).toMatchObject(incomplete);
    expect(readPan(report(), { code: 1, timedOut: false })).toMatchObject(incomplete);
    expect(readPan(report({ errors: 2 }), ENDED)).toMatchObject(incomplete);
  });
});
