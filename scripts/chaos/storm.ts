/** A storm: faults of every kind in a random order, two of them at once now and then, while clients break their sockets and come back.
 *  Owns: the kinds, the dice (seeded), and what must hold after each. Does not know: how results are shown.
 *  The order of faults follows from the seed; the interleaving of real processes does not. */
import { SeededRandom } from '../../shared/random.ts';
import type { Cluster } from '../scenarios/cluster.ts';
import type { Load } from '../scenarios/load.ts';
import { pause, until } from '../scenarios/wait.ts';
import type { Say } from './faults.ts';

/** After a fault has ended: every client seated, every room answers, presence is what is seated. */
const HEAL_BOUND_MS = 15_000;
const CHURN_PER_SECOND = 4;

export interface StormResult {
  readonly faults: number;
  /** From the end of each fault until everything worked again, ms. */
  readonly healMs: readonly number[];
  readonly broken: readonly string[];
}

export async function storm(
  cluster: Cluster,
  load: Load,
  faults: number,
  seed: number,
  say: Say,
): Promise<StormResult> {
  const kinds = new Kinds(cluster, new SeededRandom(seed));
  const healMs: number[] = [];
  const broken: string[] = [];
  load.churn(CHURN_PER_SECOND);
  for (let i = 1; i <= faults; i++) {
    const what = await kinds.strike();
    const began = performance.now();
    try {
      await healed(cluster, load);
    } catch (error) {
      broken.push(`seed ${seed}, fault ${i} (${what}): ${error instanceof Error ? error.message : String(error)}`);
    }
    healMs.push(performance.now() - began);
    say(`${i}/${faults} ${what}: healed after ${Math.round(healMs.at(-1) ?? 0)} ms`);
    if (broken.length > 0) break;
    load.churn(CHURN_PER_SECOND);
  }
  load.endChurn();
  return { faults: healMs.length, healMs, broken: [...broken, ...kinds.wrong] };
}

async function healed(cluster: Cluster, load: Load): Promise<void> {
  load.endChurn();
  await until(
    'every client is seated',
    () => {
      const out = load.clients.filter(({ isSeated }) => !isSeated);
      if (out.length > 0) throw new Error(`${out.length} are not, the first in ${out[0]?.options.room}`);
      return true;
    },
    HEAL_BOUND_MS,
  );
  await Promise.all(load.rooms.map((room) => load.membersOf(room)[0]?.sayUntilAcked('is anybody here', HEAL_BOUND_MS)));
  const [router] = cluster.routers.values();
  for (const room of load.rooms) {
    const users = load.membersOf(room).map(({ options }) => options.user);
    await until(
      `presence of ${room} is what is seated`,
      async () => {
        const found = (await router?.api.presence(room))?.body.users.map(({ user }) => user) ?? [];
        if (found.sort().join() !== users.sort().join()) throw new Error(`${found.join()} instead of ${users.join()}`);
        return true;
      },
      HEAL_BOUND_MS,
    );
  }
}

class Kinds {
  readonly #cluster: Cluster;
  readonly #random: SeededRandom;
  /** Ends that were not as promised. */
  readonly wrong: string[] = [];

  constructor(cluster: Cluster, random: SeededRandom) {
    this.#cluster = cluster;
    this.#random = random;
  }

