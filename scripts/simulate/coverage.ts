/** Which fault met which state of an owner. Owns: the counts and the table. Does not know: how either comes about. */

export const OWNERSHIP_STATES = [
  'none',
  'seeking',
  'held',
  'stale',
  'reclaiming',
  'releasing',
  'transferring',
] as const;
/** Of a durable room, beside its ownership: an append is in flight or due; what its log holds is being read by a new owner; nothing is
 *  taken any more, since it is about to be handed over; the log is being read for somebody who comes back. */
export const DURABLE_STATES = ['logging', 'settling', 'quiet', 'replaying'] as const;
export type RoomState = (typeof OWNERSHIP_STATES)[number] | (typeof DURABLE_STATES)[number];
export const LEASE_STATES = ['living', 'islanded', 'suspended', 'rejoining', 'observing'] as const;
export const STATES = [...OWNERSHIP_STATES, ...DURABLE_STATES, ...LEASE_STATES] as const;

export class Coverage {
  readonly #counts = new Map<string, number>();

  hit(fault: string, state: string): void {
    this.add(fault, state, 1);
  }

  add(fault: string, state: string, by: number): void {
    const key = `${fault} ${state}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
  }

  of(fault: string, state: string): number {
    return this.#counts.get(`${fault} ${state}`) ?? 0;
  }

  merge(other: Coverage): void {
    for (const [key, count] of other.#counts) {
      const [fault = '', state = ''] = key.split(' ');
      this.add(fault, state, count);
    }
  }

  /** What can be sent to another process, and merged there. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  static from(counts: Readonly<Record<string, number>>): Coverage {
    const coverage = new Coverage();
    for (const [key, count] of Object.entries(counts)) coverage.#counts.set(key, count);
    return coverage;
  }

  /** One row a fault, one column a state. */
  table(faults: readonly string[]): string[] {
    const states = STATES;
    const row = (first: string, cells: readonly string[]) =>
      first.padEnd(17) + cells.map((cell, at) => cell.padStart(Math.max(5, states[at]?.length ?? 0) + 1)).join('');
    return [
      row('fault', states),
      ...faults.map((fault) =>
        row(
          fault,
          states.map((state) => `${this.of(fault, state)}`),
        ),
      ),
    ];
  }
}
