/** Records and names of the small cluster that the fuzzer plays. */
import type { LinkIdentity } from '../../shared/link/handshake.ts';
import { LINK_FEATURES } from '../../shared/link/messages.ts';

export const SECRETS = ['fuzz'];
export const INCARNATIONS = { bad: 'b'.repeat(32), good: 'e'.repeat(32), router: 'a'.repeat(32), node: '9'.repeat(32) };

export function identity(role: 'router' | 'node', id: string, incarnation: string): LinkIdentity {
  return { role, cluster: 'blue', id, incarnation, features: [] };
}

/** The same as it stands in a HELLO: a link names what this build can do by itself, a peer played by hand does not. */
export function helloOf(self: LinkIdentity): LinkIdentity {
  return { ...self, features: [...self.features, ...LINK_FEATURES] };
}
