/** Certificates for tests. Owns: a temporary directory with an authority's and those it signed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];

export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'bellhop-authority-'));
  readonly ca = join(this.#folder, 'ca.pem');
  readonly #key = join(this.#folder, 'ca.key');

  /** @param above  signs its certificate; absent: it does so itself */
  constructor(name: string, above?: Authority) {
    const signed = above === undefined ? [] : ['-CA', above.ca, '-CAkey', above.#key];
    run([...signed, '-subj', `/CN=${name}`, '-keyout', this.#key, '-out', this.ca]);
  }

  /** Signs a certificate for 127.0.0.1 and localhost, and puts it into files of that name, in the place of what was there. */
  sign(name: string): CertificateFiles {
    const files = { cert: join(this.#folder, `${name}.pem`), key: join(this.#folder, `${name}.key`), ca: this.ca };
    const names = [
      '-addext',
      'subjectAltName=IP:127.0.0.1,DNS:localhost',
      '-addext',
      'basicConstraints=critical,CA:FALSE',
    ];
    run([
      '-CA',
      this.ca,
      '-CAkey',
      this.#key,
      '-subj',
      `/CN=${name}`,
      ...names,
      '-keyout',
      files.key,
      '-out',
      files.cert,
    ]);
    return files;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function run(args: readonly string[]): void {
  execFileSync('openssl', ['req', '-x509', ...CURVE, ...args], { stdio: 'pipe' });
}
