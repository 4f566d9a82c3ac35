/** What the node's core asks of the world. Owns: the seam between the pure core (core.ts) and the edges (links, Redis, process),
 *  which the simulator replaces. */
import type { Args, DirectoryError, Operation, Reply } from '../shared/directory/directory.ts';
import type { LinkMessage } from '../shared/link/messages.ts';
import type { ResetReason } from './recent.ts';

export type NodeMetric =
  | 'publishes'
  | 'casts'
  | 'claims'
  | 'claims_lost'
  | 'releases'
  | 'handovers'
  | 'handovers_failed'
  | 'suspensions'
  | 'islandings'
  | 'history_changes'
  | 'dropped_gated'
  | 'dropped_ephemeral'
  | 'program_failures'
  | 'appends'
  | 'appended'
  | 'appends_fenced'
  | 'appends_rolled_back'
  | 'duplicates'
  | 'senders_evicted'
  | 'publishes_refused'
  | 'records_ignored'
  /** Sessions that were told so. */
  | `reset_${ResetReason}`;

/** What is measured, its unit last. `handover_pause_ms` from quiet to the next owner's being named, at the one that hands over;
 *  `handover_ms` from the same to the first word that waited being logged, at the next. */
export type NodeMeasure = 'claim_ms' | 'handover_pause_ms' | 'handover_ms' | 'append_ms' | 'append_items';

/** Starts a directory operation; `done` is called in a later turn with the reply or the fault. Nothing is re-sent. */
export type CallDirectory = <K extends Operation>(
  operation: K,
  args: Args<K>,
  done: (result: Reply<K> | DirectoryError) => void,
) => void;

/** Why a node's life ends, with the exit code it ends with.
 *  `certified` (3): it has been declared dead; it drops everything without further output. `refused` (2): it may not join. */
export type NodeEnd =
  | { readonly kind: 'certified' }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'left' };

/** @returns what is to be told how it ended */
export type BeginTrace = (
  act: 'handover' | 'drain',
  about: Readonly<Record<string, string | number>>,
) => (outcome: string, isFault?: boolean) => void;

export interface NodePorts {
  readonly call: CallDirectory;
  /** Puts a run id in force for the directory's connections. */
  useRun(runId: string): void;
  /** Queues a message on an open link; the edge asks `gateOpen` again when it hands it to the kernel. False: no such link, or its
   *  queue is full (nothing was queued). `lane`: the room it is said of, whose messages keep their order. */
  send(link: number, message: LinkMessage, lane?: string): boolean;
  /** Rooms of which something waits on this link behind a large message, or for credit; undefined where there are none. Absent:
   *  messages leave in the order they were queued. */
  lanes?(link: number): ReadonlyMap<unknown, unknown> | undefined;
  /** Takes back the queued messages that `predicate` names; they are returned and will not be sent. */
  dropQueued(link: number, predicate: (message: LinkMessage) => boolean): readonly LinkMessage[];
  /** Calls back once everything queued so far on these links was handed to the kernel, or the link is gone. */
  afterHandedOver(links: readonly number[], done: () => void): void;
  /** Opens a link to another node for a handover; `linkUp` and `linkDown` follow with the number returned here. */
  dial(node: string, incarnation: string, address: string): number;
  /** Asks the router at the other end whether its last poll of Redis failed; `pong` brings the answer. */
  ping(link: number): void;
  end(how: NodeEnd): void;
  log(event: string, fields: Readonly<Record<string, unknown>>): void;
  count(metric: NodeMetric, by?: number): void;
  /** Something that takes a while begins, for whoever traces; to be called when it has ended. Absent: nobody does. */
  readonly trace?: BeginTrace;
  observe(measure: NodeMeasure, value: number): void;
}
