/** A certificate with its key, and where wanted the authority that signs the other side's, from files. Owns: reading them, trying them,
 *  and hearing of their change. Does not know: servers or links.
 *  Invariant: what `current` gives has been tried and fits together; a change that does not is told and leaves the last good one. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext, DEFAULT_MIN_VERSION, type SecureVersion } from 'node:tls';
import { ConfigError } from './config-parse.ts';
import type { Logger } from './log.ts';

/** Lowest version of TLS that is spoken anywhere; Node's own flag `--tls-min-v1.3` raises it. @see RFC 8996 (1.0 and 1.1 must not be used) */
export const TLS_VERSION_MIN: SecureVersion = DEFAULT_MIN_VERSION === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2';

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

/** Of PKCS #8, and of OpenSSL's older form. */
const IS_ENCRYPTED = /^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

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
  if (IS_ENCRYPTED.test(read.key)) {
    throw new ConfigError(
      `${key} is encrypted, and there is no passphrase to give: store it as it is, for this user alone to read.`,
    );
  }
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

/** Follows these files, and says in the log what becomes of them.
 *  @throws ConfigError as the constructor does */
export function followTls(paths: TlsPaths | undefined, log: Logger): TlsFiles | undefined {
  if (paths === undefined) return undefined;
  const files = new TlsFiles(paths, (why) => log.error('certificate not read', { why }));
  files.onChange(({ cert }) => log.info('certificate replaced', { file: paths.cert, ...describe(cert) }));
  return files;
}

/** Of the first certificate in the file, which is the one that is shown. */
function describe(cert: string): { readonly names: string | undefined; readonly validTo: string } {
  const { subjectAltName: names, validTo } = new X509Certificate(cert);
  return { names, validTo };
}

/** Whether a socket failed because the two sides do not trust each other. */
export function isTlsFault(error: Error | undefined): boolean {
  const code = error !== undefined && 'code' in error ? String(error.code) : '';
  return /^(?:ERR_SSL|ERR_TLS|EPROTO|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|CERT_)/.test(code);
}
