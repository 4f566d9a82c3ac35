/** Cells and parts on disk: each is saved as it ends, so that a run that was cut short can be resumed. Owns: the files' names and
 *  shape. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cell } from './cell.ts';
import type { PartId, PartResult } from './part.ts';
import type { Workload } from './workloads.ts';

const CELL_FILE = /^[a-z0-9-]+\.[a-z0-9-]+\.\d+\.json$/;

export class CellStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Forgets all cells of earlier runs, and these parts. */
  clear(parts: readonly PartId[] = []): void {
    for (const file of this.#files()) rmSync(join(this.#folder, file));
    for (const part of parts) rmSync(this.#partPath(part), { force: true });
  }

  save(cell: Cell): void {
    writeWhole(join(this.#folder, `${cell.workload}.${cell.system}.${cell.round}.json`), cell);
  }

  savePart(result: PartResult): void {
    writeWhole(this.#partPath(result.part), result);
  }

  /** What the part said when it was last measured; undefined if it never was. */
  loadPart(part: PartId): PartResult | undefined {
    const path = this.#partPath(part);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as PartResult) : undefined;
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

  #partPath(part: PartId): string {
    return join(this.#folder, `part-${part}.json`);
  }

  #files(): string[] {
    return readdirSync(this.#folder).filter((file) => CELL_FILE.test(file));
  }
}

/** Beside and renamed: a file that is there is whole. */
function writeWhole(path: string, content: object): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(content, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}
