/** Entry of a router's process. Owns: configuration, signals, exit codes. Exit: 0 stopped, 1 crashed, 2 may not join or is
 *  misconfigured. */
import { ConfigError, loadConfig } from '../shared/config.ts';
import { createLogger } from '../shared/log.ts';
import { reportServer } from '../shared/report-server.ts';
import { Router } from './router.ts';

async function main(): Promise<void> {
  const config = loadConfig('router', process.argv.slice(2));
  const log = createLogger({ role: 'router', id: config.id, level: config.logLevel, format: config.logFormat });
  for (const warning of config.warnings) log.warn('configuration', { warning });

  const crash = (error: unknown): void => {
    log.error('crashed', { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  const router = new Router(config, log, (message) => {
    process.stderr.write(`bellhop router: ${message}\n`);
    process.exit(2);
  });

  let signals = 0;
  process.on('SIGTERM', () => {
    signals++;
    if (signals > 1) process.exit(0);
    log.info('stopping', {});
    void router.stop().then(() => process.exit(0));
  });
  const supervised = process.send !== undefined;
  process.on('SIGINT', () => {
    if (!supervised) process.emit('SIGTERM', 'SIGTERM');
  });
  process.on('message', (message: unknown) => {
    if (typeof message === 'object' && message !== null && 'type' in message && message.type === 'stop') {
      void router.close().then(() => process.exit(0));
    }
  });
  process.on('disconnect', () => process.exit(0));

  const port = await router.start();
  const url = `http://${config.advertise}:${port}`;
  const waiting = setInterval(() => {
    if (!router.ready) return;
    clearInterval(waiting);
    log.info('ready', { url });
    process.send?.({ type: 'ready', url });
  }, 20);
  void reportServer(() => router.checkServer(), log);
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  process.stderr.write(`bellhop router: ${message}\n`);
  process.exit(error instanceof ConfigError || taken ? 2 : 1);
});
