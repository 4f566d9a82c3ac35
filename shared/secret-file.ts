/** The cluster's secrets from a file, one a line, the first used and all accepted. Owns: reading them, and hearing of their change.
 *  Does not know: what they prove.
 *  Invariant: a file that cannot be used changes nothing. */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { ConfigError } from './config-parse.ts';
import type { Logger } from './log.ts';

/** As `--secret`: too short a secret can be guessed offline from one proof. */
const LENGTH = { min: 16, max: 1_024 } as const;
const SECRETS_MAX = 8;
const LOOK_MS = 1_000;

/** @throws ConfigError that never repeats what is in the file */
export function readSecrets(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `--secret-file cannot be read: ${error instanceof Error && 'code' in error ? error.code : error}.`,
    );
  }
  const secrets = text.split(/\r?\n/).filter((line) => line !== '');
  if (secrets.length === 0 || secrets.length > SECRETS_MAX) {
    throw new ConfigError(`--secret-file must have one secret a line, 1 to ${SECRETS_MAX} of them.`);
  }
  if (secrets.some(({ length }) => length < LENGTH.min || length > LENGTH.max)) {
    throw new ConfigError(`each secret in --secret-file must have ${LENGTH.min} to ${LENGTH.max} characters.`);
  }
  return secrets;
}

/** Follows a file: whoever holds `secrets` goes by what is in it from its next proof or signature on.
 *  @param path  absent: there is nothing to follow
 *  @returns reads it now, and ends following */
export function followSecrets(
  path: string | undefined,
  secrets: string[],
  log: Logger,
): { readonly reload: () => void; readonly close: () => void } {
  if (path === undefined) return { reload: () => undefined, close: () => undefined };
  const reload = () => {
    let next: string[];
    try {
      next = readSecrets(path);
    } catch (error) {
      return log.error('secrets not read', { why: error instanceof Error ? error.message : String(error) });
    }
    if (next.join('\n') === secrets.join('\n')) return;
    secrets.splice(0, secrets.length, ...next);
    log.info('secrets replaced', { count: secrets.length });
  };
  watchFile(path, { interval: LOOK_MS, persistent: false }, reload);
  return { reload, close: () => unwatchFile(path, reload) };
}
