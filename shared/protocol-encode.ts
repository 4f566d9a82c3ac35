/** Writes what the server says; meant to be imported whole: `import * as encode`. Owns: the text of each server message.
 *  Does not know: frames, sockets.
 *  Ids, tags and nonces come from alphabets that need no escaping (ids.ts), so they are put between quotes as they are; only
 *  texts from outside (user, an error's message, tokens) go through JSON.stringify.
 *  Invariant: for legal arguments every result is one JSON object, the one that protocol.ts describes, and nothing more: fields
 *  are taken by name, never by spreading what a caller hands over.
 *  @see protocol.ts */
import { ERRORS, type ErrorCode } from './errors.ts';
import type {
  AckMessage,
  AuthenticatedMessage,
  ExpiringMessage,
  JoinMessage,
  Json,
  LeaveMessage,
  MembersMessage,
  NoticeMessage,
  PresenceMessage,
  ResetMessage,
  ResumeMessage,
  RoomMessage,
  SignalMessage,
  WelcomeMessage,
} from './protocol.ts';

/** What a message carries: a value, or the JSON text of one, which then arrives unchanged (see DecodedMessage.dataText). */
export type Content = { readonly data: Json } | { readonly dataText: string };

/** The JSON text of what a message carries.
 *  @throws TypeError where the value, against its type, is not JSON (undefined, a function, a cycle, a bigint) */
export function contentText(content: Content): string {
  if ('dataText' in content) return content.dataText;
  const text = JSON.stringify(content.data) as string | undefined;
  if (text === undefined) throw new TypeError('data is not a JSON value');
  return text;
}

export function welcome(m: Omit<WelcomeMessage, 'type'>): string {
  const { room, user, session, resume, seat, epoch, seq, tag, resumed, forgotten } = m;
  const { members, pingIntervalMs, retryWindowMs } = m;
  const { payloadBytesMax, messageRate } = m.limits;
  const limits = { payloadBytesMax, messageRate };
  return JSON.stringify({
    type: 'welcome',
    ...{ room, user, session, resume, seat, epoch, seq, tag, resumed, forgotten },
    ...{ members, pingIntervalMs, retryWindowMs, limits },
  });
}

export function presence(m: Omit<PresenceMessage, 'type'>): string {
  const members = m.members.map(({ user, session, since, meta }) => ({ user, session, since, meta }));
  return JSON.stringify({ type: 'presence', version: m.version, members, count: m.count, complete: m.complete });
}

/** The hot path: once for each publish. */
export function message(m: Omit<RoomMessage, 'type' | 'data'> & Content): string {
  const from = m.from === null ? 'null' : JSON.stringify(m.from);
  const session = m.session === null ? 'null' : `"${m.session}"`;
  const id = m.id === undefined ? '' : `,"id":${m.id}`;
  return `{"type":"message","seq":${m.seq},"tag":"${m.tag}","from":${from},"session":${session}${id},"at":${m.at},"data":${contentText(m)}}`;
}

export function ack(m: Omit<AckMessage, 'type'>): string {
  return `{"type":"ack","id":${m.id},"seq":${m.seq}}`;
}

export function signal(m: Omit<SignalMessage, 'type' | 'data'> & Content): string {
  return `{"type":"signal","from":${JSON.stringify(m.from)},"session":"${m.session}","data":${contentText(m)}}`;
}

/** @param m.from  the user on whose behalf a backend speaks; null for the room's program */
export function direct(m: { readonly from: string | null } & Content): string {
  return `{"type":"direct","from":${JSON.stringify(m.from)},"data":${contentText(m)}}`;
}

export function join(m: Omit<JoinMessage, 'type'>): string {
  return change('join', m);
}

export function leave(m: Omit<LeaveMessage, 'type'>): string {
  return change('leave', m);
}

function change(type: 'join' | 'leave', m: Omit<JoinMessage, 'type'>): string {
  return `{"type":"${type}","user":${JSON.stringify(m.user)},"session":"${m.session}","at":${m.at},"version":${m.version},"members":${m.members}}`;
}

export function members(m: Omit<MembersMessage, 'type'>): string {
  return `{"type":"members","count":${m.count},"version":${m.version}}`;
}

export function reset(m: Omit<ResetMessage, 'type'>): string {
  return `{"type":"reset","reason":"${m.reason}","seq":${m.seq},"tag":"${m.tag}"}`;
}

/** `id`: the publish that is refused, if it is one. `message`: for people; the table's sentence if left out. Whether it is
 *  retryable is the table's to say. */
export function error(m: {
  readonly code: ErrorCode;
  readonly message?: string | undefined;
  readonly id?: number | undefined;
}): string {
  const { doc, retryable } = ERRORS[m.code];
  const id = m.id === undefined ? '' : `,"id":${m.id}`;
  return `{"type":"error","code":"${m.code}","message":${JSON.stringify(m.message ?? doc)},"retryable":${retryable}${id}}`;
}

export function notice(m: Omit<NoticeMessage, 'type'>): string {
  return `{"type":"notice","kind":"${m.kind}","retryAfterMs":${Math.ceil(m.retryAfterMs)}}`;
}

export function resume(m: Omit<ResumeMessage, 'type'>): string {
  return `{"type":"resume","resume":"${m.resume}"}`;
}

export function expiring(m: Omit<ExpiringMessage, 'type'>): string {
  return `{"type":"expiring","inMs":${m.inMs}}`;
}

export function authenticated(m: Omit<AuthenticatedMessage, 'type'>): string {
  return `{"type":"authenticated","expiresInMs":${m.expiresInMs}}`;
}

export function pong(): string {
  return '{"type":"pong"}';
}
