/** Parts on disk: each is saved as it ends, so that a run that was cut short can be resumed. Owns: the files' names and shape. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PART_IDS, type PartId, type PartResult } from './part.ts';

export class PartStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  save(result: PartResult): void {
    mkdirSync(this.#folder, { recursive: true });
    const path = this.#pathOf(result.part);
    // Beside and renamed: a file that is there is whole.
    writeFileSync(`${path}.new`, `${JSON.stringify(result, null, 2)}\n`);
    renameSync(`${path}.new`, path);
  }

  /** What the part gave when it was last run; undefined if it never was. */
  load(part: PartId): PartResult | undefined {
    const path = this.#pathOf(part);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as PartResult) : undefined;
  }

  all(): PartResult[] {
    return PART_IDS.map((id) => this.load(id)).filter((result) => result !== undefined);
  }

  #pathOf(part: PartId): string {
    return join(this.#folder, `${part}.json`);
  }
}
