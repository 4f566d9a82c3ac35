/** What must hold of the logs of durable rooms: the invariants 1, 2, 3 and 9 of DESIGN §4. Owns: what Redis was ever seen to append,
 *  and what of it the log of now must hold. Does not know: nodes, routers, how a log travels.
 *  It is told what Redis executed, where it executed it, and what clients were told; it reads the stored log only where that may have
 *  changed otherwise than by an append: after a claim, and when Redis lost something.
 *  Invariant: `held` is the log as it must be read now, from 1 to head, also where its oldest entries were trimmed. */
import { type Args, type LogEntry, type Reply, tagOf } from '../../shared/directory/directory.ts';
import type { Oracle } from './oracle.ts';
import type { Trace } from './trace.ts';

interface Logged {
  readonly seq: number;
  readonly tag: string;
  readonly text: string;
  /** session, seat and cseq of the frame that brought it. */
  readonly frame: string;
  readonly sender: string;
  readonly place: Place;
}

interface Place {
  readonly id: number;
  readonly seat: number;
  readonly cseq: number;
}

interface Line {
  head: number;
  /** The oldest entry is not above this. */
  first: number;
  /** Redis lost something since the room was last claimed: what a claim finds need not be what was appended last. */
  isLossy: boolean;
  readonly held: Map<number, Logged>;
  readonly seqOf: Map<string, number>;
  readonly frames: Set<string>;
  readonly lastOf: Map<string, Place>;
  /** Everything that was ever appended, by tag and seq, also what Redis has lost since. */
  readonly ever: Map<string, Logged>;
  readonly everAt: Map<string, Set<number>>;
  readonly refused: Set<string>;
}

export class LogOracle {
  readonly #trace: Trace;
  readonly #oracle: Oracle;
  readonly #read: (room: string) => Reply<'readLog'>;
  readonly #keep: number;
  readonly #lines = new Map<string, Line>();

  /** @param read  the stored log of a room, all of it
   *  @param keep  entries that the log keeps at least */
  constructor(trace: Trace, oracle: Oracle, read: (room: string) => Reply<'readLog'>, keep: number) {
    this.#trace = trace;
    this.#oracle = oracle;
    this.#read = read;
    this.#keep = keep;
  }

  /** Entries ever appended in all rooms. */
  get appended(): number {
    return [...this.#lines.values()].reduce((sum, { ever }) => sum + ever.size, 0);
  }

  headOf(room: string): number {
    return this.#lines.get(room)?.head ?? 0;
  }

  // --- what Redis does -----------------------------------------------------------------------------------------------------------

  executed(args: Args<'append'>, reply: Reply<'append'>): void {
    if (reply.kind !== 'appended') return;
    const { room, triple, items } = args;
    const tag = tagOf(triple);
    const line = this.#line(room);
    // The same batch again is answered as it was.
    if (reply.head <= line.head && reply.outcomes.every((one) => one.kind !== 'logged' || one.seq <= line.head)) return;
    this.#oracle.logged(room, tag, triple.incarnation);
    for (const [index, item] of items.entries()) {
      const outcome = reply.outcomes[index];
      if (outcome?.kind !== 'logged' || item.message === undefined) continue;
      const { sender, id, seat, cseq } = item;
      const { seq } = outcome;
      if (seq !== line.head + 1) this.#broken('2', `the log of ${room} goes on at ${seq} after ${line.head}`);
      const text = `${sender}:${id}`;
      this.#add(room, line, { seq, tag, text, frame: `${sender} ${seat} ${cseq}`, sender, place: { id, seat, cseq } });
    }
    line.first = Math.max(line.first, line.head - this.#keep + 1);
    if (reply.head !== line.head)
      this.#broken('2', `the head of ${room} is ${reply.head}, its log ends at ${line.head}`);
  }

  #add(room: string, line: Line, entry: Logged): void {
    const { seq, tag, text, sender, place } = entry;
    const other = line.seqOf.get(text);
    if (other !== undefined) this.#broken('2', `${text} is in the log of ${room} at ${other} and at ${seq}`);
    if (line.frames.has(entry.frame)) this.#broken('2', `frame ${entry.frame} is in the log of ${room} twice`);
    if (line.refused.has(text)) this.#broken('9', `${text} was refused, and is in the log of ${room} at ${seq}`);
    const last = line.lastOf.get(sender);
    if (last !== undefined && !isAfter(place, last)) {
      this.#broken(
        '2',
        `${text} (${place.seat}, ${place.cseq}) is in the log of ${room} after ${last.id} (${last.seat}, ${last.cseq})`,
      );
    }
    this.#keepEntry(line, entry);
    line.ever.set(`${tag} ${seq}`, entry);
    const seqs = line.everAt.get(text) ?? new Set();
    line.everAt.set(text, seqs.add(seq));
  }

