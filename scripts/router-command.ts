/** `bellhop router --workers N`: a small parent and its workers, which share one listening address. Owns: the parent's part: signals,
 *  the port, what is logged, the exit code. Does not know: rooms, clients.
 *  The first SIGTERM or SIGINT has every worker send its clients away, the second ends them at once.
 *  Exit: 0 stopped, 2 what a sentence on stderr tells the operator to change, otherwise the last worker's. */
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { ConfigError, hasFiles, loadConfig, type RouterConfig, startedByNpm } from '../shared/config.ts';
import { handOn, parseOptions } from '../shared/config-parse.ts';
import { newIncarnation } from '../shared/ids.ts';
import { createLogger, type Logger, oneLine } from '../shared/log.ts';
import { MetricRegistry } from '../shared/metric-registry.ts';
import { ROUTER_METRICS } from '../shared/metric-table.ts';
import { systemRandom } from '../shared/random.ts';
import { collectRuntimeMetrics } from '../shared/runtime-metrics.ts';
import { startClusterWorker } from './cluster-worker.ts';
import { RouterWorkers, type RouterWorkersEvent } from './router-workers.ts';
import { onStopRequests } from './stop-requests.ts';

/** Beyond the window in which clients are sent away, before a worker is ended by force. */
const DRAIN_SLACK_MS = 15_000;

/** Runs a router of several workers until all of them have ended.
 *  @param script  path of the compiled worker
 *  @throws ConfigError */
export async function runRouter(script: string, argv: readonly string[]): Promise<number> {
  const config = loadConfig('router', argv);
  const { id, workers: count, restart, restartDelayMs } = config;
  const log = createLogger({ role: 'router', id, level: config.logLevel, format: config.logFormat });
  const port = await findPort(config);
  const routerIncarnation = newIncarnation(systemRandom);
  const given = handOn(parseOptions('router', argv, {}), 'router');
  const common = [...given.argv, `--id=${id}`, `--port=${port}`, `--router-incarnation=${routerIncarnation}`];
  const registry = new Registry();
  return new Promise((resolve) => {
    let killing: NodeJS.Timeout | undefined;
    const workers = new RouterWorkers({
      workers: count,
      restart,
      restartDelayMs,
      launch: (position) => startClusterWorker(script, [...common, `--worker=${position}`], given.env),
      metrics: () => registry.getMetricsAsJSON(),
      on: (event) => {
        if (event.kind === 'worker') return logWorker(log, event);
        if (event.kind === 'ready') {
          log.info('ready', { url: event.url, workers: count });
          process.send?.({ type: 'ready', url: event.url });
          return;
        }
        if (event.kind === 'kill-node') {
          process.send?.({ type: 'kill-node', node: event.node });
          return;
        }
        endListening();
        clearTimeout(killing);
        resolve(event.code);
      },
    });
    describe(workers, registry);
    const endAtOnce = () => void workers.stop();
    // A terminal's Ctrl-C reaches a supervised process too; its supervisor says by itself what is to be done.
    const signals: NodeJS.Signals[] = process.send === undefined ? ['SIGINT', 'SIGTERM', 'SIGHUP'] : ['SIGTERM'];
    const reload = () => workers.reload();
    const rereads = hasFiles(config);
    // Its supervisor sees to a terminal that closes.
    if (rereads && process.send !== undefined) process.on('SIGHUP', reload);
    const endListening = onStopRequests({
      watchParent: startedByNpm(),
      signals,
      reread: rereads ? reload : undefined,
      on: (nth, why) => {
        log.info(nth === 1 ? 'stopping' : 'ending at once', { why });
        if (nth > 1) return endAtOnce();
        workers.drain();
        killing = setTimeout(endAtOnce, config.stopSpreadMs + DRAIN_SLACK_MS);
      },
    });
    if (process.send !== undefined) {
      process.on('SIGINT', () => undefined);
      process.on('disconnect', endAtOnce);
      process.on('message', (message: unknown) => {
        if (typeof message !== 'object' || message === null || !('type' in message)) return;
        if (message.type === 'stop') endAtOnce();
        if (message.type === 'reload') reload();
      });
    }
    workers.start();
  });
}

/** The port that all workers share, from the first to the last: 0 is made a port of its own before there is any.
 *  @throws ConfigError where somebody else listens there */
async function findPort({ host, port }: RouterConfig): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'it is taken' : (error.code ?? error.message);
      reject(new ConfigError(`Cannot listen on port ${port} of ${host}: ${why}.`));
    });
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });
}

function logWorker(log: Logger, { position, event }: Extract<RouterWorkersEvent, { kind: 'worker' }>): void {
  const worker = position;
  if (event.kind === 'started') log.info('worker started', { worker, workerPid: event.pid });
  if (event.kind !== 'ended') return;
  const { exit, verdict, restartMs } = event;
  const ended = { worker, ...exit, verdict };
  if (restartMs !== undefined) log.error('worker ended, starting another', { ...ended, restartMs });
  else log[verdict === 'done' ? 'info' : 'error']('worker ended', ended);
}

/** What the parent adds to the sum of its workers' metrics: itself as a process, and how many of them there are. */
function describe(workers: RouterWorkers, registry: Registry): void {
  collectRuntimeMetrics(registry, 'router');
  const metrics = new MetricRegistry('bellhop_router_', ROUTER_METRICS, registry);
  metrics.gauge('workers', () => workers.serving);
  metrics.counter('worker_restarts_total', () => workers.restarts);
}

// As a child of its own: under `npm start`.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const script = fileURLToPath(new URL('../router/main.js', import.meta.url));
  runRouter(script, process.argv.slice(2)).then(
    (code) => process.exit(code),
    (error: unknown) => {
      process.stderr.write(`bellhop router: ${oneLine(error instanceof Error ? error.message : String(error))}\n`);
      process.exit(error instanceof ConfigError ? 2 : 1);
    },
  );
}
