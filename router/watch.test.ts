import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import type { Cluster, NodeRecord } from '../shared/directory/directory.ts';
import { SeededRandom } from '../shared/random.ts';
import { ScriptedDirectory } from '../shared/testing/scripted-directory.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';
import { cluster, inc, nodeRecord, routerRecord } from './fixture.ts';
import { ClusterWatch } from './watch.ts';

const A = nodeRecord('n1', inc('a'));
const B = nodeRecord('n2', inc('b'));

class Bench {
  readonly clock = new ManualClock();
  readonly directory = new ScriptedDirectory();
  readonly events: string[] = [];
  readonly logged: string[] = [];
  readonly runs: string[] = [];
  readonly counted: string[] = [];
  refused: string | undefined;
  readonly watch: ClusterWatch;

  constructor(options: { byPatience?: boolean; isGone?: (record: NodeRecord) => boolean } = {}) {
    this.watch = new ClusterWatch(
      {
        record: routerRecord('r1', inc('f')),
        timings: DEFAULT_TIMINGS,
        random: new SeededRandom(4),
        now: () => this.clock.now(),
        byPatience: options.byPatience ?? true,
        isGone: options.isGone,
        sessions: () => 0,
        onCertified: (at) => this.events.push(`certified ${at.node} ${at.incarnation.slice(0, 1)}`),
        onForgotten: (at) => this.events.push(`forgotten ${at.node} ${at.incarnation.slice(0, 1)}`),
        onRefused: (message) => {
          this.refused = message;
        },
      },
      {
        call: this.directory.call,
        useRun: (runId) => this.runs.push(runId),
        keepLink: (node, incarnation, address) =>
          this.events.push(`keep ${node} ${incarnation.slice(0, 1)} ${address}`),
        dropLink: (node, incarnation) => this.events.push(`drop ${node} ${incarnation.slice(0, 1)}`),
        log: (event) => this.logged.push(event),
        count: (metric) => this.counted.push(metric),
      },
    );
  }

  tick(ms = 0): void {
    this.clock.advance(ms);
    this.watch.tick(this.clock.now());
  }

  read(reply: Cluster): void {
    this.directory.answer('readCluster', reply);
  }

  /** Ticks every 20 ms for `ms`; each poll shows `reply`, everything else that is asked is answered well. */
  run(ms: number, reply: () => Cluster): void {
    for (let past = 0; past < ms; past += 20) {
      this.tick(20);
      const { waiting } = this.directory;
      if (waiting.includes('readCluster')) this.read(reply());
      if (waiting.includes('registerRouter')) this.directory.answer('registerRouter', { kind: 'ok', ver: 1 });
      if (waiting.includes('refreshRouter')) this.directory.answer('refreshRouter', { kind: 'ok' });
    }
  }

  /** Polled once and registered. */
  registered(nodes: readonly NodeRecord[] = [A, B]): this {
    this.tick();
    this.read(cluster(nodes));
    this.tick();
    this.directory.answer('registerRouter', { kind: 'ok', ver: 1 });
    this.events.length = 0;
    return this;
  }
}

describe('joining', () => {
  it('polls, keeps a link to every living node, registers', () => {
    const bench = new Bench();
    bench.tick();
    bench.read(cluster([A, nodeRecord('n3', inc('c'), { state: 'dead' })]));
    expect(bench.events).toEqual(['keep n1 a n1:7000']);
    expect(bench.watch.registered).toBe(false);
    bench.tick();
    bench.directory.answer('registerRouter', { kind: 'ok', ver: 1 });
    expect(bench.watch.registered).toBe(true);
  });

  it('52 refuses where its periods do not go with the others’', () => {
    const bench = new Bench();
    bench.tick();
    bench.read(cluster([nodeRecord('n1', inc('a'), { timings: { fenceMs: 9_000, deadMs: 20_000 } })]));
    expect(bench.refused).toMatch(/too short/);
    bench.tick(1_000);
    expect(bench.directory.waiting).not.toContain('registerRouter');
  });

  it('registers again when its record is gone, and in another history', () => {
    const bench = new Bench().registered();
    bench.tick(2_500);
    bench.directory.answer('refreshRouter', { kind: 'absent' });
    bench.tick();
    bench.directory.answer('registerRouter', { kind: 'ok', ver: 1 });
    bench.read(cluster([A], {}, { gen: 'gen-2' }));
    bench.tick();
    expect(bench.directory.waiting).toContain('registerRouter');
  });
});

