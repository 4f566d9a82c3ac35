/** What the HTTP API asks of the cluster, answered by this router's core, links and view. Owns: finding a room's owner for one
 *  question, within a bound. Does not know: HTTP.
 *  @see DESIGN §8 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Instant } from '../shared/clock.ts';
import { type Directory, DirectoryError, type RoomRecord, type RouterRecord } from '../shared/directory/directory.ts';
import type { Pin } from '../shared/directory/orders.ts';
import { BellhopError } from '../shared/errors.ts';
import type { Placement } from '../shared/placement.ts';
import { systemRandom } from '../shared/random.ts';
import type { ApiPorts, NodeView, OwnerAnswer, RoomMove } from './api-ports.ts';
import { ableNodes, firstCandidate } from './candidates.ts';
import type { RouterCore } from './core.ts';
import type { RouterLinks } from './link-edge.ts';
import type { Holder } from './route.ts';
import type { ClusterWatch } from './watch.ts';

export interface ApiBackendOptions {
  readonly directory: Directory;
  readonly links: RouterLinks;
  readonly placement: Placement;
  readonly now: () => Instant;
  readonly core: () => RouterCore | undefined;
  readonly watch: () => ClusterWatch | undefined;
  readonly ready: () => boolean;
}

const CALL_MS = 2_000;
const OWNER_MS = 5_000;
const PAUSES_MS = [50, 100, 200] as const;
const MOVES_ROOMS_MAX = 1_000;
const MOVES_PER_ROOM = 8;

export class ApiBackend implements ApiPorts {
  readonly directory: Directory;
  readonly #options: ApiBackendOptions;
  readonly #moves = new Map<string, RoomMove[]>();

  constructor(options: ApiBackendOptions) {
    this.#options = options;
    this.directory = options.directory;
  }

  ready(): boolean {
    return this.#options.ready();
  }

  callNode(node: string, op: string, args: unknown, timeoutMs: number = CALL_MS): Promise<unknown> {
    const record = this.#options.watch()?.membership.node(node);
    if (record === undefined) return Promise.reject(new BellhopError('not_found', `there is no node ${node}`));
    return this.#options.links.call(record.incarnation, op, args, timeoutMs);
  }

  /** Asks the owner of a room. With `open` an unowned room is claimed first, by a node.
   *  @throws BellhopError not_found, settling or what the node said */
  async callOwner(
    room: string,
    op: string,
    args: Readonly<Record<string, unknown>>,
    { open }: { readonly open: boolean },
  ): Promise<OwnerAnswer> {
    const untilMs = this.#options.now().monoMs + OWNER_MS;
    let problem = new BellhopError('unavailable', 'no node could take the room in time');
    for (let attempt = 0; this.#options.now().monoMs < untilMs; attempt++) {
      if (attempt > 0) {
        const step = PAUSES_MS[Math.min(attempt - 1, PAUSES_MS.length - 1)] ?? 200;
        await pause(step * (0.7 + 0.6 * systemRandom.unit()));
      }
      const found = await this.#find(room, open);
      if (found instanceof BellhopError) {
        if (!found.retryable) throw found;
        problem = found;
        if (!open) throw found;
        continue;
      }
      try {
        const floor = this.#options.core()?.floor(room) ?? 0;
        const watch = this.#options.watch();
        // As an OPEN would: it may make the node claim the room.
        const heldOnly = watch !== undefined && !watch.mayCauseClaims(this.#options.now().monoMs);
        const asked = { ...args, room, floor, ...(heldOnly ? { heldOnly } : {}) };
        const result = await this.#options.links.call(found.at.incarnation, op, asked, CALL_MS);
        return { ...found.at, epoch: epochOf(result) ?? found.epoch, result };
      } catch (error) {
        if (!(error instanceof BellhopError) || !mayRepeat(op, error)) throw error;
        problem = error;
      }
    }
    throw problem;
  }

  async #find(room: string, open: boolean): Promise<{ at: Holder; epoch: number } | BellhopError> {
    let record: RoomRecord | undefined;
    try {
      const reply = await this.directory.call('readRoom', { room });
      record = reply.kind === 'record' ? reply.record : undefined;
    } catch (error) {
      if (!(error instanceof DirectoryError)) throw error;
      const at = this.#options.core()?.cachedAt(room);
      if (at !== undefined) return { at, epoch: this.#options.core()?.floor(room) ?? 0 };
      return new BellhopError('redis_unavailable', 'the directory cannot be read now');
    }
    const membership = this.#options.watch()?.membership;
    const owner = record?.owner;
    if (owner !== undefined && record !== undefined && membership?.lives(owner.node, owner.incarnation)) {
      return { at: owner, epoch: record.epoch };
    }
    if (!open) {
      if (owner === undefined) return new BellhopError('not_found', 'nobody owns this room');
      return new BellhopError('settling', 'the room has no living owner at the moment');
    }
    const isLinked = (incarnation: string) => this.#options.links.isUp(incarnation);
    const at = membership && firstCandidate(room, { membership, placement: this.#options.placement, isLinked });
    if (at === undefined) return new BellhopError('unavailable', 'no node can take the room now');
    membership?.placed(room, at);
    return { at, epoch: record?.epoch ?? 0 };
  }

  nodes(): readonly NodeView[] {
    const watch = this.#options.watch();
    if (watch === undefined) return [];
    const nowMs = this.#options.now().monoMs;
    return watch.membership.nodes.map((record) => {
      const beat = watch.membership.beat(record.node);
      const own = beat?.incarnation === record.incarnation ? beat : undefined;
      return {
        record,
        beat: own,
        heartbeatAgeMs: watch.heartbeatAgeMs(record.incarnation, nowMs),
        linked: this.#options.links.isUp(record.incarnation),
      };
    });
  }

  routers(): readonly RouterRecord[] {
    return this.#options.watch()?.membership.routers ?? [];
  }

  placementOrder(room: string): readonly { readonly node: string; readonly weight: number }[] {
    const membership = this.#options.watch()?.membership;
    if (membership === undefined) return [];
    const candidates = ableNodes(membership, room);
    const weights = new Map(candidates.map((one) => [one.node, one.weight]));
    return this.#options.placement.order(room, candidates).map((node) => ({ node, weight: weights.get(node) ?? 0 }));
  }

  pin(room: string): Pin | undefined {
    return this.#options.watch()?.membership.pin(room);
  }

  cachedRoute(room: string): Holder | undefined {
    return this.#options.core()?.cachedAt(room);
  }

  recentMoves(room: string): readonly RoomMove[] {
    return this.#moves.get(room) ?? [];
  }

  /** This router's core saw the room at another owner than before. */
  moved(room: string, from: Holder | undefined, to: Holder, epoch: number): void {
    const moves = this.#moves.get(room) ?? [];
    this.#moves.delete(room);
    moves.push({ at: this.#options.now().wallMs, from: from?.node, to: to.node, epoch });
    if (moves.length > MOVES_PER_ROOM) moves.shift();
    this.#moves.set(room, moves);
    if (this.#moves.size > MOVES_ROOMS_MAX) this.#moves.delete(this.#moves.keys().next().value ?? room);
  }
}

/** Whether a question may be asked again. A publish whose outcome is unknown is not: it could be said twice. */
function mayRepeat(op: string, error: BellhopError): boolean {
  if (['not_owner', 'draining', 'unavailable'].includes(error.code)) return true;
  return op !== 'publish' && ['link_lost', 'timeout'].includes(error.code);
}

function epochOf(result: unknown): number | undefined {
  if (typeof result !== 'object' || result === null || !('epoch' in result)) return undefined;
  return typeof result.epoch === 'number' ? result.epoch : undefined;
}
