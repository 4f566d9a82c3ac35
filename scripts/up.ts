/** `npm start`: a whole cluster on this machine. Owns: the order of start and end of Redis, nodes and routers, and what is said
 *  about it on stdout. Does not know: how any of them works.
 *  Invariant: when it has ended, nothing it started is left: no process, no temporary folder. */
import { createServer } from 'node:net';
import { hasFiles, type StartConfig, startedByNpm } from '../shared/config.ts';
import { oneLine } from '../shared/log.ts';
import { LocalCluster, StartFailure, type Tools } from './local-cluster.ts';
import { onStopRequests } from './stop-requests.ts';

export type { Tools } from './local-cluster.ts';

/** Runs until it is asked to end.
 *  @returns exit code: 0 after it was asked to end, 2 for what a sentence on stderr tells the operator to change, 1 for a
 *  cluster that does not come up */
export async function up(config: StartConfig, tools: Tools): Promise<number> {
  const say = (line: string) => void process.stdout.write(`${oneLine(line)}\n`);
  const taken = await takenPort(config);
  if (taken !== undefined) {
    process.stderr.write(`bellhop: port ${taken} of ${config.host} is taken: choose another with --port.\n`);
    return 2;
  }
  for (const warning of config.warnings) say(warning);
  const cluster = new LocalCluster(config, tools, say);
  const ended = new Promise<number>((resolve) => {
    onStopRequests({
      watchParent: startedByNpm(),
      reread: hasFiles(config) ? () => cluster.reload() : undefined,
      on: (nth, why) => {
        if (nth > 1) {
          say(`ending at once: ${why}`);
          cluster.killNow();
          process.exit(1);
        }
        say(`stopping: ${why}`);
        void cluster.stop().then(() => resolve(0));
      },
    });
  });
  const failed = cluster.start().then(
    // Up: what ends it is a request.
    () => new Promise<number>(() => undefined),
    async (error: unknown) => {
      // Asked to end while it started.
      if (cluster.isStopping) return await ended;
      await cluster.stop();
      if (!(error instanceof StartFailure)) throw error;
      process.stderr.write(`bellhop: ${oneLine(error.message)}\n`);
      return error.exitCode;
    },
  );
  return await Promise.race([ended, failed]);
}

/** The first of the routers' ports that somebody else listens on. */
async function takenPort({ host, port, routers }: StartConfig): Promise<number | undefined> {
  for (let i = 0; port !== 0 && i < routers; i++) {
    if (!(await canListen(host, port + i))) return port + i;
  }
  return undefined;
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(new StartFailure(`cannot listen on ${host} port ${port}: ${error.code ?? error.message}.`, 2));
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