it('writes a certificate again that Redis has lost, and only of what was read to be dead', () => {
  const bench = new Bench().registered();
  const dead = nodeRecord('n1', inc('a'), { state: 'dead' });
  bench.tick(600);
  bench.read(cluster([dead, nodeRecord('n2', inc('c'))], {}, { ver: 9 }));
  bench.tick(600);
  // Taken back: one that was certified lives again, another has its old incarnation, of which nothing was read.
  bench.read(cluster([A, B], {}, { ver: 8 }));
  const { args } = bench.directory.take('certify');
  expect(args).toMatchObject({ node: 'n1', incarnation: inc('a'), by: { kind: 'proof' } });
  expect(bench.directory.waiting).not.toContain('certify');
});

it.each<Partial<Cluster>>([{ runId: 'run-2' }, { gen: 'gen-2' }])(
  'takes no certificate from one history into another: %j',
  (other) => {
    const bench = new Bench().registered();
    bench.tick(600);
    // A primary that was cut off, on which no heartbeat counts any more; the nodes live on at its successor.
    bench.read(cluster([nodeRecord('n1', inc('a'), { state: 'dead' }), B], {}, { ver: 9 }));
    bench.run(5_000, () => cluster([A, B], {}, { ver: 8, ...other }));
    expect(bench.watch.registered).toBe(true);
    expect(bench.directory.waiting).not.toContain('certify');
  },
);

it('lets go of a node that an emptied history does not list for long, and keeps a link once it is back', () => {
  const bench = new Bench().registered();
  let beat = 1;
  bench.run(8_000, () => cluster([B], { n2: ++beat }, { gen: 'gen-2' }));
  expect(bench.events).toEqual([]);
  bench.run(4_000, () => cluster([B], { n2: ++beat }, { gen: 'gen-2' }));
  expect(bench.events).toEqual(['forgotten n1 a', 'drop n1 a']);
  bench.run(500, () => cluster([A, B], { n1: 1, n2: ++beat }, { gen: 'gen-2', ver: 9 }));
  expect(bench.events.slice(2)).toEqual(['keep n1 a n1:7000']);
});

describe('patience', () => {
  it('certifies the exact counter that stood still for dead', () => {
    const bench = new Bench().registered();
    let beat = 1;
    const poll = () => cluster([A, B], { n1: 7, n2: ++beat });
    bench.run(2_500, poll);
    expect(bench.directory.waiting).not.toContain('certify');
    bench.run(500, poll);
    const certify = bench.directory.take('certify');
    expect(certify.args).toEqual({
      node: 'n1',
      incarnation: inc('a'),
      by: { kind: 'patience', counter: 7 },
      runId: 'run-1',
      gen: 'gen-1',
    });
    certify.reply({ kind: 'certified', ver: 2 });
    bench.tick();
    bench.read(cluster([nodeRecord('n1', inc('a'), { state: 'dead' }), B]));
    expect(bench.events).toContain('certified n1 a');
  });

  it('asks once, and again only when that was answered', () => {
    const bench = new Bench().registered([A]);
    bench.run(3_500, () => cluster([A], { n1: 7 }));
    expect(bench.directory.waiting.filter((one) => one === 'certify')).toHaveLength(1);
  });

  it('is not had by a router that may not, nor before it is registered', () => {
    const bench = new Bench({ byPatience: false }).registered();
    bench.run(4_000, () => cluster([A], { n1: 7 }));
    expect(bench.directory.waiting).not.toContain('certify');
    const late = new Bench();
    for (let past = 0; past < 4_000; past += 20) {
      late.tick(20);
      if (late.directory.waiting.includes('readCluster')) late.read(cluster([A], { n1: 7 }));
    }
    expect(late.directory.waiting).toEqual(['registerRouter']);
  });

  it('starts anew after a poll that failed, and after a stop of this process', () => {
    const bench = new Bench().registered([A]);
    const poll = () => cluster([A], { n1: 7 });
    bench.run(2_500, poll);
    bench.tick(300);
    bench.directory.take('readCluster').fail();
    expect(bench.watch.redis).toBe('failed');
    bench.run(2_400, poll);
    expect(bench.directory.waiting).not.toContain('certify');
    bench.clock.advance(5_000);
    bench.run(2_400, poll);
    expect(bench.directory.waiting).not.toContain('certify');
    bench.run(600, poll);
    expect(bench.directory.waiting).toContain('certify');
  });

  it('does not take a broken link for evidence: it polls at once, and often for a second', () => {
    const bench = new Bench().registered();
    let beat = 1;
    bench.run(400, () => cluster([A], { n1: ++beat }));
    bench.watch.pollSoon(bench.clock.now());
    const before = beat;
    bench.run(1_000, () => cluster([A], { n1: ++beat }));
    expect(beat - before).toBeGreaterThan(12);
    expect(bench.directory.waiting).not.toContain('certify');
  });
});

