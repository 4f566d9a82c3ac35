/** What follows for a room from the end of its handover: it goes, goes on, or is claimed again. Owns: where rooms have gone lately, so
 *  that a late message for one is pointed on. Does not know: how a room is handed over, or why.
 *  Invariant: only a room whose handover was called off before its write goes on as it was. */
import type { Instant } from '../shared/clock.ts';
import type { HandoverEnd } from './handover.ts';
import type { Hosted, OwnerHint } from './hosted.ts';
import type { Lease } from './lease.ts';
import type { NodePorts } from './ports.ts';
import type { RoomHost } from './room-host.ts';

const HANDOVER_RETRY_MS = 500;
/** Handovers that are remembered. */
const MOVED_MEMORY_MAX = 10_000;

export interface HandedOverPorts extends Pick<NodePorts, 'count' | 'observe' | 'log'> {
  readonly rooms: Pick<RoomHost, 'get' | 'drop' | 'tell' | 'goOn'>;
  readonly lease: Pick<Lease, 'wentBack'>;
  readonly flushAcks: () => void;
}

export class HandedOver {
  readonly #ports: HandedOverPorts;
  readonly #movedTo = new Map<string, OwnerHint>();

  constructor(ports: HandedOverPorts) {
    this.#ports = ports;
  }

  /** Where a room went that this node had lately. */
  movedTo(room: string): OwnerHint | undefined {
    return this.#movedTo.get(room);
  }

  ended(name: string, end: HandoverEnd, now: Instant): void {
    const { rooms, lease } = this.#ports;
    const hosted = rooms.get(name);
    if (hosted === undefined) return;
    switch (end.kind) {
      case 'moved':
        return this.#moved(hosted, end);
      case 'cancelled':
        this.#calledOff(name, end.why);
        hosted.retryHandoverAtMs = now.monoMs + HANDOVER_RETRY_MS;
        return rooms.goOn(hosted);
      case 'changed':
        // Gone, or older than what is held: Redis lost it, and the owner takes the room back.
        if (end.record === undefined || end.record.epoch < (hosted.room?.epoch ?? 0)) {
          return hosted.ownership.claimAgain(now);
        }
        hosted.ownership.forget();
        rooms.drop(hosted, undefined);
        return rooms.tell(hosted, 'not-owner');
      case 'rolled-back':
        this.#calledOff(name, 'Redis has lost what the room had logged');
        hosted.ownership.resumeAfterTransfer();
        hosted.quiet = false;
        return lease.wentBack(now);
      case 'unknown':
        return hosted.ownership.claimAgain(now);
      default:
        end satisfies never;
    }
  }

  #moved(hosted: Hosted, { target, record, pausedMs }: Extract<HandoverEnd, { kind: 'moved' }>): void {
    const { rooms, count, observe, log, flushAcks } = this.#ports;
    const { epoch } = record;
    count('handovers');
    observe('handover_pause_ms', pausedMs);
    log('room handed over', { room: hosted.name, to: target.node, epoch, pausedMs: Math.round(pausedMs) });
    const hint = { node: target.node, incarnation: target.incarnation, epoch };
    this.#remember(hosted.name, hint);
    hosted.ownership.forget();
    flushAcks();
    rooms.drop(hosted, hint);
    rooms.tell(hosted, 'not-owner', hint);
  }

  #calledOff(room: string, why: string): void {
    this.#ports.count('handovers_failed');
    this.#ports.log('handover called off', { room, why });
  }

  #remember(name: string, hint: OwnerHint): void {
    this.#movedTo.set(name, hint);
    if (this.#movedTo.size <= MOVED_MEMORY_MAX) return;
    for (const oldest of this.#movedTo.keys()) {
      this.#movedTo.delete(oldest);
      return;
    }
  }
}
