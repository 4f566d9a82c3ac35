/** What routers and nodes really say to a node, as seeds: mutations of it reach further than mutations of single frames. */

import { encode } from '../../shared/link/encode.ts';
import type { LinkMessage, OpenSession } from '../../shared/link/messages.ts';
import { linkGrammar } from './link-grammar.ts';

const DEPTH = 30_000;
const MARK = 'deep';

export function conversations(): Buffer[][] {
  const talks = [clients(), resumes(), questions(), moves(), handover(), pieces()];
  return [...talks.map((messages) => messages.map((one) => encode(one))), ...deep()];
}

function session(handle: number, more: Partial<OpenSession> = {}): OpenSession {
  return { handle, session: `s${handle}`, user: `u${handle}`, seat: 1, kind: 'join', since: 1, ...more };
}

function said(handle: number, cseq: number, value: unknown, resent = false): LinkMessage {
  return { type: 'client-frame', session: handle, cseq, resent, payload: Buffer.from(JSON.stringify(value)) };
}

function clients(): LinkMessage[] {
  return [
    {
      type: 'open',
      room: 'room',
      floor: 0,
      serial: 1,
      sessions: [session(1), session(2, { history: 5, meta: { a: [1] } })],
    },
    { type: 'open', room: 'other', floor: 0, serial: 2, sessions: [session(3)] },
    said(1, 1, { type: 'publish', id: 1, data: { text: 'hello' } }),
    said(2, 1, { type: 'signal', data: 1 }),
    said(3, 1, { type: 'meta', data: { name: 'x' } }),
    said(1, 2, { type: 'ping' }),
    said(1, 3, { type: 'publish', id: 2, data: 'again' }, true),
    { type: 'close-session', session: 2, how: 'left' },
    { type: 'close-session', session: 1, how: 'broken' },
    { type: 'close-session', session: 3, how: 'detached' },
  ];
}

function resumes(): LinkMessage[] {
  return [
    { type: 'open', room: 'room', floor: 0, serial: 1, sessions: [session(1)] },
    said(1, 1, { type: 'publish', id: 1, data: 1 }),
    { type: 'close-session', session: 1, how: 'broken' },
    {
      type: 'open',
      room: 'room',
      floor: 1,
      serial: 2,
      sessions: [session(4, { session: 's1', user: 'u1', seat: 2, kind: 'resume', cursor: { seq: 0, tag: '1.aaaa' } })],
    },
    {
      type: 'open',
      room: 'room',
      floor: 1,
      serial: 3,
      cursor: { seq: 1, tag: '1.aaaa' },
      sessions: [session(4, { session: 's1', seat: 2, kind: 'rebind' }), session(5, { kind: 'rebind' })],
    },
    { type: 'open', room: 'nowhere', floor: 9_000, serial: 4, sessions: [session(6)] },
    said(4, 1, { type: 'publish', id: 2, data: 2 }),
    said(99, 1, { type: 'ping' }),
  ];
}

function questions(): LinkMessage[] {
  const call = (id: number, op: string, args: unknown): LinkMessage => ({ type: 'call', id, op, args });
  return [
    { type: 'open', room: 'room', floor: 0, serial: 1, sessions: [session(1), session(2)] },
    call(1, 'rooms', { prefix: 'r', limit: 10 }),
    call(2, 'room', { room: 'room' }),
    call(3, 'presence', { room: 'room', limit: 1 }),
    call(4, 'publish', { room: 'room', data: { a: 1 }, from: 'api', key: 'k' }),
    call(5, 'confirm', { room: 'room', sessions: ['s1', 's9'] }),
    call(6, 'direct', { room: 'room', session: 's1', from: 'x', data: 1 }),
    call(7, 'messages', { room: 'room', after: 0, limit: 10 }),
    call(8, 'kick', { room: 'room', user: 'u2', session: 's2' }),
    call(9, 'move', { room: 'room', node: 'n2' }),
    call(10, 'close-room', { room: 'room' }),
    call(11, 'nothing', null),
    { type: 'return', id: 1, result: { ok: 1 } },
  ];
}

