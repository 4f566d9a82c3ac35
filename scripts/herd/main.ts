/** `npm run herd`: clients lose their router; how they come back, and what that does to the routers that are left. Owns: flags, the
 *  bound that the command holds itself to, what it prints. Exit: 0 within the bound, 1 not, 2 wrong flags. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { Cluster } from '../scenarios/cluster.ts';
import { type HerdResult, loseRouter } from './herd.ts';

/** The event loop of no router that is left may be later than this in more than 1 % of looks while the herd comes back. */
const LOOP_P99_MS_MAX = 100;

const HELP = `npm run herd -- [options]     clients lose their router, and come back

  --clients N       clients at the router that is lost (10000)
  --members N       clients of one room (20)
  --routers N       routers, the lost one included (3)
  --nodes N         nodes (2)
  --accept-rate N   handshakes that each router that is left takes on each second; 0 for no limit (Bellhop's default)
  --stop            the router is told to stop and says so to its clients, instead of being killed
  --json            JSON on stdout instead of lines

Fails where somebody does not come back, or a router's event-loop delay p99 exceeds ${LOOP_P99_MS_MAX} ms.
`;

const OPTIONS = {
  clients: { type: 'string', default: '10000' },
  members: { type: 'string', default: '20' },
  routers: { type: 'string', default: '3' },
  nodes: { type: 'string', default: '2' },
  'accept-rate': { type: 'string' },
  stop: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies NonNullable<ParseArgsConfig['options']>;

const JOIN_RATE = 400;
const BOUND_MS = 180_000;

class Usage extends Error {}

async function main(): Promise<number> {
  const { values } = readFlags();
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const count = (name: 'clients' | 'members' | 'routers' | 'nodes', min: number, max: number): number => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < min || value > max) throw new Usage(`--${name} is ${min} to ${max}`);
    return value;
  };
  const [clients, members] = [count('clients', 1, 100_000), count('members', 1, 1_000)];
  const rate = values['accept-rate'];
  const quiet = ['--log-level', 'error'];
  const cluster = await Cluster.start({
    nodes: count('nodes', 1, 16),
    routers: count('routers', 2, 16),
    nodeArgs: [...quiet, '--durability', 'relay'],
    routerArgs: [...quiet, ...(rate === undefined ? [] : ['--accept-rate', rate])],
    // How they came to the router that is to be lost is not what is looked at.
    argsOf: (id) => (id === 'r1' ? ['--accept-rate', '0'] : []),
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void cluster.stop().finally(() => process.exit(1)));
  }
  const say = (line: string): void => void process.stderr.write(`herd: ${line}\n`);
  try {
    const signal = values.stop ? 'SIGTERM' : 'SIGKILL';
    const how = { clients, members, joinRate: JOIN_RATE, signal, strangers: 0, boundMs: BOUND_MS, say } as const;
    const result = await loseRouter(cluster, how);
    process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${lines(result).join('\n')}\n`);
    return result.routers.every(({ eventLoopP99Ms }) => eventLoopP99Ms <= LOOP_P99_MS_MAX) ? 0 : 1;
  } finally {
    await cluster.stop();
  }
}

function readFlags() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: false });
  } catch (error) {
    throw new Usage(error instanceof Error ? error.message : String(error));
  }
}

function lines({ clients, backMs, back, kept, lost, windows, routers }: HerdResult): string[] {
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  return [
    `${clients} clients lost their router; all were back after ${seconds(backMs)} (${back.map(([share, ms]) => `${share * 100} % ${seconds(ms)}`).join(', ')})`,
    `sessions kept: ${kept}; attempts told to wait: ${lost.told}, refused with 503: ${lost.refused}, that reached nobody: ${lost.unreached}`,
    `windows that welcomes had named: ${windows.min} to ${windows.max} ms, median ${windows.median}`,
    ...routers.map(
      (one) =>
        `${one.router}: event-loop delay p99 ${one.eventLoopP99Ms.toFixed(1)} ms, ${one.cpuUsPerHandshake.toFixed(0)} µs of CPU a handshake, ${JSON.stringify(one.handshakes)}, API asked ${one.asked} times, ${one.failed} failed, slowest ${one.slowestMs.toFixed(0)} ms`,
    ),
  ];
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`herd: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof Usage ? 2 : 1;
  },
);
