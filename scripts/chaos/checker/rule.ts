/** What every rule of the checker has in common. Owns: the shape of a rule and of what it finds, and the place of a finding. Pure.
 *  A rule walks the history once (`see`), then looks at what was read at the end (`end`); one that must compare the history with the
 *  logs walks it again there. */
import type { EndState, History, HistoryEvent } from '../history/events.ts';

export type RuleName =
  /** Deliveries. */
  | 'contiguous'
  | 'no-repeat'
  | 'order'
  | 'epoch-order'
  | 'complete'
  | 'agreement'
  /** Publishes. */
  | 'acked-in-log'
  | 'refused-is-unsaid'
  | 'has-outcome'
  /** Logs. */
  | 'log-sequence'
  | 'log-repeat'
  | 'log-order'
  | 'heard-in-log'
  | 'log-readable'
  /** Sockets and seats. */
  | 'socket-closed'
  | 'no-leave'
  | 'session-kept'
  | 'presence'
  /** Processes. */
  | 'late-emit'
  | 'process-end'
  | 'history-whole';

export interface Finding {
  readonly rule: RuleName;
  readonly room: string;
  /** Where in the history or the log: `event 17, client u3`, `log seq 4`. */
  readonly place: string;
  readonly text: string;
}

export type Find = (finding: Finding) => void;

export interface Rule {
  see(event: HistoryEvent, index: number): void;
  end(end: EndState): void;
}

export type MakeRule = (history: History, find: Find) => Rule;

/** The place of something that a client saw. */
export function placeOf(history: History, client: number, index: number): string {
  return `event ${index}, client ${history.clients[client]?.user ?? client}`;
}

export function roomOf(history: History, client: number): string {
  return history.clients[client]?.room ?? '';
}

/** The epoch in a tag, `epoch.nonce`. */
export function epochOf(tag: string): number {
  return Number(tag.slice(0, tag.indexOf('.')));
}
