/** One room with its output written down, for the tests. Owns: how a test opens sessions and reads what was sent. */
import { ManualClock } from '../shared/clock.ts';
import type { LinkMessage, Open, OpenSession } from '../shared/link/messages.ts';
import { payloadOf } from '../shared/websocket-frame.ts';
import { triple } from './fixture.ts';
import type { ProgramFactory } from './program.ts';
import { chat } from './programs/chat.ts';
import { recentBudget } from './recent.ts';
import { Room } from './room.ts';
import type { RoomLimits } from './room-output.ts';
import type { RoomState } from './room-state.ts';
import type { RoomSession } from './roster.ts';

export const LIMITS: RoomLimits = {
  recentMax: 10,
  sessionsMax: 1_000,
  namedMembersMax: 3,
  presenceMembersMax: 500,
  leaveBrokenMs: 5_000,
  leaveRouterLostMs: 10_000,
  resumeMs: 120_000,
  payloadBytesMax: 32_768,
  messageRate: 50,
  pingIntervalMs: 30_000,
  retryWindowMs: () => 5_000,
};

/** A message as a test reads it: JSON in place of frames. */
export type Said = { readonly link: number; readonly type: string } & Readonly<Record<string, unknown>>;

export class RoomBench {
  readonly clock = new ManualClock();
  readonly room: Room;
  readonly failures: unknown[] = [];
  readonly changes: string[] = [];
  readonly acks: string[] = [];
  readonly counted: string[] = [];
  readonly seats = new Map<string, RoomSession>();
  readonly recent = recentBudget(Number.MAX_SAFE_INTEGER);
  /** The earliest time the room was woken for since this was last set. */
  wokenMs = Number.POSITIVE_INFINITY;
  #sent: Said[] = [];
  #handles = 100;

  constructor(
    options: { make?: ProgramFactory; limits?: Partial<RoomLimits>; state?: RoomState; epoch?: number } = {},
  ) {
    const { make = chat, limits = {}, state, epoch = 5 } = options;
    this.room = new Room(
      'room',
      triple(epoch),
      make,
      { ...LIMITS, ...limits },
      {
        send: (link, message) => {
          this.#sent.push(read(link, message));
          return true;
        },
        raisesSeats: () => true,
        newHandle: () => ++this.#handles,
        ack: (link, session, cseq) => this.acks.push(`${link}:${session}=${cseq}`),
        seated: (session) => this.seats.set(`${session.place?.link}:${session.place?.handle}`, session),
        unseated: (link, handle) => this.seats.delete(`${link}:${handle}`),
        wake: (atMs) => {
          this.wokenMs = Math.min(this.wokenMs, atMs);
        },
        now: () => this.clock.now(),
        changed: (session) => this.changes.push(session.session),
        failed: (error) => {
          this.failures.push(error);
          this.room.closeAll(1011, 'failed');
        },
        resumeToken: (session) => `token-${session.seat}`,
        count: (metric, by = 1) => this.counted.push(`${metric} ${by}`),
        spoke: () => undefined,
        flushAcks: () => undefined,
        keys: { count: 0, countMax: 1_000 },
        recent: this.recent,
        log: undefined,
      },
      this.clock.now(),
      state,
    );
    this.room.begin(triple(epoch), this.clock.now());
    this.room.openProgram(this.clock.now());
  }

  get now() {
    return this.clock.now();
  }

  open(
    link: number,
    sessions: readonly (Partial<OpenSession> & { session: string })[],
    more: Partial<Open> = {},
  ): Said[] {
    const whole = sessions.map((one, index) => ({
      handle: index + 1,
      user: `u-${one.session}`,
      seat: 1,
      kind: 'join' as const,
      since: 7,
      ...one,
    }));
    this.room.open(link, `r${link}`, { type: 'open', room: 'room', floor: 0, sessions: whole, ...more }, this.now);
    return this.take();
  }

  /** One frame of the session seated at this link under this handle. */
  frame(link: number, handle: number, cseq: number, message: unknown, resent = false): Said[] {
    const session = this.seats.get(`${link}:${handle}`);
    if (session === undefined) throw new Error(`nobody is seated at ${link}:${handle}`);
    const payload = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
    this.room.frame(session, { type: 'client-frame', session: handle, cseq, resent, payload }, this.now);
    return this.take();
  }

  publish(link: number, handle: number, cseq: number, id: number | undefined, data: unknown, resent = false): Said[] {
    return this.frame(link, handle, cseq, { type: 'publish', id, data }, resent);
  }

  tick(ms: number): Said[] {
    this.clock.advance(ms);
    this.room.tick(this.now);
    return this.take();
  }

  close(link: number, handle: number, how: 'left' | 'broken' | 'detached'): Said[] {
    const session = this.seats.get(`${link}:${handle}`);
    if (session !== undefined) this.room.closeSession(session, how, this.now);
    return this.take();
  }

  /** What was sent since this was last asked. */
  take(): Said[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }
}

function read(link: number, message: LinkMessage): Said {
  if (!('frame' in message)) return { link, ...message };
  const { frame, ...rest } = message;
  return { link, ...rest, bytes: frame.length, body: JSON.parse(payloadOf(frame).toString('utf8')) };
}

/** Bodies of a client's messages of one type, in order. */
export function bodies(sent: readonly Said[], type?: string): Record<string, unknown>[] {
  const all = sent.flatMap((one) => ('body' in one ? [one['body'] as Record<string, unknown>] : []));
  return type === undefined ? all : all.filter((body) => body['type'] === type);
}

export const types = (sent: readonly Said[]) => sent.map((one) => (one['body'] as { type?: string })?.type ?? one.type);

/** Types of what the session under this handle hears, in order. */
export function heard(sent: readonly Said[], link: number, handle: number): unknown[] {
  const isFor = (one: Said) =>
    one.type === 'direct' ? one['session'] === handle : one.type === 'cast' && one['excluded'] !== handle;
  return sent.filter((one) => one.link === link && isFor(one)).map((one) => (one['body'] as { type: string }).type);
}