  #keepEntry(line: Line, entry: Logged): void {
    const { seq, text, frame, sender, place } = entry;
    line.head = seq;
    line.held.set(seq, entry);
    line.seqOf.set(text, seq);
    line.frames.add(frame);
    line.lastOf.set(sender, place);
  }

  /** A room was claimed, so that its log may have been put back, cut, or begun anew. */
  claimed(room: string): void {
    this.#reload(room, false);
  }

  /** Redis holds other data than it did. */
  lost(): void {
    for (const room of this.#lines.keys()) this.#reload(room, true);
  }

  #reload(room: string, isLoss: boolean): void {
    const line = this.#line(room);
    const reply = this.#read(room);
    const entries = reply.kind === 'log' ? reply.entries : [];
    const head = reply.kind === 'log' ? reply.record.head : 0;
    this.#judge(room, line, entries, head);
    const kept = [...line.held.values()];
    const first = entries[0]?.seq ?? head + 1;
    if (!isLoss && !line.isLossy) this.#judgeKept(room, line, entries, head);
    line.isLossy = isLoss;
    line.first = first;
    line.head = 0;
    line.held.clear();
    line.seqOf.clear();
    line.frames.clear();
    line.lastOf.clear();
    // What was trimmed is known only from before, and only where the rest still follows it.
    const joint = entries[0];
    const follows = joint !== undefined && kept.some((one) => one.seq === joint.seq && one.tag === joint.tag);
    for (const one of kept) if (follows && one.seq < first) this.#keepEntry(line, one);
    for (const { seq, tag } of entries) {
      const entry = line.ever.get(`${tag} ${seq}`);
      if (entry !== undefined) this.#keepEntry(line, entry);
    }
    line.head = head;
  }

  /** The stored log by itself: numbered without a gap up to the head, its tags only forward, and only what was appended. */
  #judge(room: string, line: Line, entries: readonly LogEntry[], head: number): void {
    let expected = head - entries.length + 1;
    let order = 0;
    const texts = new Set<string>();
    for (const { seq, tag, session, id } of entries) {
      if (seq !== expected++) return this.#broken('2', `the log of ${room} holds ${seq} where ${expected - 1} belongs`);
      const text = `${session}:${id ?? 0}`;
      if (line.ever.get(`${tag} ${seq}`)?.text !== text) {
        return this.#broken('1', `the log of ${room} holds ${text} at ${seq} (${tag}), which was never appended`);
      }
      if (texts.has(text)) return this.#broken('2', `${text} is in the log of ${room} twice`);
      texts.add(text);
      const granted = this.#oracle.orderOf({ room, tag }) ?? 0;
      if (granted < order) return this.#broken('1', `the tags of the log of ${room} go back at ${seq} (${tag})`);
      order = granted;
    }
  }

  /** Nothing was lost: what was there before is there still. */
  #judgeKept(room: string, line: Line, entries: readonly LogEntry[], head: number): void {
    if (head < line.head) return this.#broken('3', `${room} is claimed at ${head}, its log went on to ${line.head}`);
    const first = entries[0]?.seq ?? head + 1;
    if (first > line.first) {
      return this.#broken(
        '3',
        `the log of ${room} begins at ${first} after a claim, and went back to ${line.first} before`,
      );
    }
    for (const { seq, tag } of entries) {
      const before = line.held.get(seq);
      if (before !== undefined && before.tag !== tag) {
        return this.#broken(
          '3',
          `${before.text} was at ${seq} (${before.tag}) of ${room}, another is there after a claim`,
        );
      }
    }
  }

  // --- what clients are told -----------------------------------------------------------------------------------------------------

  /** A client is shown a message: it was logged before. */
  shown(who: string, room: string, seq: number, tag: string, text: string): void {
    const entry = this.#line(room).ever.get(`${tag} ${seq}`);
    if (entry?.text === text) return;
    this.#broken(
      '3',
      `${who} is shown ${text} at ${seq} (${tag}) of ${room}, where the log has ${entry?.text ?? 'nothing'}`,
    );
  }

  /** A publish was acked: it was logged there before. */
  acked(who: string, room: string, text: string, seq: number): void {
    if (this.#line(room).everAt.get(text)?.has(seq) === true) return;
    this.#broken('3', `${who} has an ack of ${text} at ${seq} of ${room}, where it was never logged`);
  }

  /** A publish was refused: it is not in the log, and never will be. */
  refused(room: string, text: string): void {
    const line = this.#line(room);
    line.refused.add(text);
    const seqs = line.everAt.get(text);
    if (seqs !== undefined)
      this.#broken('9', `${text} was refused, and is in the log of ${room} at ${[...seqs].join(' ')}`);
  }

  /** What a client believes since its last reset, against the log of now. @returns what differs */
  differs(room: string, believed: ReadonlyMap<number, string>): string | undefined {
    const line = this.#line(room);
    for (const [seq, text] of believed) {
      if (seq > line.head) return `${text} at ${seq}, and the log ends at ${line.head}`;
      const held = line.held.get(seq);
      if (held !== undefined && held.text !== text) return `${text} at ${seq}, and the log has ${held.text} there`;
    }
    return undefined;
  }

  #line(room: string): Line {
    let line = this.#lines.get(room);
    if (line === undefined) {
      line = {
        head: 0,
        first: 1,
        isLossy: false,
        held: new Map(),
        seqOf: new Map(),
        frames: new Set(),
        lastOf: new Map(),
        ever: new Map(),
        everAt: new Map(),
        refused: new Set(),
      };
      this.#lines.set(room, line);
    }
    return line;
  }

  #broken(rule: string, text: string): void {
    this.#trace.violate(rule, text);
  }
}

/** A client's ids grow, whatever seat carries them. */
function isAfter(place: Place, last: Place): boolean {
  if (place.id > 0) return place.id > last.id;
  return place.seat > last.seat || (place.seat === last.seat && place.cseq > last.cseq);
}
