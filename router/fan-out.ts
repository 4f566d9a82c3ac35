/** Who is due which bytes at the end of a loop turn. Owns: groups, the order between what is cast to a group and what is sent to
 *  one client, and the joining of a turn's output into one buffer for each client.
 *  Does not know: sockets, limits, when a turn ends.
 *
 *  Members whose turn held nothing but the group's casts share one buffer. A client that differs (a direct message, excluded from
 *  a cast, joined or left within the turn) stands `apart`: its own list is filled from the group's units up to the point where it
 *  differs, so nobody pays for it but itself.
 *  Clients that inflate share a second buffer, of the same messages deflated: once for all, and only once one of them is due it.
 *  What is sent to one client alone is not deflated: nobody shares the work, and nothing that is secret (a token to resume with) is
 *  ever deflated beside what others chose.
 *  Invariant: only whole messages are taken and handed on, so nothing of one ever stands within another (RFC 6455 §5.4). */
import type { Client, Group, Unit } from './client-record.ts';
import type { Packing } from './compression/packing.ts';

/** What a flush hands to the sockets. */
export interface Delivery {
  /** Whether ephemeral messages are to be dropped for this client now. */
  isPressured(client: Client): boolean;
  /** Called within `flush`, at most once for each client; must not call back into FanOut. */
  deliver(client: Client, bytes: Buffer, messages: number): void;
}

export class FanOut {
  readonly #delivery: Delivery;
  readonly #packing: Pick<Packing, 'pack' | 'turnEnded'>;
  readonly #groups = new Map<number, Group>();
  /** Groups with units of this turn. */
  readonly #active = new Set<Group>();
  /** Clients whose output of this turn is their own. */
  readonly #apart = new Set<Client>();
  #dropped = 0;

  constructor(delivery: Delivery, packing: Pick<Packing, 'pack' | 'turnEnded'>) {
    this.#delivery = delivery;
    this.#packing = packing;
  }

  get groups(): number {
    return this.#groups.size;
  }

  /** Ephemeral messages that were not delivered to clients under pressure. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds a client to a group; it leaves the one it was in. What was cast before is not its own. */
  join(id: number, client: Client): void {
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = { id, members: new Set(), units: [] };
      this.#groups.set(id, group);
    }
    if (client.group === group) return;
    if (client.group !== undefined) this.leave(client.group.id, client);
    group.members.add(client);
    client.group = group;
    client.seen = group.units.length;
    if (client.seen > 0) this.#setApart(client);
  }

  /** Takes a client out of a group. What was cast before is still delivered to it. */
  leave(id: number, client: Client): void {
    const group = client.group;
    if (group === undefined || group.id !== id) return;
    this.#collect(client, group);
    group.members.delete(client);
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
  }

  /** @param excluded  the client that is not to get it */
  cast(id: number, bytes: Buffer, ephemeral: boolean, excluded: Client | undefined): void {
    const group = this.#groups.get(id);
    if (group === undefined) return;
    const skips = excluded !== undefined && excluded.group === group;
    if (skips) this.#collect(excluded, group);
    group.units.push({ bytes, packed: undefined, ephemeral });
    if (group.units.length === 1) this.#active.add(group);
    if (!skips) return;
    excluded.seen = group.units.length;
    this.#setApart(excluded);
  }

  direct(client: Client, bytes: Buffer, ephemeral: boolean): void {
    if (client.group !== undefined) this.#collect(client, client.group);
    this.#push(client, { bytes, packed: bytes, ephemeral });
  }

  /** Takes what a client is due now, ahead of the turn's end; undefined if it is due nothing. */
  take(client: Client): { readonly bytes: Buffer; readonly messages: number } | undefined {
    if (client.group !== undefined) this.#collect(client, client.group);
    const own = client.own;
    client.own = undefined;
    return own === undefined ? undefined : { bytes: joined(own), messages: own.length };
  }

  /** Ends the turn: delivers to each client what it is due. */
  flush(): void {
    for (const client of this.#apart) {
      const due = this.take(client);
      if (due !== undefined) this.#delivery.deliver(client, due.bytes, due.messages);
    }
    for (const group of this.#active) this.#flushGroup(group);
    this.#active.clear();
    for (const client of this.#apart) {
      client.apart = false;
      client.seen = 0;
    }
    this.#apart.clear();
    this.#packing.turnEnded();
  }

  #flushGroup(group: Group): void {
    const { units, members } = group;
    const delivery = this.#delivery;
    const { length } = units;
    let plain: Buffer | undefined;
    let packed: Buffer | undefined;
    const mayDrop = units.some((unit) => unit.ephemeral);
    for (const member of members) {
      if (member.apart) continue;
      if (mayDrop && delivery.isPressured(member)) this.#deliverLasting(member, units);
      else if (!member.packs) {
        plain ??= this.#joined(units, false);
        delivery.deliver(member, plain, length);
      } else {
        packed ??= this.#joined(units, true);
        delivery.deliver(member, packed, length);
      }
    }
    // Emptied rather than replaced: a busy group keeps its list.
    units.length = 0;
  }

  #deliverLasting(member: Client, units: readonly Unit[]): void {
    const lasting = units.filter((unit) => !unit.ephemeral);
    this.#dropped += units.length - lasting.length;
    if (lasting.length > 0) this.#delivery.deliver(member, this.#joined(lasting, member.packs), lasting.length);
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
    if (unit.ephemeral && this.#delivery.isPressured(client)) {
      this.#dropped += 1;
      return;
    }
    client.own ??= [];
    client.own.push(this.#bytesOf(unit, client.packs));
  }

  #bytesOf(unit: Unit, isPacked: boolean): Buffer {
    if (!isPacked) return unit.bytes;
    unit.packed ??= this.#packing.pack(unit.bytes);
    return unit.packed;
  }

  #joined(units: readonly Unit[], isPacked: boolean): Buffer {
    const [first] = units;
    if (units.length === 1 && first !== undefined) return this.#bytesOf(first, isPacked);
    return Buffer.concat(units.map((unit) => this.#bytesOf(unit, isPacked)));
  }

  #setApart(client: Client): void {
    if (client.apart) return;
    client.apart = true;
    this.#apart.add(client);
  }
}

function joined(buffers: readonly Buffer[]): Buffer {
  const [first] = buffers;
  return buffers.length === 1 && first !== undefined ? first : Buffer.concat(buffers);
}
