/** How what a room says leaves its node: to links, to Redis, to whoever tells of members. Owns: the wiring of one room to these, with
 *  the checks at use. Does not know: which rooms there are, what they say.
 *  Invariant: nothing leaves for a room that is not held, or once the node has ended; nothing is appended while the gate is shut. */
import { DirectoryError } from '../shared/directory/directory.ts';
import type { Hosted } from './hosted.ts';
import type { Lease } from './lease.ts';
import type { LinkTable } from './links.ts';
import type { NodeCoreOptions } from './options.ts';
import type { NodePorts } from './ports.ts';
import type { Projections } from './projection.ts';
import type { RecentBudget } from './recent.ts';
import type { Room } from './room.ts';
import type { KeyBudget } from './room-keys.ts';
import type { LogBudget } from './room-log.ts';
import type { LogOutput, RoomOutput } from './room-output.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

export interface HostedOutputParts {
  readonly options: NodeCoreOptions;
  readonly ports: NodePorts;
  readonly lease: Lease;
  readonly links: LinkTable;
  readonly projections: () => Projections;
  readonly webhooks: () => Webhooks | undefined;
  readonly isEnded: () => boolean;
  /** The room of that name that is hosted now, which may be another than the one that speaks. */
  readonly roomNow: (name: string) => Room | undefined;
  readonly newHandle: () => number;
  readonly wake: (hosted: Hosted, atMs: number) => void;
  readonly failed: (name: string, error: unknown) => void;
  /** Something waits for its log. */
  readonly spoke: (hosted: Hosted) => void;
  readonly keys: KeyBudget;
  readonly recent: RecentBudget;
  readonly logs: LogBudget;
}

export function outputOf(hosted: Hosted, parts: HostedOutputParts): RoomOutput {
  const { name } = hosted;
  const { options, ports, links } = parts;
  return {
    // A program may speak at any time, also while the room is being handed over or is to be claimed again.
    send: (link, message) => hosted.ownership.held !== undefined && !parts.isEnded() && links.send(link, message, name),
    raisesSeats: (link) => links.get(link)?.peer?.features?.includes('seats') !== false,
    newHandle: () => parts.newHandle(),
    // One that is not said is in the answer to the next OPEN.
    ack: (link, session, cseq) => {
      if (hosted.ownership.held !== undefined) links.get(link)?.acks.set(session, cseq);
    },
    seated: (session) => {
      const { place } = session;
      const seat = { room: name, session, behind: false };
      hosted.pause?.seated(options.now().monoMs);
      if (place !== undefined) links.get(place.link)?.seats.set(place.handle, seat);
    },
    unseated: (number, handle) => {
      const link = links.get(number);
      link?.seats.delete(handle);
      link?.acks.delete(handle);
    },
    changed: (session) => {
      const room = parts.roomNow(name);
      if (room === undefined) return;
      parts.projections().changed(room, session);
      parts.webhooks()?.changed(room, session);
    },
    wake: (atMs) => parts.wake(hosted, atMs),
    now: () => options.now(),
    failed: (error) => parts.failed(name, error),
    resumeToken: (session) => options.resumeToken(name, session, options.now()),
    count: (metric, by) => ports.count(metric, by),
    spoke: () => parts.spoke(hosted),
    flushAcks: ({ place }) => {
      if (place !== undefined) links.flushAcksOf(place.link);
    },
    keys: parts.keys,
    recent: parts.recent,
    log: hosted.isDurable ? logOf(hosted, parts) : undefined,
  };
}

function logOf(hosted: Hosted, { options, ports, lease, logs, isEnded }: HostedOutputParts): LogOutput {
  const { now } = options;
  return {
    rules: options.logRules,
    budget: logs,
    append: (args, done) =>
      ports.call('append', args, (result) => {
        if (isEnded()) return;
        if (result instanceof DirectoryError && result.runId !== undefined) lease.metRun(result.runId, now());
        done(result);
        if (!(result instanceof DirectoryError)) hosted.pause?.logged(now().monoMs);
      }),
    // While it settles, its memory does not know yet where the log ends under the new triple.
    mayAppend: () => (!isEnded() && !hosted.settling && lease.gateOpen(now()) ? hosted.ownership.held : undefined),
    fenced: (record) => hosted.ownership.fenced(record, now()),
    wentBack: () => lease.wentBack(now()),
    observe: (metric, ms) => ports.observe(metric, ms),
  };
}
