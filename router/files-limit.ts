/** How many sockets this process may open. Owns: what of its open files is kept for clients. Does not know: sockets.
 *  A process without a free file cannot accept, and cannot reach Redis or a node either: clients beyond must be refused before.
 *  @see getrlimit(2), RLIMIT_NOFILE */
import { readFileSync } from 'node:fs';

/** Links, Redis, logs, what a library opens meanwhile. */
const OWN_FILES = 128;
/** Of the rest, for requests to the API and for clients that are being told 503. */
const PLAIN_SHARE = 0.25;
/** More than these are never needed. */
export const PLAIN_CONNECTIONS_MAX = 1_000;

export interface ConnectionBounds {
  readonly connectionsMax: number;
  readonly plainConnectionsMax: number;
}

/** @param files  undefined: not known, and taken for enough */
export function connectionsWithin(files: number | undefined, wanted: number): ConnectionBounds {
  if (files === undefined) return { connectionsMax: wanted, plainConnectionsMax: PLAIN_CONNECTIONS_MAX };
  const left = Math.max(2, files - OWN_FILES);
  const plainConnectionsMax = Math.max(1, Math.min(PLAIN_CONNECTIONS_MAX, Math.floor(left * PLAIN_SHARE)));
  return { connectionsMax: Math.min(wanted, left - plainConnectionsMax), plainConnectionsMax };
}

/** The soft limit, which Node raises to the hard one as it starts; undefined where it is not known, or there is none. */
export function openFilesMax(
  limits: () => string = () => readFileSync('/proc/self/limits', 'latin1'),
): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(limits())?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
