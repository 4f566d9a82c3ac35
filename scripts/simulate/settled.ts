/** What must hold once faults have ended: invariant 6 of DESIGN §4. Owns: the probes that clients publish, and the verdict.
 *  Does not know: what the faults were. */
import { tagOf } from '../../shared/directory/directory.ts';
import type { SimClient } from './sim-client.ts';
import type { World } from './world.ts';

/** By then everything is as it should be. @see DESIGN §4 invariant 6 */
export const SETTLE_MS = 15_000;
const PROBE_EVERY_MS = 600;
/** A publish without an outcome for this long, while its client is connected, is lost. */
const PENDING_MS = 5_000;
/** An owner that took a room over expects the members of before for `leaveRouterLost`, and then writes who is there. */
const EXPECT_MS = 11_500;
/** A room that was taken over this short a time ago may have clients that have not come back. */
const LATE_MS = 5_000;
/** A router whose host is lost is missed after 5 s without a byte, its sessions leave 10 s later, and then presence is written: a
 *  little more than the rest is given. */
const SILENCE_MS = 2_000;

export class Settling {
  readonly #world: World;
  #isTakenLate = false;
  readonly #probes = new Map<SimClient, { readonly session: string; readonly id: number }[]>();

  constructor(world: World) {
    this.#world = world;
    for (const client of world.clients) client.stay();
    this.#probe();
  }

  #probe(): void {
    for (const client of this.#world.clients) {
      const session = client.open?.session;
      const id = client.publish();
      if (session === undefined || id === undefined) continue;
      const probes = this.#probes.get(client) ?? [];
      probes.push({ session, id });
      this.#probes.set(client, probes);
    }
    this.#world.queue.after(PROBE_EVERY_MS, () => this.#probe());
  }

  /** How much longer all may take. An owner that died within a second of Redis losing its data has no successor before its namesake is
   *  back: whoever was turned away meanwhile comes back in its own time. */
  get lateMs(): number {
    const { rooms, queue, oracle } = this.#world;
    return rooms.some((room) => queue.nowMs - oracle.ownedSinceMs(room) < LATE_MS) ? LATE_MS : 0;
  }

  /** Judges the world as it is now. */
  check(): void {
    const { clients, rooms, trace, queue, oracle } = this.#world;
    for (const client of clients) {
      if (client.room !== undefined && client.open === undefined) {
        trace.violate('6', `${client.user} has no seat in ${client.room}`);
      }
    }
    for (const room of rooms) {
      const members = clients.filter((client) => client.open?.room === room);
      if (members.length === 0) continue;
      this.#checkOwner(room);
      if (queue.nowMs - oracle.ownedSinceMs(room) < EXPECT_MS) this.#isTakenLate = true;
      for (const member of members) {
        this.#checkPublishes(room, member, members);
        member.open?.deliveries.settle();
      }
    }
  }

  /** How much longer presence may differ from the open sessions. */
  get presenceMs(): number {
    return this.#isTakenLate ? EXPECT_MS : SILENCE_MS;
  }

  checkPresence(): void {
    for (const room of this.#world.rooms) {
      const members = this.#world.clients.filter((client) => client.open?.room === room);
      if (members.length > 0) this.#checkPresence(room, members);
    }
  }

  #checkOwner(room: string): void {
    const { redis, trace } = this.#world;
    const read = redis.directory.execute('readRoom', { room }, redis.wallMs);
    const record = read.kind === 'record' ? read.record : undefined;
    const holders = this.#world
      .livingNodes()
      .filter((node) => node !== this.#world.ill && node.core.rooms.held(room) !== undefined);
    const holder = holders[0];
    if (holders.length !== 1 || holder === undefined) {
      return trace.violate('6', `${room} is held by ${holders.map((one) => one.id).join(' and ') || 'nobody'}`);
    }
    if (record?.owner?.incarnation !== holder.incarnation) {
      return trace.violate(
        '6',
        `${room} is held by ${holder.id}, and its record names ${record?.owner?.node ?? 'nobody'}`,
      );
    }
    const held = holder.core.rooms.held(room);
    if (held !== undefined && tagOf(held.triple) !== tagOf(record)) {
      trace.violate('6', `${room} is held under ${tagOf(held.triple)}, and its record says ${tagOf(record)}`);
    }
  }

  #checkPresence(room: string, members: readonly SimClient[]): void {
    const { redis, trace } = this.#world;
    const read = redis.directory.execute('readPresence', { room, limit: 1_000 }, redis.wallMs);
    const recorded = read.members.map((one) => one.session).join(' ');
    const open = members.flatMap((client) => client.open?.session ?? []).sort();
    if (recorded !== open.join(' '))
      trace.violate('6', `presence of ${room} is [${recorded}], its sessions are [${open.join(' ')}]`);
  }

  #checkPublishes(room: string, member: SimClient, members: readonly SimClient[]): void {
    const { trace, queue } = this.#world;
    const probes = this.#probes.get(member) ?? [];
    const isHeard = probes.some(({ session, id }) =>
      members.every((other) => other.open?.deliveries.has(session, id) === true),
    );
    if (!isHeard) trace.violate('6', `no publish of ${member.user} reached every member of ${room}`);
    const since = member.oldestPendingMs;
    if (since !== undefined && queue.nowMs - since > PENDING_MS) {
      trace.violate(
        '6',
        `a publish of ${member.user} in ${room} has had no outcome for ${Math.round(queue.nowMs - since)} ms`,
      );
    }
  }
}
