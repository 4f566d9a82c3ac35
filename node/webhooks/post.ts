/** One request to a receiver of webhooks. Owns: its bounds, and that it goes to no address that it must not. Does not know: what it says.
 *  The address that is connected to is the one that was checked: it is looked at between the name's lookup and the connection, where
 *  no second answer of a name server can come between. Redirects are not followed, and of an answer nothing but the status is read.
 *  Invariant: a request ends within `timeoutMs`, whatever the receiver does. */
import { type LookupAddress, lookup as lookUp } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isRefusedAddress } from './address.ts';

export interface PostOptions {
  readonly timeoutMs: number;
  /** Lets requests go to link-local and metadata addresses. */
  readonly anyAddress: boolean;
}

const SOCKETS_MAX = 4;
const ANSWER_BYTES_MAX = 65_536;
const HEADER_BYTES_MAX = 16_384;

export class Post {
  readonly #options: PostOptions;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  readonly #lookup: LookupFunction;

  constructor(options: PostOptions) {
    this.#options = options;
    this.#lookup = options.anyAddress ? (lookUp as LookupFunction) : checkedLookup;
    const shape = { keepAlive: true, maxSockets: SOCKETS_MAX, maxFreeSockets: 1 };
    this.#http = new HttpAgent(shape);
    this.#https = new HttpsAgent(shape);
  }

  /** @returns the status of the answer
   *  @throws Error with a sentence: no answer in time, nobody there, an address that is refused */
  send(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<number> {
    const target = new URL(url);
    // A literal address is never looked up.
    if (!this.#options.anyAddress && isIP(bare(target.hostname)) !== 0 && isRefusedAddress(bare(target.hostname))) {
      return Promise.reject(new Error(`webhooks do not go to ${target.hostname}`));
    }
    const isSecure = target.protocol === 'https:';
    return new Promise((resolve, reject) => {
      const request = (isSecure ? httpsRequest : httpRequest)(target, {
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body), 'user-agent': 'bellhop-webhooks' },
        agent: isSecure ? this.#https : this.#http,
        lookup: this.#lookup,
        maxHeaderSize: HEADER_BYTES_MAX,
      });
      const end = (outcome: number | Error): void => {
        clearTimeout(timer);
        if (typeof outcome === 'number') resolve(outcome);
        else reject(outcome);
      };
      const timer = setTimeout(() => request.destroy(new Error('no answer in time')), this.#options.timeoutMs);
      request.on('error', end);
      request.on('response', (response) => {
        let bytes = 0;
        // Read to its end, so that the connection can be used again; no further than is worth that.
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES_MAX) response.destroy();
        });
        response.on('close', () => end(response.statusCode ?? 0));
        response.on('error', () => undefined);
      });
      request.end(body);
    });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

const checkedLookup: LookupFunction = (hostname, options, done) => {
  lookUp(hostname, { ...options, all: true }, (error, addresses) => {
    const found = addresses as readonly LookupAddress[] | undefined;
    const allowed = found?.filter(({ address }) => !isRefusedAddress(address)) ?? [];
    const [first] = allowed;
    if (error !== null) return done(error, '', 0);
    if (first === undefined) return done(new Error(`webhooks do not go where ${hostname} leads`), '', 0);
    if (options.all === true) return done(null, [...allowed]);
    done(null, first.address, first.family);
  });
};

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