  /** One fault, from its beginning until whatever died runs again. @returns its name */
  async strike(): Promise<string> {
    const kinds: readonly (() => Promise<string>)[] = [
      () => this.#kill(),
      () => this.#killTwo(),
      () => this.#drain(),
      () => this.#drainAndKill(),
      () => this.#drainWithoutRedis(),
      () => this.#freeze(),
      () => this.#freezeAndFlush(),
      () => this.#stallRedis(),
      () => this.#flush(),
      () => this.#restartRedis(),
      () => this.#killRouter(),
      () => this.#freezeRouter(),
    ];
    return (await this.#pick(kinds)()).trim();
  }

  #pick<T>(from: readonly T[]): T {
    const one = from[Math.floor(this.#random.unit() * from.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  }

  #some(belowMs: number): Promise<unknown> {
    return pause(this.#random.unit() * belowMs);
  }

  #twoNodes(): [string, string] {
    const ids = [...this.#cluster.nodes.keys()];
    const first = this.#pick(ids);
    return [first, this.#pick(ids.filter((id) => id !== first))];
  }

  async #again(id: string): Promise<void> {
    await this.#cluster.node(id).kill();
    await this.#cluster.startNode(id);
  }

  async #drained(id: string): Promise<void> {
    const { code, signal } = await this.#cluster.node(id).exited;
    if (code !== 0) this.wrong.push(`a drained ${id} ended with ${code ?? signal}`);
    await this.#cluster.startNode(id);
  }

  async #kill(): Promise<string> {
    const [id] = this.#twoNodes();
    this.#cluster.node(id).signal('SIGKILL');
    await this.#some(4_000);
    await this.#again(id);
    return `kill ${id}`;
  }

  async #killTwo(): Promise<string> {
    const both = this.#twoNodes();
    for (const id of both) this.#cluster.node(id).signal('SIGKILL');
    await this.#some(3_000);
    await Promise.all(both.map((id) => this.#again(id)));
    return `kill ${both.join(' and ')}`;
  }

  async #drain(): Promise<string> {
    const [id] = this.#twoNodes();
    this.#cluster.node(id).signal('SIGTERM');
    await this.#drained(id);
    return `drain ${id}`;
  }

  async #drainAndKill(): Promise<string> {
    const [id, other] = this.#twoNodes();
    this.#cluster.node(id).signal('SIGTERM');
    await this.#some(300);
    this.#cluster.node(other).signal('SIGKILL');
    await Promise.all([this.#drained(id), this.#again(other)]);
    return `drain ${id}, kill ${other}`;
  }

  async #drainWithoutRedis(): Promise<string> {
    const [id] = this.#twoNodes();
    const ms = this.#pick([300, 900, 2_500]);
    this.#cluster.node(id).signal('SIGTERM');
    await this.#some(200);
    this.#cluster.redis.pause();
    await pause(ms);
    this.#cluster.redis.resume();
    await this.#drained(id);
    return `drain ${id}, stop Redis for ${ms} ms`;
  }

  async #freeze(): Promise<string> {
    const [id] = this.#twoNodes();
    const ms = this.#pick([300, 1_000, 1_700, 2_400, 3_000, 5_000]);
    await this.#frozen(id, () => pause(ms));
    return `freeze ${id} for ${ms} ms`;
  }

  async #freezeAndFlush(): Promise<string> {
    const [id] = this.#twoNodes();
    const ms = this.#pick([500, 2_000, 4_000]);
    await this.#frozen(id, async () => {
      await this.#some(1_000);
      await this.#cluster.flushRedis();
      await pause(ms);
    });
    return `freeze ${id}, FLUSHALL, ${ms} ms`;
  }

  /** A node that slept either goes on or finds itself certified. */
  async #frozen(id: string, meanwhile: () => Promise<unknown>): Promise<void> {
    const node = this.#cluster.node(id);
    node.signal('SIGSTOP');
    await meanwhile();
    node.signal('SIGCONT');
    await pause(1_500);
    if (node.exit === undefined) return;
    if (node.exit.code !== 3) this.wrong.push(`a woken ${id} ended with ${node.exit.code ?? node.exit.signal}`);
    await this.#again(id);
  }

  async #stallRedis(): Promise<string> {
    const ms = this.#pick([200, 600, 1_000, 2_000, 4_000]);
    this.#cluster.redis.pause();
    await pause(ms);
    this.#cluster.redis.resume();
    return `stop Redis for ${ms} ms`;
  }

  async #flush(): Promise<string> {
    await this.#cluster.flushRedis();
    return 'FLUSHALL';
  }

  async #restartRedis(): Promise<string> {
    await this.#cluster.redis.kill9();
    await this.#some(3_000);
    await this.#cluster.redis.restart();
    return 'restart Redis with its data';
  }

  async #killRouter(): Promise<string> {
    const [id, { process, url }] = this.#pick([...this.#cluster.routers]);
    await process.kill();
    await this.#some(2_000);
    await this.#cluster.startRouter(id, ['--port', new URL(url).port]);
    return `kill router ${id}`;
  }

  async #freezeRouter(): Promise<string> {
    const [id, { process }] = this.#pick([...this.#cluster.routers]);
    const ms = this.#pick([400, 1_500, 4_000, 7_000]);
    process.signal('SIGSTOP');
    await pause(ms);
    process.signal('SIGCONT');
    return `freeze router ${id} for ${ms} ms`;
  }
}
