/** Entry of a router's process, which is the whole router or one of its workers. Owns: configuration, signals, exit codes. Exit: 0
 *  stopped, 1 crashed, 2 may not join or is misconfigured. */
import { ConfigError, hasFiles, loadConfig, routerUrl } from '../shared/config.ts';
import { workerId } from '../shared/ids.ts';
import { createLogger, oneLine } from '../shared/log.ts';
import { hideSecrets } from '../shared/process-title.ts';
import { reportServer } from '../shared/report-server.ts';
import { Router } from './router.ts';
import type { ToParent } from './workers/messages.ts';

async function main(): Promise<void> {
  const config = loadConfig('router', process.argv.slice(2));
  hideSecrets(`bellhop router ${config.id}`, process.argv.slice(2));
  const { worker } = config;
  if (config.workers > 1 && worker === undefined) {
    throw new ConfigError('this process can only be one worker of a router: use "bellhop router" for --workers.');
  }
  const id = worker === undefined ? config.id : workerId(config.id, worker.position);
  const log = createLogger({ role: 'router', id, level: config.logLevel, format: config.logFormat });
  for (const warning of config.warnings) log.warn('configuration', { warning });

  const crash = (error: unknown): void => {
    log.error('crashed', { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  const refused = (message: string): void => {
    process.stderr.write(`bellhop router: ${oneLine(message)}\n`);
    process.exit(2);
  };
  // A channel that is broken ends this process by its `disconnect` event.
  const toParent = (message: ToParent) => void process.send?.(message, undefined, undefined, () => undefined);
  const killNode = (node: string) => toParent({ type: 'kill-node', node });
  const router = new Router(config, log, refused, worker === undefined ? undefined : toParent, killNode);

  let signals = 0;
  process.on('SIGTERM', () => {
    signals++;
    // Who ends a whole control group signals workers beside their parent, which says by itself when there is no time left.
    if (signals > 1 && worker !== undefined) return;
    if (signals > 1) process.exit(0);
    log.info('stopping', {});
    void router.stop().then(() => process.exit(0));
  });
  const supervised = process.send !== undefined;
  process.on('SIGINT', () => {
    if (!supervised) process.emit('SIGTERM', 'SIGTERM');
  });
  if (worker !== undefined || hasFiles(config)) process.on('SIGHUP', () => router.reload());
  process.on('message', (message: unknown) => {
    router.parentSaid(message);
    if (typeof message !== 'object' || message === null || !('type' in message)) return;
    if (message.type === 'reload') router.reload();
    if (message.type === 'stop') void router.close().then(() => process.exit(0));
  });
  process.on('disconnect', () => process.exit(0));

  const port = await router.start();
  const url = routerUrl(config, port);
  const waiting = setInterval(() => {
    if (!router.ready) return;
    clearInterval(waiting);
    router.listen().then(() => {
      log.info('ready', { url });
      process.send?.({ type: 'ready', url });
    }, fail);
  }, 20);
  void reportServer(() => router.checkServer(), log);
}

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  process.stderr.write(`bellhop router: ${oneLine(message)}\n`);
  process.exit(error instanceof ConfigError || taken ? 2 : 1);
}

main().catch(fail);
