/** Questions that routers ask a node for the HTTP API. Owns: what each operation takes and answers. Does not know: HTTP.
 *  @see DESIGN §8 */
import { BellhopError } from '../shared/errors.ts';
import { isRoomId } from '../shared/ids.ts';
import type { Call, Return } from '../shared/link/messages.ts';
import type { NodeCore } from './core.ts';
import type { Hosted } from './hosted.ts';
import { answerMoves, isMoveOperation } from './move-calls.ts';
import type { Json } from './program.ts';
import type { Room } from './room.ts';

type Answer = (result: Return['result']) => void;
type Fields = Readonly<Record<string, unknown>>;

const PAGE_MAX = 1_000;
/** A link carries answers of 1 MiB; a character may take three bytes there. */
const ANSWER_CHARS_MAX = 300_000;
/** What an attended room cannot do: nobody here knows what its clients speak. */
const SPEECH: ReadonlySet<string> = new Set(['publish', 'direct', 'messages']);

export class NodeCalls {
  readonly #core: NodeCore;
  readonly #now: () => { readonly monoMs: number; readonly wallMs: number };

  readonly #loopDelayMs: () => number;

  /** @param loopDelayMs  99 of 100 delays of this process' event loop were shorter */
  constructor(core: NodeCore, now: () => { readonly monoMs: number; readonly wallMs: number }, loopDelayMs = () => 0) {
    this.#core = core;
    this.#loopDelayMs = loopDelayMs;
    this.#now = now;
  }

  /** Answers one call, now or once the room it names is held. */
  handle(call: Call, answer: Answer): void {
    const fail = (error: unknown) => {
      const known = error instanceof BellhopError ? error : new BellhopError('internal', 'the node failed to answer');
      answer({ error: { code: known.code, message: known.message, retryable: known.retryable } });
    };
    try {
      const args = (typeof call.args === 'object' && call.args !== null ? call.args : {}) as Fields;
      this.#answer(call.op, args, (ok) => answer({ ok }), fail);
    } catch (error) {
      fail(error);
    }
  }

