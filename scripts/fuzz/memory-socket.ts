/** A TCP socket without a kernel, for a link under fuzz. Owns: what was written to it, and whether it is taken. */
import { Duplex } from 'node:stream';

type Taken = (error?: Error | null) => void;

export class MemorySocket extends Duplex {
  readonly connecting = false;
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 1;
  /** Everything that was taken. */
  readonly written: Buffer[] = [];
  /** While true the other side's window is shut: what is written waits. */
  isStalled: boolean;
  #waiting: (() => void)[] = [];

  constructor(isStalled = false) {
    super({ allowHalfOpen: false, autoDestroy: true, emitClose: true });
    this.isStalled = isStalled;
  }

  setNoDelay(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  /** The other side reads again. */
  release(): void {
    this.isStalled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const take of waiting) take();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, taken: Taken): void {
    // The kernel copies what it takes: the link fills one buffer again and again.
    const take = () => {
      this.written.push(Buffer.from(chunk));
      taken();
    };
    if (this.isStalled) this.#waiting.push(take);
    else take();
  }

  override _final(done: Taken): void {
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#waiting = [];
    done(error);
  }
}

/** Lets what is due in this process happen. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
