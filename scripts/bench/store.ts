/** Cells on disk: each is saved as it ends, so that a run that was cut short can be resumed. Owns: the files' names and shape. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cell } from './cell.ts';
import type { Workload } from './workloads.ts';

const CELL_FILE = /^[a-z]+\.[a-z-]+\.\d+\.json$/;

export class CellStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Forgets all cells of earlier runs. */
  clear(): void {
    for (const file of this.#files()) rmSync(join(this.#folder, file));
  }

  save(cell: Cell): void {
    const path = join(this.#folder, `${cell.workload}.${cell.system}.${cell.round}.json`);
    // Beside and renamed: a cell that is there is whole.
    writeFileSync(`${path}.new`, `${JSON.stringify(cell, null, 2)}\n`);
    renameSync(`${path}.new`, path);
  }

  /** Cells of exactly these workloads; those measured with other numbers are left out. */
  load(workloads: readonly Workload[]): Cell[] {
    return this.#files()
      .map((file) => JSON.parse(readFileSync(join(this.#folder, file), 'utf8')) as Cell)
      .filter((cell) => {
        const workload = workloads.find(({ id }) => id === cell.workload);
        return workload !== undefined && JSON.stringify(workload.load) === JSON.stringify(cell.plan);
      })
      .sort((a, b) => a.round - b.round);
  }

  #files(): string[] {
    return readdirSync(this.#folder).filter((file) => CELL_FILE.test(file));
  }
}