/** Deeper than a stack: it can be read, and not be written again. Put in by hand, since the encoder cannot write it either. */
function deep(): Buffer[][] {
  const nest = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`;
  const open: LinkMessage = { type: 'open', room: 'room', floor: 0, serial: 1, sessions: [session(2)] };
  const talks: LinkMessage[][] = [
    [
      { ...open, sessions: [session(1, { meta: MARK })] },
      { ...open, serial: 2 },
    ],
    [open, { type: 'call', id: 1, op: 'publish', args: { room: 'room', data: MARK } }],
    [open, { type: 'call', id: 1, op: 'direct', args: { room: 'room', session: 's2', data: MARK } }],
    [open, said(2, 1, { type: 'meta', data: MARK }), said(2, 2, { type: 'publish', id: 1, data: MARK })],
    handover(MARK),
  ];
  const nested = (message: LinkMessage): Buffer => {
    const frame = encode(message);
    const payload = linkGrammar.payload(frame) ?? frame;
    return linkGrammar.withPayload(frame, Buffer.from(payload.toString('latin1').replace(`"${MARK}"`, nest), 'latin1'));
  };
  return talks.map((messages) => messages.map(nested));
}

/** To a node that cannot be dialled, and to one whose address is none. */
function moves(): LinkMessage[] {
  return [
    { type: 'open', room: 'room', floor: 0, serial: 1, sessions: [session(1)] },
    { type: 'open', room: 'other', floor: 0, serial: 2, sessions: [session(2)] },
    { type: 'call', id: 1, op: 'move', args: { room: 'room', node: 'n2' } },
    { type: 'call', id: 2, op: 'move', args: { room: 'other', node: 'n3' } },
    said(1, 1, { type: 'publish', id: 1, data: 'x'.repeat(20_000) }),
    said(2, 1, { type: 'publish', id: 1, data: 'x' }),
    { type: 'call', id: 3, op: 'messages', args: { room: 'room' } },
  ];
}

function handover(meta?: unknown): LinkMessage[] {
  const state = (id: number, phase: 'early' | 'final', last: boolean, value: string): LinkMessage => ({
    type: 'state',
    id,
    phase,
    last,
    chunk: Buffer.from(value),
  });
  const entry = { seq: 1, tag: '1.aaaa', session: 's1', id: 1, text: '{"type":"message","seq":1}' };
  const member = {
    session: 's1',
    user: 'u1',
    seat: 1,
    since: 1,
    cseq: 1,
    lastId: 1,
    present: true,
    router: 'r1',
    meta,
  };
  const final = {
    head: 1,
    version: 1,
    tags: [{ tag: '1.aaaa', firstSeq: 1 }],
    entries: [entry],
    sessions: [member],
    program: null,
  };
  const early = JSON.stringify({ room: 'moved', entries: [entry] });
  return [
    state(1, 'early', false, early.slice(0, 10)),
    state(1, 'early', true, early.slice(10)),
    state(1, 'final', true, JSON.stringify(final)),
    { type: 'done', id: 1, outcome: 'named', epoch: 2 },
    { type: 'open', room: 'moved', floor: 0, serial: 1, sessions: [session(1, { kind: 'rebind' }), session(2)] },
    said(2, 1, { type: 'publish', id: 1, data: 1 }),
    state(2, 'early', true, JSON.stringify({ room: 'second', entries: [] })),
    { type: 'done', id: 2, outcome: 'cancelled', epoch: 0 },
    { type: 'ready', id: 3, ok: true, nonce: 'ab', text: '' },
  ];
}

function pieces(): LinkMessage[] {
  return [
    { type: 'open', room: 'room', floor: 0, serial: 1, heldOnly: true, sessions: [session(1)] },
    { type: 'open', room: 'room', floor: 0, serial: 1, more: true, sessions: [session(1)] },
    { type: 'open', room: 'room', floor: 0, serial: 1, more: true, sessions: [session(2)] },
    { type: 'open', room: 'other', floor: 0, serial: 2, more: true, sessions: [session(3)] },
    { type: 'open', room: 'room', floor: 0, serial: 1, sessions: [session(4)] },
    { type: 'ping', seq: 1 },
    { type: 'pong', seq: 1, loopDelayUs: 1, redis: 'failed' },
    { type: 'goaway', reason: 'draining', text: '' },
    { type: 'acks', entries: [{ session: 1, cseq: 1 }] },
  ];
}
