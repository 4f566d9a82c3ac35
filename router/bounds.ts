/** How often, how many and how long a router tries. Owns: these numbers. Periods of the ownership protocol are in
 *  shared/timing.ts. */

export const HOPS_MAX = 3;
export const PAUSES_MS = [50, 100, 200] as const;
/** A wait for a link or a certificate is looked at again after this long even if nothing was heard. */
export const WAIT_ON_MS = 1_000;
/** Time beyond `dead` that a new session waits for an owner. */
export const OPEN_EXTRA_MS = 2_000;
/** A session that had a seat waits this long for another while Redis answers. */
export const REBIND_WAIT_MS = 60_000;
export const READS_AT_ONCE = 128;
export const CACHE_MAX = 100_000;
/** A link carries serials of 32 bits; that many OPENs are never under way at once. */
export const SERIALS = 2 ** 32;
