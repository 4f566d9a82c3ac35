import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { AdmissionRate } from './admission-rate.ts';
import { type HandshakeKind, Handshakes } from './handshakes.ts';

function take(handshakes: Handshakes, kind: HandshakeKind, count: number, canRead = false): Record<string, number> {
  const verdicts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const verdict = handshakes.take(kind, canRead);
    verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
  }
  return verdicts;
}

const shedding = (clock: ManualClock, most: number): Handshakes =>
  new Handshakes(clock, new AdmissionRate(clock, most));

describe('shedding', () => {
  it('sheds new sessions first, then resumes', () => {
    const handshakes = shedding(new ManualClock(), 100);
    expect(take(handshakes, 'new', 40)).toEqual({ admitted: 25, refused: 15 });
    // What new sessions may not empty is left to those that resume.
    expect(take(handshakes, 'resume', 40)).toEqual({ admitted: 25, refused: 15 });
    expect(handshakes.take('new', false)).toBe('refused');
  });

  it('while a resume is shed, every new session is', () => {
    const clock = new ManualClock();
    const handshakes = shedding(clock, 100);
    let shedResumes = 0;
    for (let i = 0; i < 500; i++) {
      const verdict = handshakes.take('resume', false);
      if (verdict !== 'admitted') {
        shedResumes += 1;
        expect(handshakes.take('new', false)).not.toBe('admitted');
      }
      clock.advance(2);
    }
    expect(shedResumes).toBeGreaterThan(100);
  });

  it('admits the rate and one burst, no more, however they come', () => {
    const clock = new ManualClock();
    const handshakes = shedding(clock, 100);
    for (let ms = 0; ms < 10_000; ms += 5) {
      handshakes.take('resume', false);
      clock.advance(5);
    }
    expect(handshakes.stats.resume.admitted).toBeLessThanOrEqual(1_050);
    expect(handshakes.stats.resume.admitted).toBeGreaterThanOrEqual(1_000);
  });

  it('is filled again by time, up to one burst', () => {
    const clock = new ManualClock();
    const handshakes = shedding(clock, 100);
    take(handshakes, 'resume', 50);
    expect(handshakes.take('resume', false)).toBe('refused');
    clock.advance(10);
    expect(handshakes.take('resume', false)).toBe('admitted');
    clock.advance(60_000);
    expect(take(handshakes, 'resume', 60)).toEqual({ admitted: 50, refused: 10 });
  });

  it('takes a rate of one a second for both kinds', () => {
    const clock = new ManualClock();
    const handshakes = shedding(clock, 1);
    expect(handshakes.take('new', false)).toBe('admitted');
    expect(handshakes.take('new', false)).toBe('refused');
    expect(handshakes.take('resume', false)).toBe('admitted');
    expect(handshakes.take('resume', false)).toBe('refused');
  });
});

describe('what a shed client gets', () => {
  it('is a notice where it can read one, while that can be afforded; a status for all others', () => {
    const clock = new ManualClock();
    const handshakes = shedding(clock, 100);
    take(handshakes, 'resume', 50);
    expect(handshakes.take('resume', false)).toBe('refused');
    expect(take(handshakes, 'resume', 100, true)).toEqual({ told: 50, refused: 50 });
    clock.advance(40);
    // A quarter of the rate: one in 40 ms, beside the four that are admitted.
    expect(take(handshakes, 'resume', 10, true)).toEqual({ admitted: 4, told: 1, refused: 5 });
  });
});

it('without a limit admits everybody, and counts them', () => {
  const handshakes = shedding(new ManualClock(), 0);
  expect(take(handshakes, 'new', 10_000)).toEqual({ admitted: 10_000 });
  expect(handshakes.stats.new.admitted).toBe(10_000);
});
