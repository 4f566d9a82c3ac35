import { expect, test } from 'vitest';
import { talkFaults } from './talk-faults.ts';
import type { Heard, TalkRecord, Word } from './talker.ts';

const word = (text: string, seq: number, tag = '5.a'): Word => ({ text, seq, tag });
const heard = (...words: Word[]): Heard[] => words.map((one) => ({ kind: 'message', ...one }));

function record(name: string, changes: Partial<TalkRecord>): TalkRecord {
  const nothing = {
    said: 0,
    pending: 0,
    acked: [],
    heard: [],
    refused: [],
    states: [],
    left: [],
    sessions: [],
    members: 0,
  };
  return { name, ...nothing, ...changes };
}

const one = word('ada 1.1', 1);
const two = word('ada 2.2', 2);
const ada = record('ada', { said: 2, acked: [one, two], heard: heard(one, two) });
const lost: Heard = { kind: 'reset', reason: 'owner_lost', seq: 0, tag: '6.b' };

test('a sound conversation has no faults, nor one whose gap was told', () => {
  expect(talkFaults([ada, record('bob', { heard: heard(one, two) })])).toEqual([]);
  expect(talkFaults([ada, record('bob', { heard: [...heard(one), lost, ...heard(word('x', 1, '6.b'))] })])).toEqual([]);
});

test.each([
  ['a publish without an outcome', { ...ada, pending: 1 }, heard(one, two)],
  ['a thing never acked', { ...ada, said: 3 }, heard(one, two)],
  ['a thing acked twice', { ...ada, acked: [one, word('ada 1.2', 2)] }, heard(one, word('ada 1.2', 2))],
  ['a gap', ada, heard(one, word('x', 3))],
  ['a message twice', ada, heard(one, two, two)],
  ['a try heard twice', ada, heard(one, two, word('ada 2.2', 3))],
  ['another text under an acked seq', ada, heard(one, word('x', 2))],
  [
    'an acked message of the reset’s own tag that is missing',
    { ...ada, acked: [one, word('ada 2.1', 1, '6.b')] },
    [...heard(one), lost],
  ],
])('%s is found', (_, sender, bob) => {
  expect(talkFaults([sender, record('bob', { heard: bob })]).length).toBeGreaterThan(0);
});
