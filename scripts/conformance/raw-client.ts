/** A WebSocket client by hand: writes the bytes it is told to, and notes what comes back. Owns: one TCP connection, its handshake, and
 *  reading server frames. Does not know: which case it plays.
 *  Invariant: it adds nothing to what it sends but the answer to a close, and the word by which the end of a case is known. */
import { connect, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { constants, inflateRawSync } from 'node:zlib';
import type { Seen } from './cases.ts';
import { frame, OPCODES, say } from './frame.ts';

/** Said last: once it has come back, everything before it has been dealt with. */
const LAST_WORD = 'that was all';
const BOUND_MS = 15_000;

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** The authority of its certificate, where it speaks TLS. */
  readonly ca?: Buffer | undefined;
  /** Extensions to offer. */
  readonly offer?: string | undefined;
}

/** Plays one case.
 *  @throws Error where the end is not reached, with what was seen until then */
export async function play(target: Target, chunks: readonly Buffer[], isCut: boolean): Promise<Seen> {
  const client = new RawClient(target);
  try {
    await client.open();
    for (const chunk of chunks) await client.write(chunk);
    if (!isCut) await client.write(say(LAST_WORD));
    return await client.end();
  } finally {
    client.destroy();
  }
}

class RawClient {
  readonly #socket: Socket;
  readonly #target: Target;
  readonly #said: string[] = [];
  readonly #pongs: string[] = [];
  #refused = 0;
  #closed: number | undefined;
  #ended = false;
  #upgraded = false;
  #unread = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  constructor(target: Target) {
    this.#target = target;
    const { host, port, ca } = target;
    this.#socket = ca === undefined ? connect({ host, port, noDelay: true }) : connectSecurely({ host, port, ca });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', () => this.#end());
    this.#socket.on('close', () => this.#end());
  }

  async open(): Promise<void> {
    const { host, port, path, offer } = this.#target;
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${host}:${port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ...(offer === undefined ? [] : [`Sec-WebSocket-Extensions: ${offer}`]),
    ];
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    await this.#until('the upgrade', () => this.#upgraded);
  }

  /** Writes, and lets the event loop turn, so that the next chunk is a packet of its own. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#socket.writable) this.#socket.write(chunk);
    await new Promise(setImmediate);
  }

  async end(): Promise<Seen> {
    await this.#until('the end', () => this.#ended || this.#closed !== undefined || this.#said.at(-1) === LAST_WORD);
    const said = this.#said.filter((one) => one !== LAST_WORD);
    return { said, pongs: this.#pongs, refused: this.#refused, closed: this.#closed };
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const late = setTimeout(() => this.#wake(), BOUND_MS);
    const untilMs = performance.now() + BOUND_MS;
    while (!holds()) {
      if (performance.now() >= untilMs)
        throw new Error(`${what} did not come: ${JSON.stringify([this.#said, this.#closed])}`);
      if (this.#ended) throw new Error(`the connection ended before ${what}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    clearTimeout(late);
  }

  #read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    if (!this.#upgraded) {
      const end = this.#unread.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.#unread.subarray(0, end).toString('latin1');
      const agreed = /^Sec-WebSocket-Extensions: (.*)$/im.exec(head)?.[1]?.trim();
      if (!head.startsWith('HTTP/1.1 101') || (agreed === undefined) !== (this.#target.offer === undefined)) {
        return this.#end();
      }
      this.#upgraded = true;
      this.#unread = this.#unread.subarray(end + 4);
    }
    while (this.#takeFrame());
    this.#wake();
  }

  #takeFrame(): boolean {
    const bytes = this.#unread;
    if (bytes.length < 2) return false;
    const short = bytes.readUInt8(1);
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < head) return false;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < head + length) return false;
    this.#unread = bytes.subarray(head + length);
    const payload = bytes.subarray(head, head + length);
    const isDeflated = (bytes.readUInt8(0) & 0x40) !== 0;
    if (isDeflated && this.#target.offer === undefined) throw new Error('a compressed frame that nobody asked for');
    this.#heard(bytes.readUInt8(0) & 0x0f, isDeflated ? inflated(payload) : payload);
    return true;
  }

  #heard(opcode: number, payload: Buffer): void {
    if (opcode === OPCODES.pong) {
      this.#pongs.push(payload.toString());
    } else if (opcode === OPCODES.close) {
      this.#closed ??= payload.length < 2 ? 0 : payload.readUInt16BE(0);
      this.#socket.write(frame(OPCODES.close, payload.subarray(0, 2)));
    } else if (opcode === OPCODES.text) {
      const message = JSON.parse(payload.toString()) as { readonly type: string; readonly data?: unknown };
      if (message.type === 'message') this.#said.push(String(message.data));
      else if (message.type === 'error') this.#refused++;
    }
  }
}

/** @see RFC 7692 §7.2.2 */
function inflated(payload: Buffer): Buffer {
  const whole = Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]);
  return inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH });
}
