import { describe, expect, it } from 'vitest';
import type { RoomRecord } from '../../shared/directory/directory.ts';
import { DeliveryOracle, Sayings } from './delivery-oracle.ts';
import { ObservationOracle, Oracle } from './oracle.ts';
import { Trace } from './trace.ts';

const ROOM = 'room';

function world() {
  const trace = new Trace(() => 0);
  const oracle = new Oracle(trace);
  const grant = (epoch: number, incarnation: string) => {
    const owner = { node: `node-${incarnation}`, incarnation };
    const record: RoomRecord = { owner, epoch, nonce: `${epoch}`, head: 0, tags: [] };
    const args = { room: ROOM, seen: undefined, node: owner.node, incarnation, nonce: `${epoch}`, floor: 0 };
    oracle.executed(
      'test',
      'claim',
      { ...args, numbering: { kind: 'restart' }, runId: 'r' },
      { kind: 'owned', record },
    );
    return { room: ROOM, tag: `${epoch}.${epoch}` };
  };
  return { trace, oracle, grant, broken: () => trace.violation?.rule };
}

describe('Oracle', () => {
  it('takes it when a newer tag speaks after an older one', () => {
    const { oracle, grant, broken } = world();
    const [older, newer] = [grant(1, 'a'), grant(2, 'b')];
    oracle.emitted('n', 'a', 'cast', older);
    oracle.emitted('n', 'b', 'cast', newer);
    expect(broken()).toBeUndefined();
  });

  it('finds an older tag that speaks after a newer one', () => {
    const { oracle, grant, broken } = world();
    const [older, newer] = [grant(1, 'a'), grant(2, 'b')];
    oracle.emitted('n', 'b', 'cast', newer);
    oracle.emitted('n', 'a', 'cast', older);
    expect(broken()).toBe('5');
  });

  it("finds whoever speaks under another's tag, or under one that was never granted", () => {
    const first = world();
    first.oracle.emitted('n', 'b', 'cast', first.grant(1, 'a'));
    expect(first.broken()).toBe('1');
    const second = world();
    second.oracle.emitted('n', 'a', 'cast', { room: ROOM, tag: '7.7' });
    expect(second.broken()).toBe('1');
  });

  it('finds epochs that go back', () => {
    const { grant, broken } = world();
    grant(5, 'a');
    grant(4, 'b');
    expect(broken()).toBe('1');
  });

  it('finds what is appended under another tag than was granted last', () => {
    const { oracle, grant, broken } = world();
    const [older, newer] = [grant(1, 'a'), grant(2, 'b')];
    oracle.logged(ROOM, newer.tag, 'b');
    expect(broken()).toBeUndefined();
    oracle.logged(ROOM, older.tag, 'a');
    expect(broken()).toBe('1');
  });

  it('goes by what Redis still knows of, once it has lost something', () => {
    const rolledBack = (tag: string | undefined) => {
      const made = world();
      const [older, newer] = [made.grant(1, 'a'), made.grant(2, 'b')];
      made.oracle.lost(() => tag);
      return { ...made, older, newer };
    };
    // A command of the owner of then may still be on its way: it is the owner again, until somebody else claims.
    const late = rolledBack('1.1');
    late.oracle.logged(ROOM, late.older.tag, 'a');
    late.grant(2 ** 40, 'c');
    expect(late.broken()).toBeUndefined();
    late.oracle.logged(ROOM, late.older.tag, 'a');
    expect(late.broken()).toBe('1');
    const lost = rolledBack('1.1');
    lost.oracle.logged(ROOM, lost.newer.tag, 'b');
    expect(lost.broken()).toBe('1');
    const emptied = rolledBack(undefined);
    emptied.grant(1.5, 'c');
    expect(emptied.broken()).toBeUndefined();
    emptied.oracle.logged(ROOM, emptied.newer.tag, 'b');
    expect(emptied.broken()).toBe('1');
    const low = rolledBack('2.2');
    low.grant(1.5, 'c');
    expect(low.broken()).toBe('1');
  });
});

describe('DeliveryOracle', () => {
  function client() {
    const made = world();
    const deliveries = new DeliveryOracle(made.trace, made.oracle, new Sayings(), 'u', ROOM);
    const say = (seq: number, id: number) => deliveries.message({ seq, tag: '1.1', session: 's', id });
    return { ...made, deliveries, say };
  }

  it('takes a contiguous run, and another one after a reset', () => {
    const { deliveries, say, broken } = client();
    deliveries.welcome(3, '1.1', false);
    say(4, 1);
    say(5, 2);
    deliveries.reset(9, '1.1');
    say(10, 3);
    expect(broken()).toBeUndefined();
  });

  it('finds a gap, a repeat, and a resume at another place', () => {
    const gap = client();
    gap.deliveries.welcome(3, '1.1', false);
    gap.say(5, 1);
    expect(gap.broken()).toBe('4');
    const repeat = client();
    repeat.deliveries.welcome(3, '1.1', false);
    repeat.say(4, 1);
    repeat.say(5, 1);
    expect(repeat.broken()).toBe('2');
    const resume = client();
    resume.deliveries.welcome(3, '1.1', false);
    resume.deliveries.welcome(2, '1.1', true);
    expect(resume.broken()).toBe('4');
  });

  it('finds an older tag shown after a newer one', () => {
    const { deliveries, grant, broken } = client();
    const [older, newer] = [grant(1, 'a'), grant(2, 'b')];
    deliveries.under(newer);
    deliveries.under(older);
    expect(broken()).toBe('5');
  });
});

describe('ObservationOracle', () => {
  it('objects until polls have succeeded, close enough to each other, for the whole period', () => {
    const oracle = new ObservationOracle({ deadMs: 1_000, pollMs: 250 });
    for (let ms = 0; ms <= 2_000; ms += 250) oracle.polled(ms, ms + 5, true);
    expect(oracle.objection(2_010)).toBeUndefined();
    oracle.polled(2_250, 2_255, false);
    expect(oracle.objection(2_260)).toBeDefined();
    for (let ms = 2_500; ms <= 3_500; ms += 250) oracle.polled(ms, ms + 5, true);
    expect(oracle.objection(3_510)).toBeUndefined();
    oracle.polled(4_500, 4_505, true);
    expect(oracle.objection(4_510)).toBeDefined();
  });
});
