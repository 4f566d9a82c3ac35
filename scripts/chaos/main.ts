/** `npm run chaos`: faults on a cluster of real processes under load, and what they cost. Owns: the order of a run and its exit code.
 *  Does not know: how clusters start (scenarios/cluster.ts). */
import { Cluster } from '../scenarios/cluster.ts';
import { Load } from '../scenarios/load.ts';
import { pause, until } from '../scenarios/wait.ts';
import { drain, type FaultResult, freeze, kill, loseRedis } from './faults.ts';
import { type ChaosOptions, HELP, readOptions } from './options.ts';
import { reportOf, type SeriesReport, seriesOf, tableOf } from './report.ts';
import { storm } from './storm.ts';

const SETTLE_BOUND_MS = 30_000;
const WARM_UP_MS = 3_000;

const say = (line: string): void => void process.stderr.write(`chaos: ${line}\n`);

/** @returns exit code */
async function main(argv: readonly string[]): Promise<number> {
  let options: ChaosOptions | 'help';
  try {
    options = readOptions(argv);
  } catch (error) {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const cluster = await Cluster.start({
    nodes: options.nodes,
    routers: options.routers,
    routerArgs: options.proof ? [] : ['--certify-by', 'patience'],
    redisArgs: ['--appendonly', 'yes'],
  });
  try {
    return await run(cluster, options);
  } catch (error) {
    process.stderr.write(`${cluster.said()}\n`);
    throw error;
  } finally {
    await cluster.stop();
  }
}

async function run(cluster: Cluster, options: ChaosOptions): Promise<number> {
  const urls = [...cluster.routers.values()].map(({ url }) => url);
  const load = new Load({ ...options, urls, signals: options.storm > 0, resume: options.storm > 0 });
  say(`connecting ${options.clients} clients`);
  await load.connect();
  load.start();
  await pause(WARM_UP_MS);
  const series = await strike(cluster, load, options);
  const stormy = options.storm > 0 ? await storm(cluster, load, options.storm, options.seed, say) : undefined;
  load.pause();
  await until('every publish has an outcome', () => load.pending === 0, SETTLE_BOUND_MS).catch(() => undefined);
  await until('everyone has heard all', () => load.counts().lost === 0, SETTLE_BOUND_MS).catch(() => undefined);
  const report = reportOf(options, series, load.counts(), cluster.crashes(), stormy);
  load.close();
  if (report.broken.length > 0) process.stderr.write(`${cluster.said()}\n`);
  process.stdout.write(`${tableOf(report)}\n${JSON.stringify(report)}\n`);
  return report.broken.length === 0 ? 0 : 1;
}

async function strike(cluster: Cluster, load: Load, options: ChaosOptions): Promise<SeriesReport[]> {
  const series: SeriesReport[] = [];
  const ids = [...cluster.nodes.keys()];
  const repeat = async (name: string, times: number, act: (id: string) => Promise<FaultResult>) => {
    const results: FaultResult[] = [];
    for (let i = 0; i < times; i++) {
      const result = await act(ids[i % ids.length] ?? 'n1');
      results.push(result);
      const slowest = Math.round(Math.max(0, ...result.firstMs));
      say(
        `${i + 1}/${times} ${result.what}: ${result.rooms} rooms, ${result.unanswered} unanswered, last heard after ${slowest} ms`,
      );
    }
    if (times > 0) series.push(seriesOf(name, results));
  };
  await repeat('kill -9', options.kills, (id) => kill(cluster, load, id));
  await repeat('drain', options.drains, (id) => drain(cluster, load, id));
  await repeat(`pause ${options.pauseMs} ms`, options.pauses, (id) => freeze(cluster, load, id, options.pauseMs));
  if (options.redis) {
    for (const result of await loseRedis(cluster, load, options, say)) series.push(seriesOf(result.what, [result]));
  }
  return series;
}

process.exitCode = await main(process.argv.slice(2));
