/** Which router the command line asks. Owns: the order in which it is looked for. Does not know: what is asked.
 *  `--url`, else BELLHOP_URL, else the routers of the cluster that runs from this checkout; of several the first that answers. */
import { readFileSync } from 'node:fs';
import { withoutScopes } from '../../shared/api-token.ts';
import type { OperatorEnvironment } from '../../shared/config.ts';
import { ApiClient, whyOf } from './api-client.ts';
import { Failure } from './failure.ts';

export interface RouterFlags {
  readonly url?: string | undefined;
  readonly apiToken?: string | undefined;
  readonly apiTokenFile?: string | undefined;
}

export interface Surroundings {
  readonly env: OperatorEnvironment;
  /** Routers of the cluster that runs from here. */
  readonly running: readonly string[];
  /** Who runs this process. */
  readonly operator: string;
}

const PROBE_MS = 3_000;
const URLS_MAX = 32;
const TOKEN_CHARS_MAX = 1_024;

/** @throws Failure `wrong` where none answers */
export async function findRouter(flags: RouterFlags, around: Surroundings): Promise<ApiClient> {
  const urls = candidates(flags, around);
  const token = tokenOf(flags, around.env);
  const operator = around.env.operator ?? around.operator;
  const refusals: string[] = [];
  for (const url of urls) {
    const why = await probe(url);
    if (why === undefined) return new ApiClient({ url, token, operator });
    refusals.push(`${url} (${why})`);
  }
  throw new Failure('wrong', `no router answers at ${refusals.join(', ')}.`);
}

function candidates(flags: RouterFlags, { env, running }: Surroundings): readonly string[] {
  const given = flags.url ?? env.url;
  const urls = given === undefined ? running : given.split(',').map((url) => url.trim());
  if (urls.length === 0) {
    throw new Failure(
      'wrong',
      'no cluster runs from here: start one with npm start, or name a router with --url http://host:port or BELLHOP_URL.',
    );
  }
  for (const url of urls) {
    if (!/^https?:\/\/[^/?#]/.test(url) || !URL.canParse(url) || /[?#]/.test(url)) {
      throw new Failure('wrong', `${JSON.stringify(url)} is not the http:// or https:// URL of a router.`);
    }
    const { username, password } = new URL(url);
    if (username + password !== '') {
      throw new Failure('wrong', 'a router’s URL has no user and no password in it: see --api-token.');
    }
  }
  return urls.slice(0, URLS_MAX);
}

function tokenOf(flags: RouterFlags, env: OperatorEnvironment): string | undefined {
  if (flags.apiToken !== undefined) return checked(flags.apiToken);
  if (flags.apiTokenFile !== undefined) return fromFile(flags.apiTokenFile);
  if (env.apiToken !== undefined) return checked(env.apiToken);
  return env.apiTokenFile === undefined ? undefined : fromFile(env.apiTokenFile);
}

function fromFile(path: string): string {
  try {
    return checked(readFileSync(path, 'utf8').trim());
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('wrong', `the API token cannot be read from ${JSON.stringify(path)}: ${whyOf(error)}.`, error);
  }
}

/** It goes into a header, and never into a sentence. */
function checked(token: string): string {
  if (!/^[\x21-\x7e]+$/.test(token) || token.length > TOKEN_CHARS_MAX) {
    throw new Failure('wrong', `an API token has 1 to ${TOKEN_CHARS_MAX} visible ASCII characters.`);
  }
  return withoutScopes(token);
}

/** Any answer at all will do: what the router thinks of the question is the command's to hear. */
async function probe(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${url.replace(/\/+$/, '')}/livez`, {
      signal: AbortSignal.timeout(PROBE_MS),
      redirect: 'error',
    });
    await answer.body?.cancel();
    return undefined;
  } catch (error) {
    return error instanceof Error && error.name === 'TimeoutError'
      ? `no answer within ${PROBE_MS / 1_000} s`
      : whyOf(error);
  }
}
