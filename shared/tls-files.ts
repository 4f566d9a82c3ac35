/** A certificate with its key, and where wanted the authority that signs the other side's, from files. Owns: reading them, trying them,
 *  and hearing of their change. Does not know: servers or links.
 *  Invariant: what `current` gives has been tried and fits together; a change that does not is told and leaves the last good one. */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigError } from './config-parse.ts';

/** Lowest version of TLS that is spoken anywhere. @see RFC 8996 (1.0 and 1.1 must not be used) */
export const TLS_VERSION_MIN = 'TLSv1.2';

export interface TlsPaths {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

/** Files are looked at this often: a notice of the kernel's misses those that are swapped behind a symbolic link. */
const LOOK_MS = 1_000;

export class TlsFiles {
  readonly #paths: TlsPaths;
  readonly #listeners = new Set<(identity: TlsIdentity) => void>();
  readonly #look = () => this.reload();
  readonly #onFault: (why: string) => void;
  #current: TlsIdentity;

  /** Reads and tries the files.
   *  @param onFault  told of a change that cannot be used
   *  @throws ConfigError saying what is wrong with which file */
  constructor(paths: TlsPaths, onFault: (why: string) => void) {
    this.#paths = paths;
    this.#onFault = onFault;
    this.#current = readIdentity(paths);
  }

  get current(): TlsIdentity {
    return this.#current;
  }

  /** Calls `listener` with each change from now on. */
  onChange(listener: (identity: TlsIdentity) => void): void {
    if (this.#listeners.size === 0) {
      for (const path of Object.values(this.#paths))
        watchFile(path, { interval: LOOK_MS, persistent: false }, this.#look);
    }
    this.#listeners.add(listener);
  }

  /** Reads the files again now. Listeners hear only of what has changed and can be used. */
  reload(): void {
    let next: TlsIdentity;
    try {
      next = readIdentity(this.#paths);
    } catch (error) {
      // The second of two files may not have been written yet: its change is another reason to look.
      this.#onFault(error instanceof Error ? error.message : String(error));
      return;
    }
    const { cert, key, ca } = this.#current;
    if (next.cert === cert && next.key === key && next.ca === ca) return;
    this.#current = next;
    for (const listener of this.#listeners) listener(next);
  }

  /** Looks no more. Safe to repeat. */
  close(): void {
    for (const path of Object.values(this.#paths)) unwatchFile(path, this.#look);
    this.#listeners.clear();
  }
}

function readIdentity({ cert, key, ca }: TlsPaths): TlsIdentity {
  const read = { cert: readText(cert), key: readText(key), ...(ca === undefined ? {} : { ca: readText(ca) }) };
  try {
    createSecureContext(read);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${cert} and ${key} are no certificate with its key: ${why}.`);
  }
  return read;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ConfigError(`${path} cannot be read: ${code}.`);
  }
}

/** Whether a socket failed because the two sides do not trust each other. */
export function isTlsFault(error: Error | undefined): boolean {
  const code = error !== undefined && 'code' in error ? String(error.code) : '';
  return /^(?:ERR_SSL|ERR_TLS|EPROTO|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|CERT_)/.test(code);
}
