/** What a webhook tells. Owns: the shape of an event, its id, its JSON. Does not know: who is told.
 *  Invariant: an event has one JSON and one id for good, whoever delivers it, however often. */
import type { OutboxId } from '../../shared/directory/outbox.ts';

export const WEBHOOK_EVENTS = ['room.occupied', 'room.vacated', 'member.joined', 'member.left'] as const;
export type WebhookEventType = (typeof WEBHOOK_EVENTS)[number];

/** As a receiver gets it. `epoch` and `number` order the events of one room. */
export interface WebhookEvent {
  readonly id: string;
  readonly type: WebhookEventType;
  readonly room: string;
  /** Unix ms by the owner's clock. */
  readonly at: number;
  readonly epoch: number;
  readonly number: number;
  /** Members after it. */
  readonly members: number;
  readonly user?: string | undefined;
  readonly session?: string | undefined;
}

/** One event on its way. */
export interface OutgoingEvent {
  readonly room: string;
  readonly id: OutboxId;
  readonly json: string;
  readonly bytes: number;
  /** Since when this node has it, monotonic ms. */
  readonly sinceMs: number;
  /** The room is another owner's now, who tells it. */
  readonly isVoid: () => boolean;
  /** It was delivered, or given up, at one endpoint. */
  readonly settled: () => void;
}

/** Unlike any other of the cluster: a room's epochs only grow, and an owner numbers its own. */
export function eventId(room: string, { epoch, number }: OutboxId): string {
  return `${room}/${epoch}/${number}`;
}

export function eventJson(event: Omit<WebhookEvent, 'id'>): string {
  const { room, epoch, number } = event;
  return JSON.stringify({ id: eventId(room, { epoch, number }), ...event });
}
