import { describe, expect, it } from 'vitest';
import type { DeadNode } from './certify.ts';
import { NodeSupervisor, type NodeSupervisorOptions } from './node-supervisor.ts';
import type { SupervisorEvent } from './supervisor.ts';
import type { Exit, Worker } from './worker.ts';

interface Life {
  readonly incarnation: string;
  readonly isFirst: boolean;
  readonly die: (exit: Exit) => void;
}

function supervised(options: Partial<NodeSupervisorOptions> = {}) {
  const lives: Life[] = [];
  const certified: DeadNode[] = [];
  const hearing: ((event: SupervisorEvent) => void)[] = [];
  const supervisor = new NodeSupervisor({
    node: 'n1',
    restart: true,
    restartDelayMs: 0,
    certify: async (dead) => void certified.push(dead),
    on: (event) => {
      for (const hear of hearing.splice(0)) hear(event);
    },
    launch: (incarnation, isFirst): Worker => {
      let die: (exit: Exit) => void = () => undefined;
      const exited = new Promise<Exit>((resolve) => {
        die = resolve;
      });
      lives.push({ incarnation, isFirst, die });
      const end = () => die({ code: 0, signal: null });
      return { pid: 1, exited, onReady: () => undefined, drain: end, stop: end, reload: () => undefined, kill: end };
    },
    ...options,
  });
  const heard = () => new Promise<SupervisorEvent>((resolve) => hearing.push(resolve));
  const crash = async () => {
    const event = heard();
    lives.at(-1)?.die({ code: null, signal: 'SIGKILL' });
    await event;
  };
  supervisor.start();
  return { supervisor, lives, certified, crash, heard };
}

describe('NodeSupervisor', () => {
  it('gives each life an incarnation of its own, and certifies each that ended', async () => {
    const { supervisor, lives, certified, crash, heard } = supervised();
    for (let i = 0; i < 3; i++) {
      await crash();
      await heard();
    }
    await supervisor.stop('at once');
    await supervisor.settled();
    expect(lives.map(({ isFirst }) => isFirst)).toEqual([true, false, false, false]);
    expect(new Set(lives.map(({ incarnation }) => incarnation)).size).toBe(4);
    for (const { incarnation } of lives) expect(incarnation).toMatch(/^[0-9a-f]{32}$/);
    expect(certified).toEqual(lives.map(({ incarnation }) => ({ node: 'n1', incarnation })));
  });

  it('starts with the incarnation it is given, once', async () => {
    const incarnation = 'f'.repeat(32);
    const { supervisor, lives, crash, heard } = supervised({ incarnation });
    await crash();
    await heard();
    expect(lives[0]?.incarnation).toBe(incarnation);
    expect(lives[1]?.incarnation).not.toBe(incarnation);
    await supervisor.stop('at once');
  });

  it('is settled only when the certificates are', async () => {
    let confirm: () => void = () => undefined;
    const certify = () => new Promise<void>((resolve) => (confirm = resolve));
    const { supervisor } = supervised({ certify, restart: false });
    await supervisor.stop('at once');
    let isSettled = false;
    const settled = supervisor.settled().then(() => {
      isSettled = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isSettled).toBe(false);
    confirm();
    await settled;
  });

  it('certifies nothing where supervisors are no witnesses', async () => {
    const { supervisor, certified, crash } = supervised({ certify: undefined, restart: false });
    await crash();
    await supervisor.settled();
    expect(certified).toEqual([]);
    expect(supervisor.isAlive).toBe(false);
  });
});
