/** How much is said in each room. Owns: rates over the last few seconds, and the rooms at the top. Does not know: what is said.
 *  A message counts once, however many members hear it. */
import type { Hosted } from './hosted.ts';

const SAMPLE_MS = 5_000;
const TOP_MAX = 100;

/** As of the last sample; `casts` and `bytes` are the room's counters then. */
export interface RoomHeat {
  casts: number;
  bytes: number;
  messagesPerSecond: number;
  bytesPerSecond: number;
}

export interface HotRoom {
  readonly room: string;
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly members: number;
}

export interface Heat {
  /** The first by messages, by bytes and by members, each room once. */
  readonly rooms: readonly HotRoom[];
  /** Of all rooms here. */
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
}

export class HeatMeter {
  #sampledMs: number | undefined;

  /** Takes a sample if one is due. */
  tick(rooms: Iterable<Hosted>, nowMs: number): void {
    const sinceMs = nowMs - (this.#sampledMs ?? nowMs - SAMPLE_MS);
    if (sinceMs < SAMPLE_MS) return;
    this.#sampledMs = nowMs;
    const seconds = sinceMs / 1_000;
    for (const { room, heat } of rooms) {
      if (room === undefined) continue;
      const { casts, castBytes } = room;
      // One that was opened anew counts from nothing.
      const isSame = casts >= heat.casts && castBytes >= heat.bytes;
      heat.messagesPerSecond = (casts - (isSame ? heat.casts : 0)) / seconds;
      heat.bytesPerSecond = (castBytes - (isSame ? heat.bytes : 0)) / seconds;
      heat.casts = casts;
      heat.bytes = castBytes;
    }
  }
}

export function noHeat(): RoomHeat {
  return { casts: 0, bytes: 0, messagesPerSecond: 0, bytesPerSecond: 0 };
}

/** What is hot now. @param limit  rooms by each of the three measures */
export function heatOf(rooms: Iterable<Hosted>, limit: number): Heat {
  const k = Math.min(limit, TOP_MAX);
  const tops = [
    new Top(k, (one) => one.messagesPerSecond),
    new Top(k, (one) => one.bytesPerSecond),
    new Top(k, (one) => one.members),
  ];
  let messagesPerSecond = 0;
  let bytesPerSecond = 0;
  for (const { name, room, ownership, heat } of rooms) {
    if (room === undefined || ownership.held === undefined) continue;
    messagesPerSecond += heat.messagesPerSecond;
    bytesPerSecond += heat.bytesPerSecond;
    const one = {
      room: name,
      messagesPerSecond: rounded(heat.messagesPerSecond),
      bytesPerSecond: rounded(heat.bytesPerSecond),
      members: room.memberCount,
    };
    for (const top of tops) top.offer(one);
  }
  const unique = new Map(tops.flatMap((top) => top.rooms).map((one) => [one.room, one]));
  return {
    rooms: [...unique.values()],
    messagesPerSecond: rounded(messagesPerSecond),
    bytesPerSecond: rounded(bytesPerSecond),
  };
}

/** Orders rooms by how little a move of theirs is felt: idle before talkative, few members before many. */
export function byHeat(a: Hosted, b: Hosted): number {
  return (
    a.heat.messagesPerSecond - b.heat.messagesPerSecond ||
    (a.room?.memberCount ?? 0) - (b.room?.memberCount ?? 0) ||
    (a.name < b.name ? -1 : 1)
  );
}

/** The `k` highest of what is offered; what measures nothing is not among them. */
class Top {
  readonly #k: number;
  readonly #measure: (one: HotRoom) => number;
  readonly rooms: HotRoom[] = [];

  constructor(k: number, measure: (one: HotRoom) => number) {
    this.#k = k;
    this.#measure = measure;
  }

  offer(one: HotRoom): void {
    const value = this.#measure(one);
    const lowest = this.rooms.at(-1);
    if (value <= 0 || this.#k === 0) return;
    if (this.rooms.length >= this.#k && lowest !== undefined && this.#measure(lowest) >= value) return;
    const at = this.rooms.findIndex((other) => this.#measure(other) < value);
    this.rooms.splice(at < 0 ? this.rooms.length : at, 0, one);
    if (this.rooms.length > this.#k) this.rooms.pop();
  }
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
