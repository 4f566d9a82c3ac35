/** Reads what a node answered. Owns: the checks. A node of another version, or one that errs, must not make the API say what it
 *  does not mean: an answer of the wrong shape is a fault, with a code. */
import { BellhopError } from '../shared/errors.ts';
import type { PresenceAnswer, RoomSummary, RoomsAnswer } from './api-ports.ts';

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

export function readMessages(value: unknown): { readonly messages: readonly unknown[]; readonly head: number } {
  const fields = fieldsOf(value);
  return { messages: list(fields, 'messages'), head: number(fields, 'head') };
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
