/** Who is due which bytes at the end of a loop turn. Owns: groups, the order between what is cast to a group and what is sent to
 *  one client, and the joining of a turn's output into one buffer for each client.
 *  Does not know: sockets, limits, when a turn ends.
 *
 *  Members whose turn held nothing but the group's casts share one buffer. A client that differs (a direct message, excluded from
 *  a cast, joined or left within the turn) stands `apart`: its own list is filled from the group's units up to the point where it
 *  differs, so nobody pays for it but itself.
 *  Invariant: only whole messages are handed on, so no two messages' fragments ever mix (RFC 6455 §5.4). */
import { isFinalFrame } from '../shared/websocket-frame.ts';
import type { Client, Group, Partial, Unit } from './client-record.ts';
import { isContinuation } from './ws-adapter.ts';

export interface FanOutOptions {
  /** A message whose pieces exceed this is not put together: `overflow` is called instead. */
  readonly messageBytesMax: number;
  /** Whether ephemeral messages are to be dropped for this client now. */
  readonly isPressured: (client: Client) => boolean;
  /** A client that was to get a message too large to be delivered. Called within `cast` or `direct`. */
  readonly overflow: (client: Client) => void;
}

/** What one flush hands to the sockets. */
export type Deliver = (client: Client, bytes: Buffer, messages: number) => void;

export class FanOut {
  readonly #options: FanOutOptions;
  readonly #groups = new Map<number, Group>();
  /** Groups with units of this turn. */
  readonly #active = new Set<Group>();
  /** Clients whose output of this turn is their own. */
  readonly #apart = new Set<Client>();
  #dropped = 0;

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  get groups(): number {
    return this.#groups.size;
  }

  /** Messages not delivered: ephemeral ones under pressure, and pieces without a beginning. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether a flush has anything to do. */
  get pending(): boolean {
    return this.#active.size > 0 || this.#apart.size > 0;
  }