describe('a broken link', () => {
  it('has the cluster read in quick succession for a moment, until a certificate is seen', () => {
    const polls = (bench: Bench, ms: number, reply: () => Cluster): number => {
      let count = 0;
      for (let past = 0; past < ms; past += 5) {
        bench.tick(5);
        if (!bench.directory.waiting.includes('readCluster')) continue;
        bench.read(reply());
        count++;
      }
      return count;
    };
    const living = () => cluster([A, B]);
    const bench = new Bench().registered();
    bench.watch.pollSoon(bench.clock.now());
    expect(polls(bench, 300, living)).toBeGreaterThanOrEqual(29);
    expect(bench.watch.isHurried(bench.clock.now())).toBe(false);
    // Said again and again, it is no reason to go on like that.
    bench.watch.pollSoon(bench.clock.now());
    expect(polls(bench, 300, living)).toBeLessThan(8);
    polls(bench, 1_000, living);
    bench.watch.pollSoon(bench.clock.now());
    expect(bench.watch.isHurried(bench.clock.now())).toBe(true);
    expect(polls(bench, 100, () => cluster([nodeRecord('n1', inc('a'), { state: 'dead' }), B]))).toBeLessThan(5);
    expect(bench.events).toContain('certified n1 a');
  });
});

describe('proof', () => {
  it('certifies at once where the process is gone', () => {
    const bench = new Bench({ isGone: (record) => record.node === 'n1' }).registered();
    bench.tick(300);
    bench.read(cluster([A, B], { n1: 2, n2: 2 }));
    expect(bench.directory.take('certify').args).toMatchObject({ node: 'n1', by: { kind: 'proof' } });
  });
});

describe('a certified node', () => {
  it('is told so before its link is let go', () => {
    const bench = new Bench().registered();
    bench.tick(300);
    bench.read(cluster([nodeRecord('n1', inc('a'), { state: 'dead' }), B]));
    expect(bench.events).toEqual(['certified n1 a', 'drop n1 a']);
  });

  it('replaced under its id is let go for its successor', () => {
    const bench = new Bench().registered();
    bench.tick(300);
    bench.read(cluster([nodeRecord('n1', inc('c')), B]));
    expect(bench.events).toEqual(['certified n1 a', 'drop n1 a', 'keep n1 c n1:7000']);
  });

  it('is not one that an emptied history does not list', () => {
    const bench = new Bench().registered();
    bench.tick(300);
    bench.read(cluster([]));
    expect(bench.events).toEqual([]);
  });
});

describe('another run of Redis', () => {
  it('found behind the connection is put in force and polled at once', () => {
    const bench = new Bench().registered();
    bench.tick(300);
    bench.directory.take('readCluster').fail('other-run', 'run-2');
    expect(bench.runs).toEqual(['run-1', 'run-2']);
    expect(bench.watch.redis).toBe('answered');
    bench.tick();
    expect(bench.directory.take('readCluster').args.known).toBeUndefined();
  });
});

describe('Redis that does not answer', () => {
  const news = (bench: Bench) => bench.logged.filter((event) => /^redis (answers|does not)/.test(event));

  it('is told once, and so is its return', () => {
    const bench = new Bench().registered();
    for (let i = 0; i < 3; i++) {
      bench.tick(300);
      bench.directory.take('readCluster').fail('unavailable');
    }
    expect(news(bench)).toEqual(['redis does not answer']);
    bench.tick(300);
    bench.read(cluster([A]));
    expect(news(bench)).toEqual(['redis does not answer', 'redis answers']);
  });

  it('is no news before it has ever answered', () => {
    const bench = new Bench();
    bench.tick();
    bench.directory.take('readCluster').fail('unavailable');
    bench.tick(300);
    bench.read(cluster([A]));
    expect(news(bench)).toEqual([]);
  });
});

describe('other routers', () => {
  const routers = [routerRecord('r2', inc('e'), 5)];

  it('that stand still for long are removed, by compare-and-set', () => {
    const bench = new Bench().registered();
    let beat = 1;
    bench.run(22_000, () => cluster([A], { n1: ++beat }, { routers }));
    expect(bench.directory.take('removeRouter').args).toEqual({ router: 'r2', incarnation: inc('e'), counter: 5 });
  });

  it('are not blamed for a time in which nobody could write', () => {
    const bench = new Bench().registered();
    let beat = 1;
    bench.run(6_000, () => cluster([A], { n1: ++beat }, { routers }));
    for (let past = 0; past < 20_000; past += 500) {
      bench.tick(500);
      if (bench.directory.waiting.includes('readCluster')) bench.directory.take('readCluster').fail('unavailable');
      if (bench.directory.waiting.includes('refreshRouter')) bench.directory.take('refreshRouter').fail('unavailable');
    }
    bench.run(6_000, () => cluster([A], { n1: ++beat }, { routers }));
    expect(bench.directory.waiting).not.toContain('removeRouter');
  });
});

