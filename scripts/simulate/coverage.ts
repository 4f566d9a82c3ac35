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
export const LEASE_STATES = ['living', 'islanded', 'suspended', 'rejoining', 'observing'] as const;

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

  /** One row a fault, one column a state. */
  table(faults: readonly string[]): string[] {
    const states = [...OWNERSHIP_STATES, ...LEASE_STATES];
    const row = (first: string, cells: readonly string[]) =>
      first.padEnd(17) + cells.map((cell, at) => cell.padStart((states[at]?.length ?? 0) + 2)).join('');
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
