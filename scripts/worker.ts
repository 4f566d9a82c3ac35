/** One life of a process that Bellhop started: a node or a router. Owns: the child, its messages and its output. Does not know:
 *  when to start another. Invariant: once `exited` has resolved the kernel has no such process any more: it is reaped, which is
 *  what a certificate by proof says.
 *  Contract with the worker: it says `{type:'ready', …}` once it serves; `{type:'stop'}` ends it at once; SIGTERM drains it, a second
 *  one ends it; `{type:'reload'}` has it read its files again; it ends by itself when the channel to its parent breaks. */
import { type ChildProcess, fork } from 'node:child_process';
import { lineSplitter } from './lines.ts';
import { nodeFlags } from './node-flags.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Worker {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Called once, if the worker ever serves. */
  onReady(listener: (message: Readonly<Record<string, unknown>>) => void): void;
  /** Asks it to end in peace; said twice, to end at once. */
  drain(): void;
  /** Asks it to end at once. */
  stop(): void;
  /** Has it read certificates and secrets again. */
  reload(): void;
  /** Ends it. */
  kill(): void;
}

export interface WorkerSpec {
  /** Path of the compiled script. */
  readonly script: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Hears each line of output; without it the worker writes to this process' own output. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Hears what else it says over the channel. */
  readonly onMessage?: ((message: unknown) => void) | undefined;
  /** Whether it gets a process group of its own, so that a signal to the parent's group reaches it only through the parent. */
  readonly ownGroup?: boolean | undefined;
}

const living = new Set<ChildProcess>();
let exitHooked = false;

/** Starts a worker. One that cannot be started has exited with code 1. */
export function startWorker(spec: WorkerSpec): Worker {
  const { onLine } = spec;
  const child = fork(spec.script, spec.argv, {
    env: { ...spec.env },
    stdio: ['ignore', onLine === undefined ? 'inherit' : 'pipe', onLine === undefined ? 'inherit' : 'pipe', 'ipc'],
    detached: spec.ownGroup === true,
    execArgv: nodeFlags(),
  });
  if (spec.onMessage !== undefined) child.on('message', spec.onMessage);
  return workerOf(child, onLine);
}

/** The life of a child that was just forked, with a channel. @param onLine  hears its output, if that is piped */
export function workerOf(child: ChildProcess, onLine?: (line: string) => void): Worker {
  hookExit();
  living.add(child);
  if (onLine !== undefined) {
    for (const stream of [child.stdout, child.stderr]) {
      const lines = lineSplitter(onLine);
      stream?.on('data', lines.push).once('end', lines.end);
    }
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      living.delete(child);
      resolve({ code, signal });
    });
    child.on('error', (error) => {
      // Also emitted where a message or signal could not be sent to a living child; `exit` then still comes.
      if (child.pid !== undefined) return;
      living.delete(child);
      onLine?.(error.message);
      resolve({ code: 1, signal: null });
    });
  });
  // A channel that is gone has told the worker to end already.
  const tell = (type: 'stop' | 'reload') => {
    if (child.connected) child.send({ type }, () => undefined);
  };
  return {
    pid: child.pid ?? -1,
    exited,
    onReady(listener) {
      const hear = (message: unknown) => {
        if (!isReady(message)) return;
        child.off('message', hear);
        listener(message);
      };
      child.on('message', hear);
    },
    drain: () => void child.kill('SIGTERM'),
    stop: () => tell('stop'),
    // No signal: it would end a worker that has not begun to listen for it.
    reload: () => tell('reload'),
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Ends every worker at once; for the last moments of a process. */
export function killWorkers(): void {
  for (const child of living) child.kill('SIGKILL');
}

function isReady(message: unknown): message is Readonly<Record<string, unknown>> {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready';
}

function hookExit(): void {
  if (exitHooked) return;
  exitHooked = true;
  process.once('exit', killWorkers);
}
