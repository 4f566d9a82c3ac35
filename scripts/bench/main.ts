/** `npm run bench`: what a delivery costs through Bellhop, and on a bare `ws` server in the same run. Owns: the workload, the systems
 *  and the table. Absolute times are noise on a shared machine; the ratio within one run is the result.
 *  Options: `--rounds N` (3), `--clients N` (1000), `--rate N` (50), `--seconds N` (10), `--json`. */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startRedis } from '../../shared/testing/redis-server.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { cpuUs, rssBytes, type Started, start, stop } from './processes.ts';

interface Cell {
  readonly system: string;
  /** Server CPU per delivery, microseconds. */
  readonly cpuPerDeliveryUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly deliveries: number;
  readonly expected: number;
  readonly rssMb: number;
  /** Share of one core that the load generator used. */
  readonly loadCore: number;
}

interface System {
  readonly name: string;
  readonly run: (plan: Omit<LoadPlan, 'ports' | 'path' | 'envelope'>) => Promise<Cell>;
}

async function measure(name: string, servers: readonly number[], plan: LoadPlan): Promise<Cell> {
  const load = fork(fileURLToPath(new URL('./load.js', import.meta.url)), [JSON.stringify(plan)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const total = () => servers.reduce((sum, pid) => sum + cpuUs(pid), 0);
  let before = 0;
  let after = 0;
  let rss = 0;
  const result = await new Promise<LoadResult>((resolve, reject) => {
    load.on('message', (message: { type: string; result?: LoadResult }) => {
      if (message.type === 'begin') before = total();
      if (message.type === 'end') {
        after = total();
        rss = servers.reduce((sum, pid) => sum + rssBytes(pid), 0);
      }
      if (message.result !== undefined) resolve(message.result);
    });
    load.once('exit', (code) => code !== 0 && reject(new Error(`the load generator ended with ${code}`)));
  });
  return {
    system: name,
    cpuPerDeliveryUs: (after - before) / result.deliveries,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    deliveries: result.deliveries,
    expected: result.expected,
    rssMb: rss / 1_048_576,
    loadCore: result.cpuUs / (plan.seconds * 1e6),
  };
}

const bare: System = {
  name: 'bare ws',
  run: async (plan) => {
    const server = await start('scripts/bench/bare-ws.js', [], {});
    try {
      return await measure('bare ws', [server.pid], {
        ...plan,
        ports: [Number(server.ready['port'])],
        path: '/',
        envelope: 'raw',
      });
    } finally {
      await stop([server]);
    }
  },
};

const bellhop: System = {
  name: 'bellhop',
  run: async (plan) => {
    const redis = await startRedis();
    const started: Started[] = [];
    try {
      const env = { BELLHOP_REDIS_URL: redis.url, BELLHOP_LOG_LEVEL: 'error', BELLHOP_MESSAGE_RATE: '0' };
      started.push(await start('node/main.js', ['--id', 'n1'], env));
      started.push(await start('router/main.js', ['--id', 'r1', '--port', '0'], env));
      const url = new URL(String(started[1]?.ready['url']));
      const pids = [...started.map((one) => one.pid), redis.pid];
      return await measure('bellhop', pids, {
        ...plan,
        ports: [Number(url.port)],
        path: '/rooms/bench?user=u{i}',
        envelope: 'bellhop',
      });
    } finally {
      await stop(started);
      await redis.stop();
    }
  },
};

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      clients: { type: 'string', default: '1000' },
      rate: { type: 'string', default: '50' },
      seconds: { type: 'string', default: '10' },
      json: { type: 'boolean', default: false },
    },
  });
  const plan = {
    clients: Number(values.clients),
    messagesPerSecond: Number(values.rate),
    seconds: Number(values.seconds),
    payloadBytes: 128,
  };
  const systems = [bare, bellhop];
  const cells: Cell[] = [];
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const system of systems) {
      const cell = await system.run(plan);
      cells.push(cell);
      process.stderr.write(`round ${round} ${system.name}: ${cell.cpuPerDeliveryUs.toFixed(2)} µs a delivery\n`);
    }
  }
  const rows = systems.map(({ name }) => {
    const own = cells.filter((cell) => cell.system === name);
    const pick = (key: Exclude<keyof Cell, 'system'>) => median(own.map((cell) => cell[key]));
    return {
      system: name,
      cpuPerDeliveryUs: pick('cpuPerDeliveryUs'),
      p50Ms: pick('p50Ms'),
      p99Ms: pick('p99Ms'),
      rssMb: pick('rssMb'),
      loadCore: pick('loadCore'),
      complete: own.every((cell) => cell.deliveries === cell.expected),
    };
  });
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ plan, rows, cells }, null, 2)}\n`);
    return;
  }
  const base = rows[0]?.cpuPerDeliveryUs ?? Number.NaN;
  process.stdout.write(
    `broadcast: ${plan.clients} clients in one room, ${plan.payloadBytes} B, ${plan.messagesPerSecond} messages/s, medians of ${values.rounds}\n`,
  );
  process.stdout.write('system    CPU µs/delivery  ratio  p50 ms  p99 ms  RSS MB  load core  complete\n');
  for (const row of rows) {
    const columns = [
      row.system.padEnd(9),
      row.cpuPerDeliveryUs.toFixed(2).padStart(15),
      (row.cpuPerDeliveryUs / base).toFixed(2).padStart(6),
      row.p50Ms.toFixed(1).padStart(7),
      row.p99Ms.toFixed(1).padStart(7),
      row.rssMb.toFixed(0).padStart(7),
      row.loadCore.toFixed(2).padStart(10),
      String(row.complete).padStart(9),
    ];
    process.stdout.write(`${columns.join(' ')}\n`);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
