/** What a part of the bench says: an experiment with Bellhop alone that is no cell of the comparison. Owns: the shape that is saved,
 *  printed and put into the docs. */
import type { Tool } from './tools.ts';

export const PART_IDS = ['members', 'stalled', 'durable', 'unread', 'security', 'scale', 'placement'] as const;
export type PartId = (typeof PART_IDS)[number];

export interface PartGoal {
  readonly says: string;
  readonly than: string;
  readonly bound: string;
  readonly measured: string;
  readonly isReached: boolean;
  /** Whether the load generator was idle enough to be believed. */
  readonly isValid: boolean;
}

export interface PartResult {
  readonly part: PartId;
  readonly date: string;
  /** What was done, a sentence. */
  readonly says: string;
  /** Titles, then rows. */
  readonly table: readonly (readonly string[])[];
  readonly goals: readonly PartGoal[];
  /** What a reader must know to understand the table, each a sentence. */
  readonly notes: readonly string[];
  /** The same and more, as numbers. */
  readonly numbers: Readonly<Record<string, unknown>>;
}

/** What a part is given to work with. */
export interface PartTools {
  readonly generator: Tool;
  /** Shows a line of progress. */
  readonly say: (line: string) => void;
}

/** What the parts of a whole bench are to reach; a table of goals names them also where they were not measured. */
export const GOALS_OF_ALL = {
  members: { says: 'owner’s CPU per message, 10,000 members', than: '10 members', bound: '0.85–1.15×' },
  durable: { says: 'broadcast in durable rooms, CPU per delivery', than: 'relay rooms', bound: '≤ 1.25×' },
  stalled: { says: 'others’ p99 with 1 % stalled', than: 'none stalled', bound: '≤ 1.2×' },
} as const satisfies Partial<Record<PartId, Pick<PartGoal, 'says' | 'than' | 'bound'>>>;

export const today = (): string => new Date().toISOString().slice(0, 10);
export const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