  #answer(op: string, args: Fields, ok: (value: unknown) => void, fail: (error: unknown) => void): void {
    if (this.#core.attends && SPEECH.has(op)) {
      throw new BellhopError('unsupported', 'an attended room speaks its own protocol');
    }
    if (isMoveOperation(op)) return ok(answerMoves(this.#core, op, args, this.#loopDelayMs(), this.#now()));
    switch (op) {
      case 'rooms':
        return ok(this.#rooms(args));
      case 'room': {
        const hosted = this.#core.rooms.get(roomOf(args));
        if (hosted?.room === undefined || hosted.ownership.held === undefined) return ok(this.#onItsWay(roomOf(args)));
        return ok({ ...describe(hosted, hosted.room), ...this.#place(hosted) });
      }
      case 'presence':
        return ok(this.#presence(args));
      case 'publish':
        return this.#publish(args, ok, fail);
      case 'kick':
        return ok(this.#kick(args));
      case 'confirm': {
        const room = this.#core.rooms.held(roomOf(args));
        const asked = Array.isArray(args['sessions']) ? args['sessions'].slice(0, PAGE_MAX) : [];
        return ok({ sessions: asked.filter((one) => typeof one === 'string' && room?.session(one)?.present === true) });
      }
      case 'direct': {
        const from = typeof args['from'] === 'string' ? args['from'] : null;
        const delivered = this.#speaking(args).sendFrom(from, textOf(args, 'session'), args['data'] as Json);
        return ok({ delivered });
      }
      case 'messages': {
        const room = this.#held(args);
        const after = numberOf(args, 'after', 0);
        const messages = room.messagesAfter(after, numberOf(args, 'limit', 100));
        // A relay room's memory is all there is of it.
        const isDurable = this.#core.rooms.get(roomOf(args))?.isDurable === true;
        return ok({ messages, head: room.head, whole: !isDurable || after >= room.head || room.remembers(after + 1) });
      }
      case 'webhooks':
        return ok({ endpoints: this.#core.webhooks?.state() ?? [] });
      case 'close-room': {
        const hosted = this.#core.rooms.get(roomOf(args));
        if (hosted?.room === undefined || hosted.ownership.held === undefined) return ok({ closed: false });
        this.#speaking(args);
        this.#core.rooms.closeRoom(hosted, 1000, 'the room was closed');
        return ok({ closed: true });
      }
      case 'move': {
        const refusal = this.#core.moveRoom(roomOf(args), textOf(args, 'node'), this.#now());
        if (refusal !== undefined) throw new BellhopError('conflict', refusal);
        return ok({ moving: true });
      }
      default:
        throw new BellhopError('bad_request', `a node does not know the operation ${op}`);
    }
  }

  /** A room that stands still while it is handed over is nobody else's yet. */
  #onItsWay(name: string): unknown {
    const hosted = this.#core.rooms.get(name);
    const moving = this.#core.handovers.moving(name, this.#now());
    return hosted?.room === undefined || moving === undefined ? null : { ...describe(hosted, hosted.room), moving };
  }

  /** Where it is being handed to, and why it is here though it belongs elsewhere. */
  #place(hosted: Hosted): Fields {
    const { mover, handovers } = this.#core;
    const moving = handovers.moving(hosted.name, this.#now());
    const to = mover.belongs(hosted);
    if (to === undefined) return moving === undefined ? {} : { moving };
    const why = mover.whyHere(hosted, this.#now());
    return {
      belongs: { to: to.node, ...(why === undefined ? {} : { why }) },
      ...(moving === undefined ? {} : { moving }),
    };
  }

  #held(args: Fields): Room {
    const room = this.#core.rooms.held(roomOf(args));
    if (room === undefined) throw new BellhopError('not_owner', 'this node does not hold the room');
    return room;
  }

  /** The room, where what is said of it now can leave. */
  #speaking(args: Fields): Room {
    const room = this.#held(args);
    if (!this.#core.gateOpen(this.#now())) throw new BellhopError('unavailable', 'this node is suspended');
    return room;
  }

  #rooms(args: Fields): unknown {
    const prefix = typeof args['prefix'] === 'string' ? args['prefix'] : '';
    const after = typeof args['cursor'] === 'string' ? args['cursor'] : '';
    const limit = Math.min(numberOf(args, 'limit', 100), PAGE_MAX);
    const held = [...this.#core.rooms.all()]
      .filter((hosted) => hosted.ownership.held !== undefined && hosted.name.startsWith(prefix) && hosted.name > after)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const page = held.slice(0, limit);
    const rooms = page.flatMap((hosted) => (hosted.room === undefined ? [] : [describe(hosted, hosted.room)]));
    return { rooms, ...(held.length > page.length ? { next: page.at(-1)?.name } : {}) };
  }

  #presence(args: Fields): unknown {
    const room = this.#held(args);
    const after = typeof args['cursor'] === 'string' ? args['cursor'] : '';
    const limit = Math.min(numberOf(args, 'limit', 500), PAGE_MAX);
    const present = [...room.members]
      .filter((member) => member.session > after)
      .sort((a, b) => (a.session < b.session ? -1 : 1));
    const members: unknown[] = [];
    let chars = 0;
    let last: string | undefined;
    for (const { session, user, since, meta } of present.slice(0, limit)) {
      const member = { session, user, since, ...(meta === undefined ? {} : { meta }) };
      chars += JSON.stringify(member).length;
      if (members.length > 0 && chars > ANSWER_CHARS_MAX) break;
      members.push(member);
      last = session;
    }
    return {
      epoch: room.epoch,
      count: room.memberCount,
      version: room.version,
      members,
      ...(present.length > members.length ? { next: last } : {}),
    };
  }

  #publish(args: Fields, ok: (value: unknown) => void, fail: (error: unknown) => void): void {
    const name = roomOf(args);
    if (!('data' in args)) throw new BellhopError('bad_request', 'publish needs data');
    const from = typeof args['from'] === 'string' ? args['from'] : null;
    const key = typeof args['key'] === 'string' ? args['key'] : undefined;
    const open = { room: name, floor: numberOf(args, 'floor', 0), heldOnly: args['heldOnly'] === true };
    this.#core.rooms.whenHeld(open, this.#now(), (outcome, hint) => {
      const room = this.#core.rooms.held(name);
      if (outcome !== 'held' || room === undefined) {
        if (outcome === 'not-owner')
          return fail(new BellhopError('not_owner', hint?.node ?? 'this node does not hold the room'));
        if (outcome === 'draining') return fail(new BellhopError('draining', 'this node is draining'));
        return fail(new BellhopError('unavailable', 'the room cannot be opened now'));
      }
      try {
        room.publishFrom(from, args['data'] as Json, key, (how) => {
          if (how.kind === 'said') return ok({ seq: how.seq, epoch: how.epoch });
          if (how.kind === 'refused')
            return fail(new BellhopError('redis_unavailable', 'it could not be logged in time; it was not'));
          fail(new BellhopError('outcome_unknown'));
        });
      } catch (error) {
        fail(error instanceof RangeError ? new BellhopError('payload_too_large', error.message) : error);
      }
    });
  }

  #kick(args: Fields): unknown {
    const room = this.#speaking(args);
    const session = room.session(textOf(args, 'session'));
    if (session === undefined) return { closed: false };
    const reason = typeof args['reason'] === 'string' ? args['reason'].slice(0, 60) : 'disconnected by an operator';
    room.kick(session, numberOf(args, 'code', 4403), reason, this.#now());
    return { closed: true };
  }
}

function describe(hosted: Hosted, room: Room): Fields {
  return {
    room: hosted.name,
    epoch: room.epoch,
    head: room.head,
    sessions: room.memberCount,
    since: hosted.openedAt,
    program: hosted.program,
  };
}

function roomOf(args: Fields): string {
  const { room } = args;
  if (typeof room !== 'string' || !isRoomId(room)) throw new BellhopError('bad_room', 'this is not a room id');
  return room;
}

function textOf(args: Fields, key: string): string {
  const value = args[key];
  if (typeof value !== 'string') throw new BellhopError('bad_request', `${key} is missing`);
  return value;
}

function numberOf(args: Fields, key: string, fallback: number): number {
  const value = args[key];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : fallback;
}
