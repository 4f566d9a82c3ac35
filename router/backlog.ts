/** Clients that read slower than they are written to. Owns: how many bytes each has waiting, for how long, and all together.
 *  Does not know: what is done about it.
 *
 *  Nothing is kept for a client whose socket takes everything at once. For the others a mark is set on the bytes waiting at some
 *  moment; once they have gone, a new mark is set. A mark that stands for `lagMsMax` means the client is that far behind.
 *  A buffer that many clients wait for counts for each of them: the count is what could have to be held, and more than what is.
 *  Invariant: `totalBytes` is the sum of `backlogBytes` over all clients held here. */
import type { Client } from './client-record.ts';

export interface BacklogOptions {
  readonly bytesMax: number;
  readonly totalBytesMax: number;
  readonly lagMsMax: number;
  readonly backlogBytesOf: (client: Client) => number;
}

interface Mark {
  atMs: number;
  /** Bytes written since. */
  writtenSince: number;
}

const NOBODY: ReadonlySet<Client> = new Set();

export class Backlog {
  readonly #options: BacklogOptions;
  readonly #marks = new Map<Client, Mark>();
  #totalBytes = 0;
  #overfull = false;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** From three quarters of the bound on the total until half of it. */
  get isOverfull(): boolean {
    const { totalBytesMax } = this.#options;
    this.#overfull = this.#totalBytes > totalBytesMax * (this.#overfull ? 0.5 : 0.75);
    return this.#overfull;
  }

  get clients(): number {
    return this.#marks.size;
  }

  /** Looks at a client's socket after `written` bytes were handed to it.
   *  @returns whether the client is too slow to be kept */
  note(client: Client, written: number, nowMs: number): boolean {
    const bytes = this.#options.backlogBytesOf(client);
    if (bytes === 0 && client.backlogBytes === 0) return false;
    return this.#update(client, bytes, written, nowMs);
  }

  /** Above half of the bound ephemeral messages are not sent any more. */
  isPressured(client: Client): boolean {
    const half = this.#options.bytesMax / 2;
    return client.backlogBytes > half && this.#options.backlogBytesOf(client) > half;
  }

  forget(client: Client): void {
    this.#totalBytes -= client.backlogBytes;
    client.backlogBytes = 0;
    this.#marks.delete(client);
  }

  /** Looks at every socket with a backlog.
   *  @returns those too slow to be kept, and `excess` besides. A client that is closing already and named again is to be cut off. */
  sweep(nowMs: number): Client[] {
    const slow: Client[] = [];
    for (const client of this.#marks.keys()) {
      const tooSlow = this.#update(client, this.#options.backlogBytesOf(client), 0, nowMs);
      if (tooSlow && client.live) slow.push(client);
    }
    return [...slow, ...this.excess(new Set(slow))];
  }

  /** Clients without which the total is within its bound: those that are closing first, since they have been told, then the largest.
   *  What is freed by a client that is only told now is not free yet, so this is to be asked whenever more was written: the total
   *  exceeds its bound by what two turns bring, no more. */
  excess(besides: ReadonlySet<Client> = NOBODY): Client[] {
    let excess = this.#totalBytes - this.#options.totalBytesMax;
    if (excess <= 0) return [];
    for (const client of besides) excess -= client.backlogBytes;
    const chosen: Client[] = [];
    const inOrder = [...this.#marks.keys()].sort(
      (a, b) => Number(a.live) - Number(b.live) || b.backlogBytes - a.backlogBytes,
    );
    for (const client of inOrder) {
      if (excess <= 0) break;
      if (besides.has(client)) continue;
      chosen.push(client);
      excess -= client.backlogBytes;
    }
    return chosen;
  }

  #update(client: Client, bytes: number, written: number, nowMs: number): boolean {
    this.#totalBytes += bytes - client.backlogBytes;
    client.backlogBytes = bytes;
    if (bytes === 0) {
      this.#marks.delete(client);
      return false;
    }
    const mark = this.#marks.get(client);
    if (mark === undefined) {
      this.#marks.set(client, { atMs: nowMs, writtenSince: 0 });
    } else {
      mark.writtenSince += written;
      // What waited at the mark has gone once no more waits than was written since.
      if (bytes <= mark.writtenSince) {
        mark.atMs = nowMs;
        mark.writtenSince = 0;
      }
      if (nowMs - mark.atMs >= this.#options.lagMsMax) return true;
    }
    return bytes > this.#options.bytesMax;
  }
}
