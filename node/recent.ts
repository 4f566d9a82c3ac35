/** A room's last messages in its owner's memory, and the numbering they belong to. Owns: head, the tags that this memory vouches
 *  for, and the answer to "may a cursor go on from here". Does not know: who asks.
 *  Invariant: entries are contiguous in seq and end at head; seqs are compared only under one tag's history.
 *
 *  What is remembered outlives the young generation, so it is kept where the collector has nothing to copy: a ring of slots that
 *  are used again, and bytes in slabs outside of the heap.
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

export type ResetReason = 'trimmed' | 'ahead' | 'forked' | 'owner_lost' | 'log_lost' | 'too_far';

export type Standing =
  | { readonly kind: 'resumed'; readonly missed: readonly RecentEntry[] }
  /** What followed has left this memory and may be in the log. */
  | { readonly kind: 'older'; readonly after: number }
  | { readonly kind: 'reset'; readonly reason: ResetReason };

interface TagStart {
  readonly tag: Tag;
  readonly firstSeq: number;
}

const TAGS_MAX = 16;
/** A link carries answers of at most 1 MiB. */
const PAGE_BYTES_MAX = 700_000;

/** A message in the ring. Written over in place: nothing is allocated once the ring is full. */
interface Slot {
  tag: Tag;
  session: string | undefined;
  id: number | undefined;
  /** Its frame lies there. Bytes of a slab are written once and never again, since links may still have to send them. */
  slab: Buffer;
  start: number;
  length: number;
}

/** Bytes of frames that all rooms of a node remember. */
export interface RecentBudget {
  bytes: number;
  readonly bytesMax: number;
  /** What each may remember whatever the others do: who fills some of them takes no usual message from any other. */
  readonly ownBytes: number;
}

/** A hundred messages of a usual size. */
const OWN_BYTES_MAX = 32_768;
const OWN_SHARE = 1 / 1_024;

export function recentBudget(bytesMax: number): RecentBudget {
  return { bytes: 0, bytesMax, ownBytes: Math.min(OWN_BYTES_MAX, bytesMax * OWN_SHARE) };
}

/** Slabs grow from the first size to the last, so that a room of few messages is small. */
const SLAB_BYTES_MIN = 512;
const SLAB_BYTES_MAX = 8_192;
/** A frame larger than this is kept as it is. */
const COPIED_BYTES_MAX = 2_048;

export class Recent {
  readonly #max: number;
  readonly #slots: Slot[] = [];
  /** Of the oldest entry, once the ring is full. */
  #first = 0;
  #tags: TagStart[] = [];
  #head = 0;
  #slab = Buffer.alloc(0);
  #used = 0;
  #isCut = false;
  /** Of all frames here. */
  #bytes = 0;
  readonly #isLogged: boolean;
  /** Undefined once the room is not served here any more. */
  #budget: RecentBudget | undefined;

  /** @param max entries kept
   *  @param isLogged  the room has a log, which goes further back and outlives its owner
   *  @param budget  beyond it a room that remembers something more forgets what is oldest in it, down to its own bytes or its last message */
  constructor(max: number, isLogged = false, budget?: RecentBudget) {
    this.#max = max;
    this.#isLogged = isLogged;
    this.#budget = budget;
  }

  /** Seq of the oldest entry here; head + 1 where there is none. */
  get oldest(): number {
    return this.#head - this.#slots.length + 1;
  }

  /** How many more entries it could keep. */
  get free(): number {
    return this.#max - this.#slots.length;
  }

  /** Whether entries that there was room for were forgotten for the budget's sake. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** The tag under which a seq was given out; undefined where this memory does not vouch for it. */
  tagAt(seq: number): Tag | undefined {
    return seq > this.#head ? undefined : this.#tags.findLast((start) => start.firstSeq <= seq)?.tag;
  }

  get head(): number {
    return this.#head;
  }

  get entries(): readonly RecentEntry[] {
    return this.#newest(this.#slots.length);
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
    this.#clear();
    this.#head = head;
    this.#tags = before.slice(-TAGS_MAX + 1);
  }

