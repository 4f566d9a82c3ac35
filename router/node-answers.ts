/** Reads what a node answered. Owns: the checks. A node of another version, or one that errs, must not make the API say what it
 *  does not mean: an answer of the wrong shape is a fault, with a code. */
import { BellhopError } from '../shared/errors.ts';
import type {
  DrainAnswer,
  HotAnswer,
  MovesAnswer,
  PresenceAnswer,
  RoomPlace,
  RoomSummary,
  RoomsAnswer,
} from './api-ports.ts';

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw misshapen();
  return value as Fields;
}

function misshapen(): BellhopError {
  return new BellhopError('internal', 'a node gave an answer that cannot be read');
}

function text(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== 'string') throw misshapen();
  return value;
}

function number(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw misshapen();
  return value;
}

function list(fields: Fields, key: string): readonly unknown[] {
  const value = fields[key];
  if (!Array.isArray(value)) throw misshapen();
  return value;
}

function next(fields: Fields): { readonly next?: string } {
  return fields['next'] === undefined || fields['next'] === null ? {} : { next: text(fields, 'next') };
}

export function readSummary(value: unknown): RoomSummary {
  const fields = fieldsOf(value);
  return {
    room: text(fields, 'room'),
    epoch: number(fields, 'epoch'),
    head: number(fields, 'head'),
    sessions: number(fields, 'sessions'),
    since: number(fields, 'since'),
    program: text(fields, 'program'),
  };
}

export function readRooms(value: unknown): RoomsAnswer {
  const fields = fieldsOf(value);
  return { rooms: list(fields, 'rooms').map(readSummary), ...next(fields) };
}

export function readPresence(value: unknown): PresenceAnswer {
  const fields = fieldsOf(value);
  const members = list(fields, 'members').map((entry) => {
    const member = fieldsOf(entry);
    const { meta } = member;
    return {
      session: text(member, 'session'),
      user: text(member, 'user'),
      since: number(member, 'since'),
      ...(meta === undefined ? {} : { meta }),
    };
  });
  return {
    epoch: number(fields, 'epoch'),
    count: number(fields, 'count'),
    version: number(fields, 'version'),
    members,
    ...next(fields),
  };
}

export function readPublished(value: unknown): { readonly seq: number; readonly epoch: number } {
  const fields = fieldsOf(value);
  return { seq: number(fields, 'seq'), epoch: number(fields, 'epoch') };
}

/** `whole`: nothing is missing between what was asked for and what is in memory. An owner of an older version does not say. */
export function readMessages(value: unknown): {
  readonly messages: readonly unknown[];
  readonly head: number;
  readonly whole: boolean;
} {
  const fields = fieldsOf(value);
  return { messages: list(fields, 'messages'), head: number(fields, 'head'), whole: fields['whole'] !== false };
}

export function readSessions(value: unknown): ReadonlySet<string> {
  return new Set(list(fieldsOf(value), 'sessions').filter((one) => typeof one === 'string'));
}

/** `closed` or `delivered`. */
export function readFlag(value: unknown, key: 'closed' | 'delivered'): boolean {
  const flag = fieldsOf(value)[key];
  if (typeof flag !== 'boolean') throw misshapen();
  return flag;
}

/** What a node says of a room beside its summary. */
export function readPlace(value: unknown): RoomPlace {
  const { moving, belongs } = fieldsOf(value);
  const on = moving === undefined ? undefined : fieldsOf(moving);
  const to = belongs === undefined ? undefined : fieldsOf(belongs);
  return {
    ...(on && { moving: { to: text(on, 'to'), step: text(on, 'step'), sinceMs: Math.round(number(on, 'sinceMs')) } }),
    ...(to && { belongs: { to: text(to, 'to'), ...maybeText(to, 'why') } }),
  };
}

const DRAIN_STATES = ['planned', 'running', 'paused', 'done', 'late', 'cancelled'] as const;

