import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import {
  type Args,
  type Directory,
  DirectoryError,
  type Operation,
  type Reply,
} from '../shared/directory/directory.ts';
import { nodeRecord, token } from '../shared/directory/example-records.ts';
import { MemoryDirectory } from '../shared/directory/memory-directory.ts';
import { SeededRandom } from '../shared/random.ts';
import { certifyByProof } from './certify.ts';

const RUN = token('run', 40);
const NEXT = token('next', 40);
const DEAD = { node: 'n1', incarnation: token('a') };

/** A directory that does not answer its first `failures` calls. */
class FlakyDirectory implements Directory {
  calls = 0;
  readonly #inner: Directory;
  readonly #failures: number;

  constructor(inner: Directory, failures: number) {
    this.#inner = inner;
    this.#failures = failures;
  }

  async call<K extends Operation>(operation: K, args: Args<K>): Promise<Reply<K>> {
    this.calls++;
    if (this.calls <= this.#failures) throw new DirectoryError('unavailable', 'away');
    return this.#inner.call(operation, args);
  }

  useRun(runId: string | undefined): void {
    this.#inner.useRun(runId);
  }
}

function world(failures = 0) {
  const memory = new MemoryDirectory({ runId: RUN });
  memory.execute('register', { record: nodeRecord(DEAD.node, DEAD.incarnation), runId: RUN, newGen: 'g1' }, 0);
  const directory = new FlakyDirectory(memory.connect(new ManualClock()), failures);
  const pauses: number[] = [];
  const pause = async (ms: number) => void pauses.push(ms);
  const certify = () => certifyByProof(directory, DEAD, { random: new SeededRandom(1), pause });
  const standing = () => memory.execute('standing', DEAD, 0).standing;
  return { memory, directory, pauses, certify, standing };
}

describe('certifyByProof', () => {
  it('certifies, and once is enough', async () => {
    const { certify, standing, pauses } = world();
    expect(await certify()).toBe('certified');
    expect(standing()).toBe('certified');
    expect(await certify()).toBe('already');
    expect(pauses).toEqual([]);
  });

  it('goes on while Redis is away, with growing pauses', async () => {
    const { certify, standing, pauses } = world(9);
    expect(await certify()).toBe('certified');
    expect(standing()).toBe('certified');
    expect(pauses).toHaveLength(9);
    expect(Math.min(...pauses)).toBeGreaterThan(3);
    expect(pauses.at(-1)).toBeGreaterThan(500);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1_300);
  });

  it('gives up at last', async () => {
    const { certify, standing, pauses } = world(1_000);
    expect(await certify()).toBe('gave up');
    expect(standing()).toBe('living');
    expect(pauses).toHaveLength(64);
  });

  it('finds nothing to certify in a history that never knew the node', async () => {
    const { certify, memory } = world();
    memory.restart({ runId: NEXT, data: 'empty' });
    expect(await certify()).toBe('absent');
  });

  it('certifies in whichever history is in force', async () => {
    const { certify, memory, directory, standing } = world();
    directory.useRun(RUN);
    memory.restart({ runId: NEXT, data: 'kept' });
    expect(await certify()).toBe('certified');
    expect(standing()).toBe('certified');
  });

  it('does not hide a defect', async () => {
    const { directory } = world();
    const broken: Directory = { call: () => Promise.reject(new TypeError('defect')), useRun: directory.useRun };
    const options = { random: new SeededRandom(1), pause: async () => undefined };
    await expect(certifyByProof(broken, DEAD, options)).rejects.toThrow(TypeError);
  });
});
