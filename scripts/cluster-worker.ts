/** A worker that shares its listening address with others: started by node:cluster, whose parent accepts connections and hands them
 *  round. Owns: the fork and the way messages go. Does not know: what they say, when to start another.
 *  @see docs/decisions.md "Workers of a router share an address by node:cluster" */
import cluster from 'node:cluster';
import { nodeFlags } from './node-flags.ts';
import { type Worker, workerOf } from './worker.ts';

export interface ClusterWorker extends Worker {
  /** Sends a message; to a worker that has ended it is lost. */
  send(message: object): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** Starts one. It writes to this process' own output.
 *  @param script  path of the compiled script
 *  @param env  beside this process' own */
export function startClusterWorker(
  script: string,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ClusterWorker {
  cluster.setupPrimary({ exec: script, args: [...argv], execArgv: nodeFlags() });
  const worker = cluster.fork(env);
  // Its channel's faults: the end of the process tells.
  worker.on('error', () => undefined);
  const child = worker.process;
  return {
    ...workerOf(child),
    send(message) {
      if (child.connected) child.send(message, () => undefined);
    },
    onMessage: (listener) => void child.on('message', listener),
  };
}