export function readDrain(value: unknown): DrainAnswer {
  const fields = fieldsOf(value);
  const targets = Object.entries(fieldsOf(fields['targets'])).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  );
  return {
    node: text(fields, 'node'),
    incarnation: text(fields, 'incarnation'),
    state: oneOf(DRAIN_STATES, fields['state']),
    ...maybeText(fields, 'why'),
    startedAt: number(fields, 'startedAt'),
    deadlineAt: number(fields, 'deadlineAt'),
    ...(fields['endedAt'] === undefined ? {} : { endedAt: number(fields, 'endedAt') }),
    roomsPerSecond: number(fields, 'roomsPerSecond'),
    rooms: number(fields, 'rooms'),
    moved: number(fields, 'moved'),
    left: number(fields, 'left'),
    failed: number(fields, 'failed'),
    pauseP99Ms: numberOrNull(fields, 'pauseP99Ms'),
    estimateMs: number(fields, 'estimateMs'),
    targets: Object.fromEntries(targets),
    by: text(fields, 'by'),
  };
}

export function readMoves(value: unknown): MovesAnswer {
  const fields = fieldsOf(value);
  return {
    state: oneOf(['idle', 'running', 'paused'] as const, fields['state']),
    ...maybeText(fields, 'why'),
    held: number(fields, 'held'),
    belongElsewhere: number(fields, 'belongElsewhere'),
    moving: number(fields, 'moving'),
    moved: number(fields, 'moved'),
    failed: number(fields, 'failed'),
    pauseP99Ms: numberOrNull(fields, 'pauseP99Ms'),
  };
}

export function readHot(value: unknown): HotAnswer {
  const fields = fieldsOf(value);
  const rooms = list(fields, 'rooms').map((entry) => {
    const room = fieldsOf(entry);
    return {
      room: text(room, 'room'),
      messagesPerSecond: number(room, 'messagesPerSecond'),
      bytesPerSecond: number(room, 'bytesPerSecond'),
      members: number(room, 'members'),
    };
  });
  return {
    rooms,
    messagesPerSecond: number(fields, 'messagesPerSecond'),
    bytesPerSecond: number(fields, 'bytesPerSecond'),
    eventLoopDelayMs: number(fields, 'eventLoopDelayMs'),
  };
}

function oneOf<T extends string>(values: readonly T[], value: unknown): T {
  const found = values.find((one) => one === value);
  if (found === undefined) throw misshapen();
  return found;
}

function maybeText<K extends string>(fields: Fields, key: K): { readonly [P in K]?: string } {
  return fields[key] === undefined ? {} : ({ [key]: text(fields, key) } as { readonly [P in K]?: string });
}

function numberOrNull(fields: Fields, key: string): number | null {
  return fields[key] === null ? null : number(fields, key);
}

/** How webhooks fare at one endpoint. */
export interface EndpointSummary {
  readonly url: string;
  readonly state: 'ok' | 'failing' | 'off';
  readonly queued: number;
  readonly delivered: number;
  readonly failed: number;
  readonly dropped: number;
  readonly lastError?: string;
  readonly lastAt?: number;
}

export function readEndpoints(value: unknown): EndpointSummary[] {
  return list(fieldsOf(value), 'endpoints').map((entry) => {
    const fields = fieldsOf(entry);
    const state = text(fields, 'state');
    if (state !== 'ok' && state !== 'failing' && state !== 'off') throw misshapen();
    return {
      url: text(fields, 'url'),
      state,
      queued: number(fields, 'queued'),
      delivered: number(fields, 'delivered'),
      failed: number(fields, 'failed'),
      dropped: number(fields, 'dropped'),
      ...(fields['lastError'] === undefined ? {} : { lastError: text(fields, 'lastError') }),
      ...(fields['lastAt'] === undefined ? {} : { lastAt: number(fields, 'lastAt') }),
    };
  });
}
