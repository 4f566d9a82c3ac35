/** A room's last messages in its owner's memory, and the numbering they belong to. Owns: head, the tags that this memory vouches
 *  for, and the answer to "may a cursor go on from here". Does not know: who asks.
 *  Invariant: entries are contiguous in seq and end at head; seqs are compared only under one tag's history.
 *  @see DESIGN §6 relay */
import type { Tag } from '../shared/directory/directory.ts';
import type { Cursor } from '../shared/link/messages.ts';

export interface RecentEntry {
  readonly seq: number;
  readonly tag: Tag;
  /** Sender's session; absent for a backend's or the program's own messages. */
  readonly session: string | undefined;
  readonly id: number | undefined;
  /** Ready-made WebSocket frame of the `message` event. */
  readonly frame: Buffer;
}

export type ResetReason = 'trimmed' | 'ahead' | 'forked' | 'owner_lost';

export type Standing =
  | { readonly kind: 'resumed'; readonly missed: readonly RecentEntry[] }
  | { readonly kind: 'reset'; readonly reason: ResetReason };

interface TagStart {
  readonly tag: Tag;
  readonly firstSeq: number;
}

const TAGS_MAX = 16;
/** A link carries answers of at most 1 MiB. */
const PAGE_BYTES_MAX = 700_000;

export class Recent {
  readonly #max: number;
  #entries: RecentEntry[] = [];
  #tags: TagStart[] = [];
  #head = 0;

  /** @param max entries kept */
  constructor(max: number) {
    this.#max = max;
  }

  get head(): number {
    return this.#head;
  }

  get entries(): readonly RecentEntry[] {
    return this.#entries;
  }

  get tags(): readonly TagStart[] {
    return this.#tags;
  }

  /** Another tag begins: what was said before stays valid under its own. */
  beginTag(tag: Tag): void {
    this.#tags.push({ tag, firstSeq: this.#head + 1 });
    if (this.#tags.length > TAGS_MAX) this.#tags.shift();
  }

  /** Starts numbering after `head` with nothing in memory. `before`: tags that led there, as the record kept them. */
  startAt(head: number, before: readonly TagStart[]): void {
    this.#entries = [];
    this.#head = head;
    this.#tags = before.slice(-TAGS_MAX + 1);
  }

  restore(head: number, tags: readonly TagStart[], entries: readonly RecentEntry[]): void {
    this.#head = head;
    this.#tags = [...tags];
    this.#entries = entries.slice(-this.#max);
  }

  push(entry: RecentEntry): void {
    this.#head = entry.seq;
    this.#entries.push(entry);
    if (this.#entries.length > this.#max) this.#entries.shift();
  }

  find(session: string, id: number): RecentEntry | undefined {
    return this.#entries.findLast((entry) => entry.id === id && entry.session === session);
  }

  last(count: number): readonly RecentEntry[] {
    return count <= 0 ? [] : this.#entries.slice(-count);
  }

  after(seq: number): readonly RecentEntry[] {
    const first = this.#head - this.#entries.length + 1;
    return seq < first ? this.#entries : this.#entries.slice(seq - first + 1);
  }

  /** The first of what followed `seq`: at most `limit` entries, and no more bytes than one answer over a link may hold. */
  page(seq: number, limit: number): readonly RecentEntry[] {
    const page: RecentEntry[] = [];
    let bytes = 0;
    for (const entry of this.after(seq).slice(0, limit)) {
      bytes += entry.frame.length;
      // At least one, or a reader would never get past a large one.
      if (page.length > 0 && bytes > PAGE_BYTES_MAX) break;
      page.push(entry);
    }
    return page;
  }

  /** Where a reader at `cursor` stands: it goes on without gap or repeat, or it is told why not. */
  standing(cursor: Cursor): Standing {
    const index = this.#tags.findIndex((start) => start.tag === cursor.tag);
    const start = this.#tags[index];
    if (start === undefined) return { kind: 'reset', reason: 'owner_lost' };
    const next = this.#tags[index + 1];
    const lastOfTag = next === undefined ? this.#head : next.firstSeq - 1;
    if (cursor.seq > lastOfTag) return { kind: 'reset', reason: next === undefined ? 'ahead' : 'forked' };
    if (this.#head - cursor.seq > this.#entries.length) return { kind: 'reset', reason: 'trimmed' };
    return { kind: 'resumed', missed: this.after(cursor.seq) };
  }
}
