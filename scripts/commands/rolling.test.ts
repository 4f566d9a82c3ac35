import { describe, expect, it } from 'vitest';
import { Failure } from './failure.ts';
import { type NodeState, type RollingOptions, type RollingPorts, roll } from './rolling.ts';

/** A cluster that does what it is told, unless a test says otherwise. */
function world(change: Partial<RollingPorts> = {}) {
  const lives = new Map([
    ['n1', 1],
    ['n2', 1],
    ['n3', 1],
  ]);
  const steps: string[] = [];
  let now = 0;
  const state = (node: string): NodeState => ({
    node,
    incarnation: `${node}.${lives.get(node)}`,
    state: 'active',
    rooms: 4,
    linked: true,
    heartbeatAgeMs: 10,
  });
  const ports: RollingPorts = {
    nodes: async () => [...lives.keys()].map(state),
    drain: async (node) => void steps.push(`drain ${node}`),
    restart: async (node) => {
      steps.push(`restart ${node}`);
      lives.set(node, (lives.get(node) ?? 0) + 1);
    },
    settling: async () => ({ isSettled: true, says: 'idle' }),
    pause: async (ms) => {
      now += ms;
      return true;
    },
    now: () => now,
    say: () => undefined,
    waits: () => undefined,
    ...change,
  };
  return { ports, steps, lives, state };
}

const OPTIONS: RollingOptions = { only: [], joinMs: 5_000, settleMs: 5_000 };

async function failureOf(ports: RollingPorts, options = OPTIONS): Promise<Failure> {
  const error = await roll(ports, options).catch((thrown: unknown) => thrown);
  if (!(error instanceof Failure)) throw new Error('it did not fail');
  return error;
}

describe('a rolling restart', () => {
  it('drains and starts each node in turn, and waits for each', async () => {
    const { ports, steps } = world();
    const ended = await roll(ports, OPTIONS);
    expect(steps).toEqual(['drain n1', 'restart n1', 'drain n2', 'restart n2', 'drain n3', 'restart n3']);
    expect(ended).toMatchObject({ kind: 'done', restarted: [{ node: 'n1', before: 'n1.1', after: 'n1.2' }, {}, {}] });
    const some = world();
    await roll(some.ports, { ...OPTIONS, only: ['n3', 'n1'] });
    expect(some.steps).toEqual(['drain n3', 'restart n3', 'drain n1', 'restart n1']);
  });

  it('does not touch the next node before rebalancing has settled', async () => {
    const answers = [false, false, true, true, true];
    const { ports, steps } = world({
      settling: async () => {
        const isSettled = answers.shift() ?? true;
        steps.push(isSettled ? 'settled' : 'moving');
        return { isSettled, says: 'running, 3 rooms to move' };
      },
    });
    await roll(ports, OPTIONS);
    expect(steps.slice(0, 6)).toEqual(['drain n1', 'restart n1', 'moving', 'moving', 'settled', 'drain n2']);
  });

  it.each<[string, Partial<RollingPorts>, RegExp]>([
    [
      'a drain that leaves rooms',
      { drain: async () => '2 rooms are left.' },
      /stopped after no node. n1 could not be drained: 2 rooms/,
    ],
    [
      'a restart that fails',
      { restart: async () => Promise.reject(new Error('exit code 1')) },
      /n1 is drained and was not started again: exit code 1/,
    ],
    ['a node that does not come back', { restart: async () => undefined }, /n1 has not joined within 5 s/],
    [
      'rooms that do not settle',
      { settling: async () => ({ isSettled: false, says: 'paused' }) },
      /rebalancing is not over: paused/,
    ],
  ])('ends at %s, with what to do', async (_what, change, wanted) => {
    const { ports, steps } = world(change);
    const failure = await failureOf(ports);
    expect(failure.message).toMatch(wanted);
    expect(failure.ending).toBe('failed');
    expect(steps.filter((step) => step.includes('n2'))).toEqual([]);
  });

  it('does not begin while a node is unwell, drained, or alone', async () => {
    const { ports, state } = world();
    const nodes = (all: readonly NodeState[]) => ({ ...ports, nodes: async () => all });
    const others = [state('n1'), state('n3')];
    expect((await failureOf(nodes([...others, { ...state('n2'), heartbeatAgeMs: 2_000 }]))).message).toMatch(
      /n2 is not well/,
    );
    expect((await failureOf(nodes([...others, { ...state('n2'), linked: false }]))).message).toMatch(/n2 is not well/);
    expect((await failureOf(nodes([...others, { ...state('n2'), state: 'draining' }]))).message).toMatch(
      /n2 is being drained/,
    );
    expect((await failureOf(nodes([state('n1')]))).message).toMatch(/one node alone/);
    expect((await failureOf(ports, { ...OPTIONS, only: ['n9'] })).ending).toBe('absent');
  });

  it('stops where the operator wants no more, and says at which node', async () => {
    const { ports } = world({ restart: async () => undefined, pause: async () => false });
    expect(await roll(ports, OPTIONS)).toEqual({ kind: 'interrupted', restarted: [], at: 'n1' });
  });

  it('waits through routers that do not answer for a while', async () => {
    const { ports, steps } = world();
    let calls = 0;
    const nodes = async () => {
      // The second look, which waits for n1, and the third.
      calls++;
      if (calls === 3 || calls === 4) throw new Failure('wrong', 'no router answers');
      return await ports.nodes();
    };
    await roll({ ...ports, nodes }, OPTIONS);
    expect(steps).toHaveLength(6);
  });
});
