/** Who came and went in one room, as events in order. Owns: who is there as far as was told, and the numbering under an owner's epoch.
 *  Does not know: Redis, receivers, why somebody came.
 *  Invariants: of one session join and leave alternate, of the room occupied and vacated; the numbers of an epoch have no gap. */
import type { OutboxEvent, OutboxId } from '../../shared/directory/outbox.ts';
import { eventJson, type WebhookEventType } from './event.ts';

export interface Transition {
  readonly session: string;
  readonly user: string;
  readonly present: boolean;
  /** Unix ms. */
  readonly at: number;
}

export class RoomEvents {
  readonly #room: string;
  readonly #types: ReadonlySet<WebhookEventType>;
  /** Session → user. */
  readonly #told: Map<string, string>;
  #epoch: number;
  #number: number;

  constructor(
    room: string,
    types: ReadonlySet<WebhookEventType>,
    told: readonly { readonly session: string; readonly user: string }[],
    last: OutboxId,
  ) {
    this.#epoch = last.epoch;
    this.#number = last.number;
    this.#room = room;
    this.#types = types;
    this.#told = new Map(told.map(({ session, user }) => [session, user]));
  }

  get members(): number {
    return this.#told.size;
  }

  /** The last id that was given. */
  get last(): OutboxId {
    return { epoch: this.#epoch, number: this.#number };
  }

  /** Changes without a word to anybody, that give Redis back what it has lost of who was told to be there.
   *  @param unwritten  what is still to be written, and changes it by itself */
  putBack(recorded: readonly { readonly session: string }[], unwritten: readonly OutboxEvent[]): OutboxEvent[] {
    const known = new Set(recorded.map(({ session }) => session));
    for (const { change } of unwritten) if (change !== undefined) known.add(change.session);
    const missing = [...this.#told].filter(([session]) => !known.has(session));
    return missing.map(([session, user]) => ({ id: this.last, change: { session, user, present: true } }));
  }

  /** What has to be told so that it agrees with who is there, those who left first. */
  compare(present: ReadonlyMap<string, string>, epoch: number, at: number): OutboxEvent[] {
    const gone = [...this.#told].filter(([session]) => !present.has(session));
    const come = [...present].filter(([session]) => !this.#told.has(session));
    return [
      ...gone.flatMap(([session, user]) => this.take({ session, user, present: false, at }, epoch)),
      ...come.flatMap(([session, user]) => this.take({ session, user, present: true, at }, epoch)),
    ];
  }

  /** Everybody is gone. */
  vacate(epoch: number, at: number): OutboxEvent[] {
    return this.compare(new Map(), epoch, at);
  }

  /** The events of one transition; none where it was told already. */
  take({ session, user, present, at }: Transition, epoch: number): OutboxEvent[] {
    if (this.#told.has(session) === present) return [];
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#number = 0;
    }
    const events: OutboxEvent[] = [];
    const change = { session, user, present };
    if (present) {
      if (this.#told.size === 0) events.push(...this.#ofRoom('room.occupied', 1, at));
      this.#told.set(session, user);
      events.push(this.#event('member.joined', at, change));
    } else {
      this.#told.delete(session);
      events.push(this.#event('member.left', at, change));
      if (this.#told.size === 0) events.push(...this.#ofRoom('room.vacated', 0, at));
    }
    return events;
  }

  #ofRoom(type: WebhookEventType, members: number, at: number): OutboxEvent[] {
    if (!this.#types.has(type)) return [];
    const id = { epoch: this.#epoch, number: ++this.#number };
    return [{ id, json: eventJson({ type, room: this.#room, at, ...id, members }) }];
  }

  #event(type: WebhookEventType, at: number, change: NonNullable<OutboxEvent['change']>): OutboxEvent {
    const id = { epoch: this.#epoch, number: ++this.#number };
    if (!this.#types.has(type)) return { id, change };
    const { session, user } = change;
    return {
      id,
      change,
      json: eventJson({ type, room: this.#room, at, ...id, members: this.#told.size, user, session }),
    };
  }
}
