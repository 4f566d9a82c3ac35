/** The load generator for a machine without a C compiler; says and does what load.c does, at several times its cost. Owns: clients,
 *  publishing at a fixed rate, counting every delivery once. Does not know: which system it talks to.
 *  Run as a script with the arguments of load-plan.ts. */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientFrame, FrameReader } from './frames.ts';
import { type LoadPlan, type LoadResult, parsePlan } from './load-plan.ts';

const MARK = Buffer.from('#T=');
const STAMP_WRAP = 1e12;
const CONNECT_MS = 120_000;

interface Client {
  readonly socket: Socket;
  readonly room: number;
  readonly seen: Uint8Array;
  published: number;
}

const nowUs = (): number => Math.floor(performance.now() * 1_000);
const say = (message: object): boolean => process.stdout.write(`${JSON.stringify(message)}\n`);

class Load {
  readonly #plan: LoadPlan;
  readonly #roomMessages: number;
  readonly #clients: Client[] = [];
  readonly #rooms: number;
  #latencies = new Float64Array(0);
  #phase = 0;
  #deliveries = 0;
  #duplicates = 0;
  #foreign = 0;
  #lost = 0;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#rooms = plan.clients / plan.members;
    if (!Number.isInteger(this.#rooms)) throw new Error('clients must be a multiple of members');
    this.#roomMessages = Math.floor((plan.rate * plan.seconds) / this.#rooms) + 1;
  }

  async connect(): Promise<void> {
    const began = performance.now();
    const cpu = process.cpuUsage();
    let next = 0;
    const dial = async (): Promise<void> => {
      while (next < this.#plan.clients) {
        const i = next++;
        this.#clients[i] = await this.#open(i);
      }
    };
    const tooLate = sleep(CONNECT_MS, undefined, { ref: false }).then(() => {
      throw new Error('the clients could not join in time');
    });
    await Promise.race([Promise.all(Array.from({ length: this.#plan.concurrency }, dial)), tooLate]);
    const { user, system } = process.cpuUsage(cpu);
    say({ type: 'connected', seconds: (performance.now() - began) / 1_000, cpuUs: user + system });
  }

  /** Sends for `seconds`, then waits for what is under way. */
  async run(phase: number, seconds: number): Promise<LoadResult> {
    const { rate, members, drain, tick } = this.#plan;
    const total = rate * seconds;
    this.#phase = phase;
    this.#deliveries = 0;
    this.#latencies = new Float64Array(phase === 1 ? total * members : 0);
    const cpu = process.cpuUsage();
    const began = nowUs();
    const end = began + seconds * 1e6;
    let window: { inTime: number; seconds: number; cpuUs: number } | undefined;
    let k = 0;
    for (;;) {
      const now = nowUs();
      for (; k < total; k++) {
        const due = began + (k * 1e6) / rate;
        if (due > now) break;
        this.#publish(k, Math.floor(now - due <= tick ? now : due + tick));
      }
      if (now >= end && window === undefined) {
        const used = process.cpuUsage(cpu);
        window = { inTime: this.#deliveries, seconds: (now - began) / 1e6, cpuUs: used.user + used.system };
      }
      if (window !== undefined && k === total && this.#deliveries >= total * members) break;
      if (now > end + drain * 1e6) break;
      await sleep(1);
    }
    const sorted = this.#latencies.subarray(0, Math.min(this.#deliveries, this.#latencies.length)).sort();
    const percentile = (share: number): number => (sorted[Math.ceil(sorted.length * share) - 1] ?? -1_000) / 1_000;
    return {
      sent: k,
      unsent: total - k,
      deliveries: this.#deliveries,
      expected: k * members,
      duplicates: this.#duplicates,
      foreign: this.#foreign,
      lost: this.#lost,
      ...(window ?? { inTime: this.#deliveries, seconds, cpuUs: 0 }),
      p50Ms: percentile(0.5),
      p99Ms: percentile(0.99),
      p999Ms: percentile(0.999),
    };
  }

  async #open(i: number): Promise<Client> {
    const { ports, path, envelope, members } = this.#plan;
    const port = ports[i % ports.length] ?? 0;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const room = Math.floor(i / members);
    const client = { socket, room, seen: new Uint8Array(this.#roomMessages), published: 0 };
    const target = path.replaceAll('{i}', String(i)).replaceAll('{room}', String(room));
    const reader = new FrameReader();
    let head: Buffer | undefined = Buffer.alloc(0);
    await new Promise<void>((resolve, reject) => {
      let isJoined = false;
      const join = (): void => {
        isJoined = true;
        resolve();
      };
      const take = (opcode: number, payload: Buffer): void => {
        if (opcode === 9) socket.write(clientFrame(payload, 10));
        if (opcode !== 1) return;
        if (isJoined) {
          if (envelope === 'socketio' && payload.length === 1 && payload[0] === 0x32) socket.write(clientFrame('3'));
          else this.#take(client, payload);
        } else if (envelope === 'bellhop') {
          if (payload.includes('"welcome"')) join();
        } else if (payload[0] === 0x30) {
          socket.write(clientFrame('40'));
        } else if (payload[0] === 0x34 && payload[1] === 0x30) {
          join();
        }
      };
      socket.on('data', (chunk: Buffer) => {
        if (head === undefined) return reader.push(chunk, take);
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        const status = head.toString('latin1', 0, 80);
        if (status.slice(9, 12) !== '101') return reject(new Error(`upgrade refused: ${status}`));
        if (envelope === 'raw') join();
        const rest = head.subarray(end + 4);
        head = undefined;
        reader.push(rest, take);
      });
      socket.on('error', reject);
      socket.once('close', () => {
        this.#lost++;
        reject(new Error('closed before it had joined'));
      });
      socket.write(
        `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
    });
    return client;
  }

  #take(client: Client, payload: Buffer): void {
    const at = payload.indexOf(MARK);
    if (at < 0) return;
    const text = payload.toString('latin1', at + MARK.length, at + MARK.length + 27);
    const phase = Number(text[0]);
    if (phase !== this.#phase) return;
    if (phase === 0) {
      this.#deliveries++;
      return;
    }
    const n = Number(text.slice(19));
    if (Number(text.slice(13, 19)) !== client.room || n >= this.#roomMessages) {
      this.#foreign++;
    } else if (client.seen[n] === 1) {
      this.#duplicates++;
    } else {
      client.seen[n] = 1;
      const us = (nowUs() % STAMP_WRAP) - Number(text.slice(1, 13));
      this.#latencies[this.#deliveries++] = us < 0 ? us + STAMP_WRAP : us;
    }
  }

  /** Message `k` of this phase: the rooms take turns, and in a room its members. */
  #publish(k: number, due: number): void {
    const { members, bytes, envelope } = this.#plan;
    const room = k % this.#rooms;
    const n = Math.floor(k / this.#rooms);
    const client = this.#clients[room * members + (n % members)];
    if (client === undefined) return;
    const digits = (value: number, count: number): string => String(value).padStart(count, '0');
    const data = `#T=${this.#phase}${digits(due % STAMP_WRAP, 12)}${digits(room, 6)}${digits(n, 8)}`.padEnd(bytes, '.');
    if (envelope === 'raw') client.socket.write(clientFrame(data));
    else if (envelope === 'socketio') client.socket.write(clientFrame(`42["m","${data}"]`));
    else client.socket.write(clientFrame(`{"type":"publish","id":${++client.published},"data":"${data}"}`));
  }
}

async function main(): Promise<void> {
  const plan = parsePlan(process.argv.slice(2));
  const load = new Load(plan);
  await load.connect();
  await sleep(plan.settle);
  await load.run(0, plan.warm);
  const lines = createInterface({ input: process.stdin });
  const isAskedToGo = new Promise<boolean>((resolve) => {
    lines.once('line', () => resolve(true));
    lines.once('close', () => resolve(false));
  });
  say({ type: 'ready' });
  if (!(await isAskedToGo)) process.exit(0);
  const result = await load.run(1, plan.seconds);
  process.stdout.write(`${JSON.stringify({ type: 'result', ...result })}\n`, () => process.exit(0));
}

main().catch((error: unknown) => {
  process.stderr.write(`load: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
