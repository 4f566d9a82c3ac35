/** Records and names for the tests of the directory. Owns: nothing but examples; every field can be overridden. */
import type { NodeRecord, RoomRecord, RouterRecord, Triple } from './directory.ts';

/** An incarnation, nonce or run id that is easy to read in a failure. */
export const token = (name: string, length = 32) =>
  Buffer.from(name).toString('hex').padEnd(length, '0').slice(0, length);

export function nodeRecord(node: string, incarnation: string, more: Partial<NodeRecord> = {}): NodeRecord {
  return {
    node,
    incarnation,
    state: 'active',
    link: '10.0.0.1:7000',
    weight: 1,
    programs: [],
    version: '0.1.0',
    timings: { fenceMs: 1_500, deadMs: 2_600 },
    host: 'höst',
    pid: 4_242,
    pidStart: '',
    bootId: '',
    pidNamespace: '',
    startedAt: 1_700_000_000_000,
    ...more,
  };
}

export function routerRecord(router: string, incarnation: string, more: Partial<RouterRecord> = {}): RouterRecord {
  return {
    router,
    incarnation,
    url: 'http://10.0.0.2:8080',
    version: '0.1.0',
    timings: { fenceMs: 1_500, deadMs: 2_600 },
    host: 'h',
    pid: 7,
    startedAt: 1_700_000_000_000,
    counter: 0,
    sessions: 0,
    ...more,
  };
}

export function tripleOf(record: RoomRecord): Triple {
  return { incarnation: record.owner?.incarnation ?? '', epoch: record.epoch, nonce: record.nonce };
}