  /** Adds a client to a group; it leaves the one it was in. What was cast before is not its own. */
  join(id: number, client: Client): void {
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = { id, members: new Set(), units: [], partial: undefined, late: undefined };
      this.#groups.set(id, group);
    }
    if (client.group === group) return;
    if (client.group !== undefined) this.leave(client.group.id, client);
    group.members.add(client);
    client.group = group;
    client.seen = group.units.length;
    if (client.seen > 0) this.#setApart(client);
    if (group.partial !== undefined) {
      group.late ??= new Set();
      group.late.add(client);
    }
  }

  /** Takes a client out of a group. What was cast before is still delivered to it. */
  leave(id: number, client: Client): void {
    const group = client.group;
    if (group === undefined || group.id !== id) return;
    this.#collect(client, group);
    group.members.delete(client);
    group.late?.delete(client);
    client.group = undefined;
    client.seen = 0;
    if (group.members.size === 0) this.#groups.delete(id);
  }

  /** Forgets a client and what it is due. */
  remove(client: Client): void {
    if (client.group !== undefined) this.leave(client.group.id, client);
    this.#apart.delete(client);
    client.apart = false;
    client.own = undefined;
    client.partial = undefined;
  }

  /** @param excluded  the client that is not to get it */
  cast(id: number, frame: Buffer, ephemeral: boolean, excluded: Client | undefined): void {
    const group = this.#groups.get(id);
    if (group === undefined) return;
    if (!isContinuation(frame)) group.late = undefined;
    const whole = this.#assemble(group, frame, ephemeral);
    if (whole === 'more') return;
    const late = group.late;
    group.late = undefined;
    if (whole === 'overflow') {
      for (const member of [...group.members]) if (!late?.has(member)) this.#options.overflow(member);
      return;
    }
    const skips: Client[] = late === undefined ? [] : [...late];
    if (excluded !== undefined && excluded.group === group && !late?.has(excluded)) skips.push(excluded);
    for (const client of skips) this.#collect(client, group);
    group.units.push(whole);
    this.#active.add(group);
    for (const client of skips) {
      client.seen = group.units.length;
      this.#setApart(client);
    }
  }

  direct(client: Client, frame: Buffer, ephemeral: boolean): void {
    const whole = this.#assemble(client, frame, ephemeral);
    if (whole === 'more') return;
    if (whole === 'overflow') {
      this.#options.overflow(client);
      return;
    }
    if (client.group !== undefined) this.#collect(client, client.group);
    this.#push(client, whole);
  }

  /** Takes what a client is due now, ahead of the turn's end; undefined if it is due nothing. */
  take(client: Client): { readonly bytes: Buffer; readonly messages: number } | undefined {
    if (client.group !== undefined) this.#collect(client, client.group);
    const own = client.own;
    client.own = undefined;
    return own === undefined ? undefined : { bytes: joined(own), messages: own.length };
  }

  /** Ends the turn: calls `deliver` at most once for each client. `deliver` must not call back into this object. */
  flush(deliver: Deliver): void {
    for (const client of this.#apart) {
      const due = this.take(client);
      if (due !== undefined) deliver(client, due.bytes, due.messages);
    }
    for (const group of this.#active) {
      const units = group.units;
      const shared = joined(units.map((unit) => unit.bytes));
      const lasting = units.filter((unit) => !unit.ephemeral);
      let withoutEphemeral: Buffer | undefined;
      for (const member of group.members) {
        if (member.apart) continue;
        if (lasting.length < units.length && this.#options.isPressured(member)) {
          this.#dropped += units.length - lasting.length;
          if (lasting.length === 0) continue;
          withoutEphemeral ??= joined(lasting.map((unit) => unit.bytes));
          deliver(member, withoutEphemeral, lasting.length);
        } else {
          deliver(member, shared, units.length);
        }
      }
      group.units = [];
    }
    this.#active.clear();
    for (const client of this.#apart) {
      client.apart = false;
      client.seen = 0;
    }
    this.#apart.clear();
  }

  /** Moves the group's units that this client has not got yet into its own list. */
  #collect(client: Client, group: Group): void {
    for (let i = client.seen; i < group.units.length; i++) {
      const unit = group.units[i];
      if (unit !== undefined) this.#push(client, unit);
    }
    client.seen = group.units.length;
  }

  #push(client: Client, unit: Unit): void {
    this.#setApart(client);
    if (unit.ephemeral && this.#options.isPressured(client)) {
      this.#dropped += 1;
      return;
    }
    client.own ??= [];
    client.own.push(unit.bytes);
  }

  #setApart(client: Client): void {
    if (client.apart) return;
    client.apart = true;
    this.#apart.add(client);
  }

  /** Puts a message's pieces together. A frame that begins a message ends whatever was unfinished: its sender is gone. */
  #assemble(holder: { partial: Partial | undefined }, frame: Buffer, ephemeral: boolean): Unit | 'more' | 'overflow' {
    const final = isFinalFrame(frame);
    if (!isContinuation(frame)) {
      if (holder.partial !== undefined) this.#dropped += 1;
      holder.partial = undefined;
      if (final) return { bytes: frame, ephemeral };
      holder.partial = { pieces: [frame], ephemeral, bytes: frame.length };
      return 'more';
    }
    const partial = holder.partial;
    if (partial === undefined) {
      if (final) this.#dropped += 1;
      return 'more';
    }
    partial.pieces.push(frame);
    partial.bytes += frame.length;
    if (partial.bytes > this.#options.messageBytesMax) {
      holder.partial = undefined;
      return 'overflow';
    }
    if (!final) return 'more';
    holder.partial = undefined;
    return { bytes: joined(partial.pieces), ephemeral: partial.ephemeral };
  }
}

function joined(buffers: readonly Buffer[]): Buffer {
  const [first] = buffers;
  return buffers.length === 1 && first !== undefined ? first : Buffer.concat(buffers);
}
