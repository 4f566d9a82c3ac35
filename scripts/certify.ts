/** The certificate by proof of a node whose process this one has reaped. Owns: trying until Redis has it, within a bound.
 *  A dead process is dead in every history, so the certificate is written into whichever is in force.
 *  @see DESIGN §4 Certificate */
import { type Directory, DirectoryError } from '../shared/directory/directory.ts';
import { jittered, type RandomSource } from '../shared/random.ts';

export interface DeadNode {
  readonly node: string;
  readonly incarnation: string;
}

const ATTEMPTS_MAX = 64;
/** The connection is opened for this, and takes a few milliseconds. */
const FIRST_PAUSE_MS = 5;
const PAUSE_MAX_MS = 1_000;

/** Certifies `dead`, trying again while Redis is away: some 50 s in all.
 *  @param pause  waits between two attempts
 *  @returns `certified` | `already` (it was before, e.g. by its own leave) | `absent` (never registered in this history) |
 *  `gave up` (routers will certify by patience) */
export async function certifyByProof(
  directory: Directory,
  dead: DeadNode,
  { random, pause }: { readonly random: RandomSource; readonly pause: (ms: number) => Promise<void> },
): Promise<'certified' | 'already' | 'absent' | 'gave up'> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    try {
      const outcome = await attemptOnce(directory, dead);
      if (outcome !== 'again') return outcome;
    } catch (error) {
      if (!(error instanceof DirectoryError)) throw error;
      // Another run of Redis: the proof holds there too.
      if (error.code === 'other-run') directory.useRun(error.runId);
    }
    await pause(jittered(random, Math.min(FIRST_PAUSE_MS * 2 ** attempt, PAUSE_MAX_MS), 0.3));
  }
  return 'gave up';
}

async function attemptOnce(
  directory: Directory,
  { node, incarnation }: DeadNode,
): Promise<'certified' | 'already' | 'absent' | 'again'> {
  const { runId, gen } = await directory.call('readCluster', {});
  directory.useRun(runId);
  if (gen === undefined) return 'absent';
  const by = { kind: 'proof', how: 'reaped by supervisor' } as const;
  const reply = await directory.call('certify', { node, incarnation, by, runId, gen });
  switch (reply.kind) {
    case 'certified':
    case 'already':
    case 'absent':
      return reply.kind;
    case 'other-gen':
      return 'again';
    case 'other-run':
      directory.useRun(reply.runId);
      return 'again';
    case 'moved':
      // Only patience names a counter.
      throw new Error('a certificate by proof was answered with a counter');
    default:
      return reply satisfies never;
  }
}
