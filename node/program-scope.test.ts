import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Cluster } from './core-fixture.ts';
import type { Program, ProgramFactory } from './program.ts';
import { faultOfProgram, ScopedProgram } from './program-scope.ts';

const boom = new Error('boom');

function withResolver<T>() {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** A node with two rooms of which the one named `bad` runs `program`. */
function rooms(program: Program) {
  const cluster = new Cluster();
  const make: ProgramFactory = (room, state) => new ScopedProgram(() => (room === 'bad' ? program : {}), room, state);
  const node = cluster.livingNode('n1', make);
  const router = node.router();
  router.open('bad', [{ session: 'a', handle: 1 }]);
  router.open('good', [{ session: 'b', handle: 2 }]);
  router.take();
  return { cluster, node, router };
}

const waysToStart: Readonly<Record<string, (run: () => void) => void>> = {
  immediate: (run) => void setImmediate(run),
  timer: (run) => void setTimeout(run, 1),
  promise: (run) => void turn().then(run),
  interval: (run) => {
    const timer = setInterval(() => {
      clearInterval(timer);
      run();
    }, 1);
  },
};

it.each(Object.entries(waysToStart))('a fault in a %s of a program closes its room alone, once', async (_, start) => {
  const { promise, resolve } = withResolver<unknown[]>();
  const { cluster, node, router } = rooms({
    message: () => start(() => resolve([faultOfProgram(boom), faultOfProgram(boom)])),
  });
  router.frame(1, 1, 'go');
  expect(router.takeTypes()).not.toContain('gone');
  expect(await promise).toEqual([
    { room: 'bad', isFirst: true },
    { room: 'bad', isFirst: false },
  ]);
  expect(router.take()).toMatchObject([{ type: 'gone', code: 1011 }]);
  cluster.settle();
  expect([node.core.rooms.held('bad'), node.core.rooms.held('good')?.room]).toEqual([undefined, 'good']);
  router.open('bad', [{ session: 'a', handle: 3, seat: 2 }]);
  expect(router.takeTypes()).toContain('opened');
});

it('a fault of what a room does at its program’s word is the node’s own', async () => {
  let told: unknown = 'nothing';
  let begun: Promise<void> | undefined;
  const later = () => {
    begun = turn().then(() => {
      told = faultOfProgram(boom);
    });
  };
  const context = { room: 'r', broadcast: later, send: later, setTimer: later } as never;
  for (const act of ['broadcast', 'send', 'setTimer'] as const) {
    told = 'nothing';
    new ScopedProgram(() => ({ open: (room) => void room[act]('a' as never, 'b' as never) }), 'r', undefined).open(
      context,
    );
    await begun;
    expect(told).toBeUndefined();
  }
});

it('what it returns and throws is passed on, and faults elsewhere belong to nobody', () => {
  const program = new ScopedProgram(
    (room, state) => ({
      state: () => ({ room, state: state ?? null }),
      open: () => {
        throw boom;
      },
    }),
    'r',
    { kept: 1 },
  );
  expect(program.state()).toEqual({ room: 'r', state: { kept: 1 } });
  expect(() => program.open({} as never)).toThrow(boom);
  expect(() => program.join({} as never, {} as never)).not.toThrow();
  expect(faultOfProgram(boom)).toBeUndefined();
});
