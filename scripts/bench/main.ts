/** `npm run bench`: what Bellhop costs and carries beside other ways to show a room to its clients, measured in one run. Owns: what is
 *  run in which order, and where the results go. Absolute times are noise on a shared machine; ratios within a round are the result. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type Cell, runCell } from './cell.ts';
import { lookAtMachine } from './machine.ts';
import { asJson, writePart, writeRun } from './output.ts';
import { PART_IDS, type PartId } from './part.ts';
import { isPart, PART_DEFAULTS, PARTS_OF_ALL, runPart } from './part-run.ts';
import type { Run } from './report-tables.ts';
import { plainPart, plainReport } from './report-text.ts';
import { CellStore } from './store.ts';
import { profileInto, SYSTEMS, type System, useNodeFlags } from './systems.ts';
import { findLoadGenerator, ROOT, WORK } from './tools.ts';
import { WORKLOADS, type Workload } from './workloads.ts';

const HELP = `npm run bench -- [options]     measures systems under workloads
npm run bench -- members       what a message costs its room's owner, 10 members and 10,000
npm run bench -- durable       what a log costs: durable rooms beside relay rooms
npm run bench -- stalled       what 1 % of clients that stopped reading cost the others
npm run bench -- unread        what a router holds for 500 clients that never read
npm run bench -- security      what authentication, limits and checks cost a message
npm run bench -- scale         100,000 clients on one machine: everybody joins, hears and is counted
npm run bench -- placement     spread, movement and cost of placing rooms on nodes

  --systems a,b     of ${SYSTEMS.map(({ id }) => id).join(', ')}
  --workloads x,y   of ${WORKLOADS.map(({ id }) => id).join(', ')}
  --rounds N        how often each cell, or a part, is measured (3)
  --seconds N       how long each cell's, or a part's, load is measured, instead of its own time
  --quick           3 systems, 3 workloads, 1 round: under 2 minutes
  --resume          keeps the cells that an earlier run has finished
  --report          measures nothing, reports on the cells there are
  --docs            also writes docs/benchmarks.md, with what the parts last said; a whole run does so anyway
  --node-flags="…"  flags of Node's for Bellhop's processes, instead of its image's
  --profile         Bellhop's processes write CPU profiles into .bellhop/bench/profiles
  --json            JSON on stdout instead of the tables
  --clients N, --routers N, --nodes N   for scale (100000, as many as the clients need, 3)
  --nodes N, --rooms N                  for placement (1000, 1000000)
`;

const OPTIONS = {
  systems: { type: 'string' },
  workloads: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  resume: { type: 'boolean', default: false },
  report: { type: 'boolean', default: false },
  docs: { type: 'boolean', default: false },
  'node-flags': { type: 'string' },
  profile: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  clients: { type: 'string' },
  routers: { type: 'string' },
  nodes: { type: 'string' },
  rooms: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies NonNullable<ParseArgsConfig['options']>;

const QUICK_WORKLOADS = ['broadcast', 'rooms', 'echo'];
const ROUNDS = 3;
const ROUNDS_MAX = 100;
const SECONDS_MAX = 120;
const CLIENTS_MAX = 1_000_000;

/** What the command line asks for that cannot be. */
class Usage extends Error {}

interface Options {
  readonly systems: readonly System[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  readonly leftOut: readonly string[];
  readonly isWhole: boolean;
}

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  if (values.help) return void process.stdout.write(HELP);
  const [verb] = positionals;
  if (values['node-flags'] !== undefined) useNodeFlags(values['node-flags'].split(' ').filter((flag) => flag !== ''));
  if (values.profile) profileInto(join(WORK, 'profiles'));
  if (verb !== undefined && isPart(verb)) return await onePart(verb, values);
  if (verb !== undefined) throw new Usage(`there is no "${verb}"; see --help`);
  const options = choose(values);
  const generator = findLoadGenerator();
  if ('missing' in generator)
    process.stderr.write(`bench: ${generator.missing}: the load comes from Node, which costs more\n`);

  const store = new CellStore(WORK);
  if (!values.resume && !values.report) store.clear(options.isWhole ? PARTS_OF_ALL : []);
  const cells: Cell[] = store.load(options.workloads).filter(({ round }) => round <= options.rounds);
  const has = (system: System, workload: Workload, round: number): boolean =>
    cells.some((cell) => cell.system === system.id && cell.workload === workload.id && cell.round === round);
  const failures: string[] = [];
  for (let round = 1; !values.report && round <= options.rounds; round++) {
    for (const workload of options.workloads) {
      for (const system of options.systems) {
        if (!suits(system, workload) || has(system, workload, round)) continue;
        try {
          const cell = await runCell(system, workload, round, generator);
          store.save(cell);
          cells.push(cell);
          process.stderr.write(`${progress(cell)}\n`);
        } catch (error) {
          // One system that fails must not cost the others' results.
          const why = error instanceof Error ? error.message : String(error);
          process.stderr.write(`round ${round} ${workload.id} ${system.id}: failed: ${why}\n`);
          failures.push(`${system.name} under ${workload.id} in round ${round}: ${why}`);
        }
      }
    }
  }

  for (const part of options.isWhole && !values.report ? PARTS_OF_ALL : []) {
    if (store.loadPart(part) !== undefined) continue;
    try {
      store.savePart(await runPart(part, generator, PART_DEFAULTS));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      process.stderr.write(`${part}: failed: ${why}\n`);
      failures.push(`${part}: ${why}`);
    }
  }

