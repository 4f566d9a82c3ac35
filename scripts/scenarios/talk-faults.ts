/** What is wrong with a conversation, read from the records of all who took part from its beginning to its end. Owns: the rules.
 *  Does not know: how it was had. Holds for relay rooms, where the loss of an owner is told as `reset`, and for durable ones.
 *  @see DESIGN §4 Invariants 2–4 */
import type { TalkRecord, Word } from './talker.ts';

/** @returns one sentence a fault */
export function talkFaults(records: readonly TalkRecord[]): string[] {
  return records.flatMap((record) => [...ackFaults(record), ...orderFaults(record), ...missing(record, records)]);
}

/** Everything that was said has one ack. */
function ackFaults({ name, said, acked, pending }: TalkRecord): string[] {
  const faults: string[] = [];
  if (pending > 0) faults.push(`${name}: ${pending} publishes have no outcome`);
  const numbers = new Set(acked.map(({ text }) => numberOf(text)));
  if (numbers.size !== acked.length || numbers.size !== said) {
    faults.push(`${name}: said ${said} things, and ${acked.length} acks are for ${numbers.size}`);
  }
  return faults;
}

/** Each seq follows the one before, between resets; what one says comes in its order, and no try of it twice. */
function orderFaults({ name, heard }: TalkRecord): string[] {
  const faults: string[] = [];
  const texts = new Set<string>();
  let last: number | undefined;
  for (const one of heard) {
    if (one.kind === 'message') {
      if (last !== undefined && one.seq !== last + 1) faults.push(`${name}: seq ${one.seq} after ${last}`);
      if (texts.has(one.text)) faults.push(`${name}: heard “${one.text}” twice`);
      texts.add(one.text);
    }
    last = one.seq;
  }
  return faults;
}

/** What was acked is heard by everyone under its seq, unless a later reset told of a gap. */
function missing({ name, heard }: TalkRecord, records: readonly TalkRecord[]): string[] {
  const texts = new Map<string, string>();
  let resetEpoch = 0;
  for (const one of heard) {
    if (one.kind === 'reset') resetEpoch = Math.max(resetEpoch, epochOf(one.tag));
    else texts.set(`${one.tag} ${one.seq}`, one.text);
  }
  const wrong = ({ text, seq, tag }: Word) => texts.get(`${tag} ${seq}`) !== text && epochOf(tag) >= resetEpoch;
  return records
    .flatMap(({ acked }) => acked)
    .filter(wrong)
    .map(({ text, seq }) => `${name}: did not hear “${text}” at ${seq}`);
}

function numberOf(text: string): string {
  return text.slice(0, text.lastIndexOf('.'));
}

function epochOf(tag: string): number {
  return Number(tag.split('.')[0]);
}
