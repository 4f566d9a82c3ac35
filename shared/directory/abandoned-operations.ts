/** The operations on rooms that died with their owner and that nobody has opened since. Owns: their shape and each of their replies. Does
 *  not know: which incarnations are dead. Part of DirectoryOperations. */
import type { Triple } from './directory.ts';

export interface AbandonedOperations {
  /** Names rooms that have a record, page by page: all those that have one from the first page to the last are named at least once.
   *  `cursor`: of the page before; absent for the first. The reply has none after the last page. `limit`: about as many keys are looked
   *  at, of which few or none may be rooms. */
  scanRooms: {
    args: { readonly cursor?: string | undefined; readonly limit: number };
    reply: { readonly rooms: readonly string[]; readonly cursor?: string | undefined };
  };
  /** Has all keys of a room expire together, as a release does, and leaves its record as it is: who claims it next still takes it over
   *  from this owner, and removes the expiry. `expires`: it is set now. `expiring`: it was before, and stays when it was. */
  expireRoom: {
    args: { readonly room: string; readonly triple: Triple; readonly expireMs: number; readonly runId: string };
    reply:
      | { readonly kind: 'expires' }
      | { readonly kind: 'expiring' }
      /** The record does not hold this triple, or there is none. */
      | { readonly kind: 'changed' }
      | { readonly kind: 'other-run'; readonly runId: string };
  };
}
