/** What every nemesis has in common. Owns: the shape of one, and of what it struck. */
import type { Stage } from '../stage.ts';

/** What was struck, and how it is seen that it works again. */
export interface Struck {
  readonly what: string;
  /** Rooms whose unavailability is measured. */
  readonly rooms: readonly string[];
  /** `next-owner`: until the first message of a next owner. `handover`: the silence before that message. `next-message`: until something
   *  is heard that was said after the mark. `silence`: the longest silence since the mark, once what is said from now on is heard. `clients`: until every client has its seat again. */
  readonly by: 'next-owner' | 'handover' | 'next-message' | 'silence' | 'clients';
  /** Whose clients may have lost their sockets by it. */
  readonly routers?: readonly string[] | undefined;
  /** Broken promises of the act itself, e.g. a wrong exit code. */
  readonly wrong?: readonly string[] | undefined;
  /** Figures of its own, read when all is heard again. */
  readonly figures?: (() => Readonly<Record<string, number>>) | undefined;
  /** How long each room stood still by its nodes' own measure, ms, read when all is heard again. */
  readonly pausesMs?: (() => readonly number[]) | undefined;
  /** Brings back what is gone, after the measurement. */
  readonly repair?: (() => Promise<void>) | undefined;
}

export interface Nemesis {
  readonly name: string;
  /** One sentence, for reports. */
  readonly says: string;
  /** What its measured times mean. */
  readonly measures: string;
  /** Strikes, from `stage.begin` until the fault itself is over. */
  strike(stage: Stage): Promise<Struck>;
}

export const UNTIL_NEXT_OWNER = 'fault → first message of the next owner, per room';
export const LONGEST_SILENCE = 'the longest silence, per room';
export const UNTIL_NEXT_MESSAGE = 'fault → first message said after it, per room';
