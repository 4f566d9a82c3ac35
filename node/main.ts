/** Entry of a node's process. Owns: configuration, signals, exit codes. Exit: 0 left or told to stop, 1 crashed, 2 may not join or is
 *  misconfigured, 3 certified as dead. A fault that a room's program started closes that room and ends nothing. */
import { ConfigError, hasFiles, loadConfig } from '../shared/config.ts';
import { serveHealth } from '../shared/health-server.ts';
import { createLogger, oneLine } from '../shared/log.ts';
import { hideSecrets } from '../shared/process-title.ts';
import { reportServer } from '../shared/report-server.ts';
import { attendedOffers, loadPrograms } from './load-program.ts';
import { Node } from './node.ts';
import type { NodeEnd } from './ports.ts';
import { faultOfProgram } from './program-scope.ts';

const EXIT_CODES: Readonly<Record<NodeEnd['kind'], number>> = { left: 0, refused: 2, certified: 3 };

async function main(): Promise<void> {
  const config = loadConfig('node', process.argv.slice(2));
  hideSecrets(`bellhop node ${config.id}`, process.argv.slice(2));
  const log = createLogger({ role: 'node', id: config.id, level: config.logLevel, format: config.logFormat });
  for (const warning of config.warnings) log.warn('configuration', { warning });
  const { attends } = config;
  const programs =
    attends === undefined ? await loadPrograms(config.programs) : attendedOffers(attends.service, attends.rooms);

  const end = (how: NodeEnd): void => {
    if (how.kind === 'refused') process.stderr.write(`bellhop node: ${oneLine(how.message)}\n`);
    log.info('ended', { how: how.kind });
    // A certified node drops everything without another word.
    if (how.kind === 'certified') process.exit(EXIT_CODES.certified);
    void node.close().finally(() => process.exit(EXIT_CODES[how.kind]));
  };
  const node = new Node(config, programs, log, end);

  const crash = (fault: unknown): void => {
    const error = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    const program = faultOfProgram(fault);
    if (program?.isFirst === true) log.error('program threw outside of its calls', { room: program.room, error });
    if (program !== undefined) return;
    log.error('crashed', { error });
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  let signals = 0;
  let started = false;
  process.on('SIGTERM', () => {
    signals++;
    // One that has not begun, or has not met its Redis yet, has nothing to hand over.
    if (signals === 1 && started && node.wasRegistered) node.drain();
    else process.exit(0);
  });
  if (hasFiles(config)) process.on('SIGHUP', () => node.reload());
  const supervised = process.send !== undefined;
  process.on('SIGINT', () => {
    if (!supervised) process.emit('SIGTERM', 'SIGTERM');
  });
  process.on('message', (message: unknown) => {
    if (typeof message !== 'object' || message === null || !('type' in message)) return;
    if (message.type === 'reload') node.reload();
    if (message.type === 'stop') process.exit(0);
  });
  process.on('disconnect', () => process.exit(0));

  if (config.httpPort !== undefined) {
    await serveHealth({
      host: config.host,
      port: config.httpPort,
      ready: () => node.ready,
      registry: node.metrics.registry,
    });
  }
  // A server that does not run yet is waited for: an attendant without one would take rooms from those that have.
  if (attends !== undefined) {
    log.info('waiting for the target', { target: attends.target });
    await node.targetWell();
  }
  const link = await node.start();
  started = true;
  const waiting = setInterval(() => {
    if (!node.ready) return;
    clearInterval(waiting);
    log.info('ready', { link });
    process.send?.({ type: 'ready', node: config.id, incarnation: config.incarnation, link });
  }, 20);
  void reportServer(() => node.checkServer(), log);
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`bellhop node: ${oneLine(message)}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
});