it('calls back after a poll sent from then on, answered or failed', () => {
  const bench = new Bench().registered();
  bench.tick(300);
  const done: string[] = [];
  bench.watch.afterFreshPoll(bench.clock.now(), () => done.push('fresh'));
  bench.read(cluster([A]));
  expect(done).toEqual([]);
  bench.tick();
  bench.directory.take('readCluster').fail();
  expect(done).toEqual(['fresh']);
});

describe('a node that asks whether Redis answers', () => {
  it('is told what the last poll met', () => {
    const bench = new Bench();
    expect(bench.watch.tell(A.incarnation)).toBe('unknown');
    bench.registered([A]);
    expect(bench.watch.tell(A.incarnation)).toBe('answered');
    bench.tick(400);
    bench.directory.take('readCluster').fail('timeout');
    expect(bench.watch.tell(A.incarnation)).toBe('failed');
    bench.tick(400);
    bench.read(cluster([A]));
    expect(bench.watch.tell(A.incarnation)).toBe('answered');
  });
});

describe('claims', () => {
  const now = (bench: Bench) => bench.watch.mayCauseClaims(bench.clock.now().monoMs);

  it('may be caused by a router that has seen no outage', () => {
    expect(now(new Bench().registered([A]))).toBe(true);
  });

  it('are not caused while Redis is away, nor for grace after, counted anew from each poll that failed', () => {
    const bench = new Bench().registered([A]);
    const fail = () => {
      bench.tick(400);
      bench.directory.take('readCluster').fail('unavailable');
      expect(now(bench)).toBe(false);
      bench.tick(400);
      bench.read(cluster([A]));
    };
    const still = () => cluster([A], { n1: 1 });
    fail();
    bench.run(DEFAULT_TIMINGS.graceMs - 100, still);
    expect(now(bench)).toBe(false);
    fail();
    bench.run(DEFAULT_TIMINGS.graceMs - 100, still);
    expect(now(bench)).toBe(false);
    bench.run(120, still);
    expect(now(bench)).toBe(true);
  });
});

describe('a router that is not in the list', () => {
  const others = [routerRecord('r2', inc('e'))];

  it('certifies nobody by patience, and registers again', () => {
    const bench = new Bench().registered([A]);
    bench.run(1_000, () => cluster([A], { n1: 7 }));
    bench.tick(300);
    bench.read(cluster([A], { n1: 7 }, { ver: 3, routers: others }));
    expect(bench.watch.registered).toBe(false);
    bench.tick(20);
    expect(bench.directory.waiting).toContain('registerRouter');
  });

  it('takes a version from before its registration for lost with a rollback', () => {
    const bench = new Bench();
    bench.tick();
    bench.read(cluster([A]));
    bench.tick();
    bench.directory.answer('registerRouter', { kind: 'ok', ver: 5 });
    expect(bench.watch.registered).toBe(true);
    bench.tick(300);
    bench.read(cluster([A], {}, { ver: 4 }));
    expect(bench.watch.registered).toBe(false);
  });

  it('certifies after dead only those who have read of it', () => {
    const bench = new Bench();
    bench.tick();
    bench.read(cluster([A]));
    bench.tick();
    bench.directory.answer('registerRouter', { kind: 'ok', ver: 5 });
    // The beat that stands still names version 1.
    bench.run(6_000, () => cluster([A], { n1: 7 }, { ver: 5 }));
    expect(bench.directory.waiting).not.toContain('certify');
  });
});

it('tells a node that was lost from one that left, and shows what became of both', () => {
  const bench = new Bench().registered([A, B]);
  bench.run(300, () =>
    cluster([
      { ...A, state: 'dead' },
      { ...B, state: 'left' },
    ]),
  );
  expect(bench.counted).toEqual(['nodes_lost', 'nodes_left']);
  const shown = bench.watch.describeNodes(bench.clock.now().monoMs);
  expect(shown).toEqual([
    { node: 'n1', state: 'dead', stillMs: undefined },
    { node: 'n2', state: 'left', stillMs: undefined },
  ]);
});

it('counts an incarnation as lost that another took the place of between two reads', () => {
  const bench = new Bench().registered([A]);
  bench.run(300, () => cluster([{ ...A, incarnation: inc('c') }]));
  expect(bench.counted).toEqual(['nodes_lost']);
});