  const run: Run = {
    date: new Date().toISOString().slice(0, 10),
    machine: lookAtMachine(
      generator,
      options.systems.map(({ id }) => id),
    ),
    systems: options.systems,
    workloads: options.workloads,
    cells,
    parts: values.quick ? [] : PART_IDS.map((part) => store.loadPart(part)).filter((result) => result !== undefined),
    leftOut: [...options.leftOut, ...failures],
  };
  // Charts of an earlier selection would stand there as if they belonged to this one.
  rmSync(join(WORK, 'report'), { recursive: true, force: true });
  writeRun(run, join(WORK, 'report'), join(WORK, 'report', 'benchmarks.md'), '.');
  if (values.docs || options.isWhole) {
    writeRun(run, join(ROOT, 'docs', 'benchmarks'), join(ROOT, 'docs', 'benchmarks.md'), 'benchmarks');
  }
  process.stdout.write(values.json ? `${JSON.stringify(asJson(run), null, 2)}\n` : plainReport(run));
  if (failures.length > 0) process.exitCode = 1;
}

async function onePart(part: PartId, values: ReturnType<typeof readArguments>['values']): Promise<void> {
  const number = (name: keyof typeof PART_DEFAULTS, max: number): number | undefined => {
    const text = values[name];
    return text === undefined ? undefined : count(text, name, max);
  };
  const store = new CellStore(WORK);
  const result = values.report
    ? store.loadPart(part)
    : await runPart(part, findLoadGenerator(), {
        rounds: number('rounds', ROUNDS_MAX),
        seconds: number('seconds', SECONDS_MAX),
        clients: number('clients', CLIENTS_MAX),
        nodes: number('nodes', 10_000),
        routers: number('routers', 64),
        rooms: number('rooms', 10_000_000),
      });
  if (result === undefined) throw new Usage(`${part} was not measured yet`);
  if (!values.report) {
    store.savePart(result);
    writePart(result, join(WORK, 'report'));
  }
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : plainPart(result));
}

/** A system that some workload names as its own is measured under no other. */
function suits({ id }: System, { also }: Workload): boolean {
  return also?.includes(id) === true || !WORKLOADS.some((workload) => workload.also?.includes(id));
}

function readArguments() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Usage(error instanceof Error ? error.message : String(error));
  }
}

function choose(values: ReturnType<typeof readArguments>['values']): Options {
  const { quick } = values;
  let workloads = select(WORKLOADS, values.workloads ?? (quick ? QUICK_WORKLOADS.join() : undefined), 'workload');
  const seconds = values.seconds === undefined ? undefined : count(values.seconds, 'seconds', SECONDS_MAX);
  if (quick || seconds !== undefined) {
    workloads = workloads.map((workload) => shortened(workload, seconds ?? 3, quick ? 1 : undefined));
  }
  const isNamed = values.systems !== undefined;
  const wanted = select(SYSTEMS, values.systems ?? (quick ? quickSystems() : undefined), 'system');
  const reasons = new Map(wanted.map((system) => [system.id, system.unavailable()]));
  const systems = wanted.filter(({ id }) => reasons.get(id) === undefined);
  const leftOut = wanted.flatMap(({ id, name }) => {
    const why = reasons.get(id);
    return why === undefined ? [] : [`${name}: ${why}`];
  });
  for (const why of leftOut) process.stderr.write(`bench: left out: ${why}\n`);
  if (systems.length === 0) throw new Usage('no system is left to measure');
  const rounds = values.rounds === undefined ? (quick ? 1 : ROUNDS) : count(values.rounds, 'rounds', ROUNDS_MAX);
  const isWhole =
    !quick &&
    !values.profile &&
    !isNamed &&
    seconds === undefined &&
    values.workloads === undefined &&
    rounds >= ROUNDS;
  return { systems, workloads, rounds, leftOut, isWhole };
}

/** Bellhop, the floor, and the strongest proxy there is. */
function quickSystems(): string {
  const nginx = SYSTEMS.find(({ id }) => id === 'nginx');
  return `bellhop,floor,${nginx?.unavailable() === undefined ? 'nginx' : 'http-proxy'}`;
}

function shortened(workload: Workload, seconds: number, warm: number | undefined): Workload {
  const { load } = workload;
  if (load.rate === 0) return workload;
  return { ...workload, load: { ...load, seconds, warm: warm ?? load.warm } };
}

function select<T extends { readonly id: string }>(
  all: readonly T[],
  wanted: string | undefined,
  what: string,
): readonly T[] {
  if (wanted === undefined) return all;
  const ids = wanted.split(',').map((id) => id.trim());
  for (const id of ids) {
    if (!all.some((one) => one.id === id)) {
      throw new Usage(`there is no ${what} "${id}"; there are ${all.map((one) => one.id).join(', ')}`);
    }
  }
  return all.filter(({ id }) => ids.includes(id));
}

function count(text: string, name: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max) throw new Usage(`--${name} must be 1 to ${max}`);
  return value;
}

function progress(cell: Cell): string {
  const { workload, system, round, result, cpuPerDeliveryUs } = cell;
  const head = `round ${round} ${workload.padEnd(10)} ${system.padEnd(10)}`;
  if (workload === 'idle') return `${head} ${(cell.rssPerClientBytes / 1_024).toFixed(1)} KB a client`;
  if (workload === 'connect') return `${head} ${Math.round(cell.connectsPerSecond)} connects/s`;
  const faults = cell.isComplete ? '' : ` INCOMPLETE ${result.deliveries}/${result.expected}, ${result.unsent} unsent`;
  const cpu = cpuPerDeliveryUs?.toFixed(2) ?? '–';
  return `${head} ${cpu} µs a delivery, ${Math.round(cell.deliveriesPerSecond)}/s, p99 ${result.p99Ms} ms, load ${Math.round(cell.loadCores * 100)} %${faults}${cell.invalid === undefined ? '' : ' INVALID'}`;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof Usage ? 2 : 1);
});
