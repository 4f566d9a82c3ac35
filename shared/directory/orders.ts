/** What operators have ordered, as the directory keeps it. Owns: the shape of a pin and of an entry of the audit log, and how many of
 *  each are kept. Does not know: who may order what, or how it is carried out. */

/** An operator's word on where a room is to be, whatever placement says. */
export interface Pin {
  readonly room: string;
  readonly node: string;
  /** Who said so. */
  readonly by: string;
  /** Unix ms by the clock of the router that carried it out; for display. */
  readonly at: number;
}

/** What an operator did. */
export interface Order {
  /** What whoever gave it is called. */
  readonly by: string;
  readonly action: string;
  readonly node?: string | undefined;
  readonly room?: string | undefined;
  readonly user?: string | undefined;
  readonly detail?: string | undefined;
}

/** An order as the audit log keeps it. */
export interface AuditEntry extends Order {
  /** Grows by one with each entry. */
  readonly id: number;
  /** Unix ms by Redis' clock. */
  readonly at: number;
}

/** Pins of a cluster: every poll that finds a change reads them all. */
export const PINS_MAX = 1_000;
/** Entries of the audit log that are kept. */
export const AUDIT_MAX = 1_000;
