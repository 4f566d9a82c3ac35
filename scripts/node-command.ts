/** `bellhop node`: a small parent and its worker. Owns: the parent's part: signals, restarts, and the certificate of a worker that
 *  died, since only a parent can tell at once that a process is gone. Does not know: rooms.
 *  The first SIGTERM or SIGINT drains the worker, the second ends it at once. */
import { childEnvironment, hasFiles, loadConfig, type NodeConfig, startedByNpm } from '../shared/config.ts';
import { handOn, parseOptions } from '../shared/config-parse.ts';
import type { RedisDirectoryOptions } from '../shared/directory/redis-directory.ts';
import { createLogger } from '../shared/log.ts';
import { createCertifier } from './certifier.ts';
import { NodeSupervisor } from './node-supervisor.ts';
import { onStopRequests } from './stop-requests.ts';
import { type SupervisorEvent, verdictOf } from './supervisor.ts';
import { startWorker } from './worker.ts';

/** Longest that the last certificate may hold up the parent's end. */
const LAST_CERTIFICATE_MS = 5_000;
/** Beyond the drain's own deadline, before the worker is killed. */
export const DRAIN_SLACK_MS = 10_000;

/** Runs a node until it has ended for good.
 *  @param script  path of the compiled worker
 *  @returns exit code: the worker's own, 1 where a signal ended it */
export async function runNode(script: string, argv: readonly string[]): Promise<number> {
  const config = loadConfig('node', argv);
  const given = handOn(parseOptions('node', argv, {}), 'node');
  const log = createLogger({ role: 'supervisor', id: config.id, level: config.logLevel, format: config.logFormat });
  const certifier = createCertifier(directoryOptions(config), (sentence) => log.warn(sentence));
  return new Promise((resolve) => {
    const supervisor = new NodeSupervisor({
      node: config.id,
      incarnation: config.incarnation,
      restart: config.restart,
      restartDelayMs: config.restartDelayMs,
      certify: config.certifyBy.includes('supervisor') ? certifier.certify : undefined,
      launch: (incarnation) =>
        startWorker({
          script,
          argv: [...given.argv, `--id=${config.id}`, `--incarnation=${incarnation}`],
          env: childEnvironment(given.env),
          // A signal to the group would reach the worker twice, and the second one cuts a drain short.
          ownGroup: true,
        }),
      on: (event) => hear(event),
    });
    let killing: NodeJS.Timeout | undefined;
    const endListening = onStopRequests({
      watchParent: startedByNpm(),
      reread: hasFiles(config) ? () => supervisor.reload() : undefined,
      on: (nth, why) => {
        log.info(nth === 1 ? 'draining' : 'ending at once', { why });
        if (nth > 1) return void supervisor.stop('at once');
        supervisor.drain();
        killing = setTimeout(() => void supervisor.stop('at once'), config.drainDeadlineMs + DRAIN_SLACK_MS);
        if (!supervisor.isAlive) finish(0);
      },
    });
    const hear = (event: SupervisorEvent) => {
      if (event.kind === 'started') log.info('worker started', { worker: event.pid });
      if (event.kind !== 'ended') return;
      const { exit, restartMs } = event;
      const ended = { ...exit, verdict: event.verdict };
      if (restartMs !== undefined) return log.error('worker ended, starting another', { ...ended, restartMs });
      log[verdictOf(exit) === 'done' ? 'info' : 'error']('worker ended', ended);
      finish(exit.code ?? 1);
    };
    const finish = (code: number) => {
      endListening();
      clearTimeout(killing);
      const giveUp = setTimeout(certifier.close, LAST_CERTIFICATE_MS);
      void supervisor.settled().then(() => {
        clearTimeout(giveUp);
        resolve(code);
      });
    };
    supervisor.start();
  });
}

function directoryOptions(config: NodeConfig): RedisDirectoryOptions {
  const { redisUrl: url, cluster, prefix, timings, replicas } = config;
  return { url, cluster, prefix, timings, replicas };
}