  restore(head: number, tags: readonly TagStart[], entries: readonly RecentEntry[]): void {
    this.#clear();
    // Another memory may have kept less, or have been cut: only what leads to the head without a gap is of use.
    let from = entries.length;
    while (from > 0 && entries.length - from < this.#max && entries[from - 1]?.seq === head - (entries.length - from))
      from--;
    for (const entry of entries.slice(from)) this.push(entry);
    this.#head = head;
    this.#tags = [...tags];
  }

  /** Remembers what came before the oldest entry, as far as it leads there and there is room. */
  putBefore(entries: readonly RecentEntry[]): void {
    this.restore(this.#head, this.#tags, [...entries, ...this.entries]);
  }

  /** Remembers a message. Its frame is copied unless it is large; what `entry` itself is, is not kept. */
  push(entry: RecentEntry): void {
    const { frame } = entry;
    const { length } = frame;
    this.#head = entry.seq;
    const slot = this.#nextSlot(entry);
    this.#count(length - slot.length);
    slot.tag = entry.tag;
    slot.session = entry.session;
    slot.id = entry.id;
    slot.length = length;
    this.#place(slot, frame);
    this.#keepToBudget();
  }

  #place(slot: Slot, frame: Buffer): void {
    const { length } = frame;
    if (length > COPIED_BYTES_MAX) {
      slot.slab = frame;
      slot.start = 0;
      return;
    }
    if (this.#slab.length - this.#used < length) {
      const bytes = Math.min(SLAB_BYTES_MAX, Math.max(SLAB_BYTES_MIN, 2 * this.#slab.length));
      this.#slab = Buffer.allocUnsafeSlow(Math.max(bytes, length));
      this.#used = 0;
    }
    frame.copy(this.#slab, this.#used);
    slot.slab = this.#slab;
    slot.start = this.#used;
    this.#used += length;
  }

  find(session: string, id: number): RecentEntry | undefined {
    const count = this.#slots.length;
    for (let back = 1; back <= count; back++) {
      const slot = this.#slots[(this.#first + count - back) % count];
      if (slot?.id === id && slot.session === session) return entryOf(slot, this.#head - back + 1);
    }
    return undefined;
  }

  last(count: number): readonly RecentEntry[] {
    return this.#newest(Math.min(count, this.#slots.length));
  }

  after(seq: number): readonly RecentEntry[] {
    return this.#newest(Math.min(this.#head - seq, this.#slots.length));
  }

  /** The last `count` entries, oldest first. */
  #newest(count: number): RecentEntry[] {
    const entries: RecentEntry[] = [];
    const kept = this.#slots.length;
    for (let back = count; back >= 1; back--) {
      const slot = this.#slots[(this.#first + kept - back) % kept];
      if (slot !== undefined) entries.push(entryOf(slot, this.#head - back + 1));
    }
    return entries;
  }

  /** Where the next entry goes: a new slot, or in a full ring that of the oldest. */
  #nextSlot({ tag, session, id, frame }: RecentEntry): Slot {
    const oldest = this.#slots.length < this.#max ? undefined : this.#slots[this.#first];
    if (oldest === undefined) {
      const slot: Slot = { tag, session, id, slab: frame, start: 0, length: 0 };
      this.#slots.push(slot);
      return slot;
    }
    this.#first = (this.#first + 1) % this.#max;
    return oldest;
  }

  #clear(): void {
    this.#count(-this.#bytes);
    this.#slots.length = 0;
    this.#first = 0;
    this.#isCut = false;
  }

  #keepToBudget(): void {
    const budget = this.#budget;
    if (budget === undefined || budget.bytes <= budget.bytesMax || this.#bytes <= budget.ownBytes) return;
    // The oldest first, so that it can be taken off the front and the ring goes on behind.
    this.#slots.unshift(...this.#slots.splice(this.#first));
    this.#first = 0;
    while (this.#slots.length > 1 && this.#bytes > budget.ownBytes && budget.bytes > budget.bytesMax) {
      this.#count(-(this.#slots.shift()?.length ?? 0));
      this.#isCut = true;
    }
  }

  /** The room is not served here any more. */
  close(): void {
    if (this.#budget !== undefined) this.#budget.bytes -= this.#bytes;
    this.#budget = undefined;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#budget !== undefined) this.#budget.bytes += bytes;
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
    if (start === undefined)
      return { kind: 'reset', reason: this.#isLogged ? this.#whyUnknown(cursor.tag) : 'owner_lost' };
    const next = this.#tags[index + 1];
    const lastOfTag = next === undefined ? this.#head : next.firstSeq - 1;
    if (cursor.seq > lastOfTag) return { kind: 'reset', reason: next === undefined ? 'ahead' : 'forked' };
    if (this.#head - cursor.seq > this.#slots.length) {
      return this.#isLogged ? { kind: 'older', after: cursor.seq } : { kind: 'reset', reason: 'trimmed' };
    }
    return { kind: 'resumed', missed: this.after(cursor.seq) };
  }

  /** A tag that a durable room does not know: too long ago, of a history that Redis lost, or of one that it was taken back behind.
   *  Never of a room that was forgotten while nobody was there: its keys outlive every resume token that names a cursor in it, and a
   *  tag's epoch says when its owner began, not when it ended. */
  #whyUnknown(tag: Tag): ResetReason {
    const epoch = epochOf(tag);
    const first = this.#tags[0];
    if (first === undefined || epoch >= epochOf(first.tag)) return 'forked';
    return this.#tags.length >= TAGS_MAX ? 'too_far' : 'log_lost';
  }
}

export function epochOf(tag: Tag): number {
  return Number(tag.slice(0, tag.indexOf('.')));
}

function entryOf(slot: Slot, seq: number): RecentEntry {
  const { tag, session, id, slab, start, length } = slot;
  return { seq, tag, session, id, frame: slab.subarray(start, start + length) };
}
