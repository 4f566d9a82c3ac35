/** Secrets that the runner of all tests planted, for processes and clients of scenarios. Owns: how they are read. A test that is run by
 *  itself has none, and uses its own. The runner searches for them in all that any process says (scripts/bootstrap/planted.mjs). */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

type Kind = 'bearer' | 'ticket' | 'cookie' | 'api' | 'cluster' | 'redis' | 'jwt';

export const PLANTED = JSON.parse(process.env['BELLHOP_TEST_PLANTED'] ?? '{}') as Readonly<
  Partial<Record<Kind, string>>
>;
const OUTPUT = process.env['BELLHOP_TEST_OUTPUT'];

/** A Redis whose default user needs no password takes any: the planted one is then known to whoever is given this URL. */
export function withPlantedPassword(url: string): string {
  return PLANTED.redis === undefined ? url : url.replace('redis://127', `redis://default:${PLANTED.redis}@127`);
}

/** What a client shows where nobody looks at it: without authentication, a router must neither use nor repeat it. */
export function plantedHeaders(): Record<string, string> {
  const { bearer, cookie } = PLANTED;
  return {
    ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}.e30.${bearer}` }),
    ...(cookie === undefined ? {} : { Cookie: `session=${cookie}` }),
  };
}

export const plantedQuery = (): string => (PLANTED.ticket === undefined ? '' : `&ticket=${PLANTED.ticket}`);

/** Keeps what a process said for the runner's search. */
export function keepOutput(name: string, pid: number, chunk: Buffer): void {
  if (OUTPUT !== undefined) appendFileSync(join(OUTPUT, `${pid}-${name}.log`), chunk);
}
