/** Records of the directory, for tests and the fuzzer. Owns: what stands in one where a test does not care. */
import type { NodeRecord } from '../directory/directory.ts';
import { DEFAULT_TIMINGS } from '../timing.ts';

/** A node that is well, on a machine of its own. */
export function nodeRecord(node: string, incarnation: string, more: Partial<NodeRecord> = {}): NodeRecord {
  const { fenceMs, deadMs } = DEFAULT_TIMINGS;
  return {
    node,
    incarnation,
    state: 'active',
    link: `${node}:7000`,
    weight: 1,
    programs: [{ pattern: '*', program: 'chat' }],
    version: '0.1.0',
    timings: { fenceMs, deadMs },
    host: 'host',
    pid: 1,
    pidStart: '',
    bootId: '',
    pidNamespace: '',
    startedAt: 0,
    ...more,
  };
}
