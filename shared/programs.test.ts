import { describe, expect, it } from 'vitest';
import { listingFor, lists, programOf } from './programs.ts';

const everything = { programs: [{ pattern: '*', program: 'chat' }] };
const quizzes = {
  programs: [
    { pattern: '*', program: 'chat' },
    { pattern: 'quiz-*', program: 'quiz' },
    { pattern: 'quiz-final-*', program: 'final' },
  ],
};

describe('which program a room runs', () => {
  it('is the most specific that any node lists, in whatever order they are read', () => {
    for (const nodes of [
      [everything, quizzes],
      [quizzes, everything],
    ]) {
      expect(programOf(nodes, 'lobby')).toBe('chat');
      expect(programOf(nodes, 'quiz-1')).toBe('quiz');
      expect(programOf(nodes, 'quiz-final-1')).toBe('final');
    }
    expect(programOf([], 'lobby')).toBeUndefined();
  });

  it('is the same for all when two nodes list one pattern with two programs', () => {
    const a = { programs: [{ pattern: 'x-*', program: 'alpha' }] };
    const b = { programs: [{ pattern: 'x-*', program: 'beta' }] };
    expect(programOf([a, b], 'x-1')).toBe('alpha');
    expect(programOf([b, a], 'x-1')).toBe('alpha');
  });

  it('can be run only by a node that lists it for that room', () => {
    expect(lists(quizzes, 'quiz-1', 'quiz')).toBe(true);
    expect(lists(everything, 'quiz-1', 'quiz')).toBe(false);
    expect(lists(quizzes, 'other', 'quiz')).toBe(false);
  });

  it('names nothing where no pattern matches', () => {
    expect(listingFor([{ pattern: 'quiz-*', program: 'quiz' }], 'lobby')).toBeUndefined();
  });
});
