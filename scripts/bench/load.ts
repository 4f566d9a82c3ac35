/** The load: clients in a process of their own, so that their cost is not the server's. Owns: connecting, publishing at a fixed rate,
 *  counting every delivery and its latency. Does not know: which system it talks to.
 *  Run as a script: reads one JSON LoadPlan from argv, prints one JSON LoadResult. */
import { connect, type Socket } from 'node:net';
import { clientFrame, FrameReader } from './frames.ts';

export interface LoadPlan {
  readonly ports: readonly number[];
  /** Path of the WebSocket, with `{i}` for the client's number. */
  readonly path: string;
  readonly clients: number;
  readonly messagesPerSecond: number;
  readonly seconds: number;
  readonly payloadBytes: number;
  /** How a payload is wrapped for the wire: `raw`, or `bellhop` for a publish. */
  readonly envelope: 'raw' | 'bellhop';
}

export interface LoadResult {
  readonly connected: number;
  readonly sent: number;
  readonly deliveries: number;
  readonly expected: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** CPU of this process during the measured seconds, microseconds. */
  readonly cpuUs: number;
}

const MARK = Buffer.from('T=');
const STAMP_DIGITS = 12;

interface LoadClient {
  readonly socket: Socket;
  readonly reader: FrameReader;
}

async function open(plan: LoadPlan, i: number, onPayload: (payload: Buffer) => void): Promise<LoadClient> {
  const port = plan.ports[i % plan.ports.length] ?? 0;
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const path = plan.path.replaceAll('{i}', String(i));
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  const reader = new FrameReader();
  await new Promise<void>((resolve, reject) => {
    let head = Buffer.alloc(0);
    const onHead = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onHead);
      if (!head.subarray(0, 12).toString('latin1').endsWith('101')) {
        reject(new Error(`upgrade refused: ${head.subarray(0, 80).toString('latin1')}`));
        return;
      }
      const take = (opcode: number, payload: Buffer) => {
        if (opcode === 1) onPayload(payload);
      };
      reader.push(head.subarray(end + 4), take);
      socket.on('data', (data: Buffer) => reader.push(data, take));
      resolve();
    };
    socket.on('data', onHead);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  return { socket, reader };
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted.length === 0
    ? Number.NaN
    : (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
}

const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

async function run(plan: LoadPlan): Promise<LoadResult> {
  const latencies = new Float64Array(plan.clients * plan.messagesPerSecond * plan.seconds * 2 + 1_000);
  let deliveries = 0;
  let measuring = false;
  const onPayload = (payload: Buffer) => {
    const at = payload.indexOf(MARK);
    if (at < 0 || !measuring) return;
    const stamp = Number(payload.toString('latin1', at + MARK.length, at + MARK.length + STAMP_DIGITS));
    if (deliveries < latencies.length) latencies[deliveries] = (nowUs() % 10 ** STAMP_DIGITS) - stamp;
    deliveries++;
  };
  const clients: LoadClient[] = [];
  for (let i = 0; i < plan.clients; i++) clients.push(await open(plan, i, onPayload));
  await new Promise((resolve) => setTimeout(resolve, 1_500));

  const [sender] = clients;
  if (sender === undefined) throw new Error('a load needs at least one client');
  let sent = 0;
  const send = () => {
    const stamp = String(nowUs() % 10 ** STAMP_DIGITS).padStart(STAMP_DIGITS, '0');
    const data = `T=${stamp}`.padEnd(plan.payloadBytes, '.');
    const text = plan.envelope === 'raw' ? data : `{"type":"publish","id":${sent + 1},"data":"${data}"}`;
    sender.socket.write(clientFrame(Buffer.from(text)));
    sent++;
  };
  measuring = true;
  process.send?.({ type: 'begin' });
  const cpu = process.cpuUsage();
  const periodMs = 1_000 / plan.messagesPerSecond;
  const startedMs = performance.now();
  const total = plan.messagesPerSecond * plan.seconds;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      // Catches up after a late timer, so that the offered load is what it says.
      while (sent < total && performance.now() - startedMs >= sent * periodMs) send();
      if (sent < total) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  const expected = sent * plan.clients;
  for (let waited = 0; deliveries < expected && waited < 5_000; waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.send?.({ type: 'end' });
  const used = process.cpuUsage(cpu);
  const sorted = latencies.subarray(0, Math.min(deliveries, latencies.length)).sort();
  for (const { socket } of clients) socket.destroy();
  return {
    connected: clients.length,
    sent,
    deliveries,
    expected,
    p50Ms: percentile(sorted, 0.5) / 1_000,
    p99Ms: percentile(sorted, 0.99) / 1_000,
    p999Ms: percentile(sorted, 0.999) / 1_000,
    cpuUs: used.user + used.system,
  };
}

const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;
run(plan).then(
  (result) => process.send?.({ type: 'result', result }, () => process.exit(0)),
  (error: unknown) => {
    process.stderr.write(`load: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
