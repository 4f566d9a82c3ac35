/** Which node records this process believes. Owns: how a record is signed, what a signature covers, and which records are ignored.
 *  Does not know: connections, or what a record is used for.
 *
 *  A record is signed with the cluster secret in two parts, since the weight changes while the rest stays: one HMAC over all that the
 *  node says of itself (link address, incarnation, programs, timings …), one over its weight. Both name the prefix, the cluster, the
 *  node and the incarnation, so that neither fits another record. The state is not signed: whoever observes a death writes it, and it
 *  can take a node out of service but lead nobody anywhere.
 *  Invariant: what `open` returns was signed by one who knows a secret of this cluster, and names an address that may be dialled.
 *  @see RFC 2104 (HMAC) */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type LinkAllow, neverDialled } from '../link/allow.ts';
import { parseAddress } from '../link/dial.ts';
import type { NodeRecord } from './directory.ts';

export interface RecordGuardOptions {
  readonly prefix: string;
  readonly cluster: string;
  /** The first signs, all are accepted. */
  readonly secrets: readonly string[];
  readonly allow: LinkAllow;
  /** Told once of each record that is ignored, while it stands; of TOLD_MAX a list, and of REPORTED_MAX that stand at once. */
  readonly onIgnored: (node: string, why: string) => void;
}

/** The parts of a stored record that a signature covers or is. */
export interface SealedRecord {
  readonly node: string;
  readonly incarnation: string;
  readonly state: string;
  readonly weight: string;
  readonly weightSeal: string | undefined;
  /** The JSON as it was given. */
  readonly json: string;
  readonly seal: string | undefined;
}

/** Records whose report is remembered, each by a digest: they may be as large as Redis lets them be. */
const REPORTED_MAX = 1_000;
/** Records that are reported of one list: the others are with the lists that follow. */
const TOLD_MAX = 20;
/** Characters of a name that are reported. */
const NAME_CHARS_MAX = 256;

export class RecordGuard {
  readonly #options: RecordGuardOptions;
  #reported = new Set<string>();
  /** Those of `#reported` that the list being read has. */
  #standing = new Set<string>();
  #told = 0;

  constructor(options: RecordGuardOptions) {
    this.#options = options;
  }

  /** The signature of what a node says of itself. */
  seal(node: string, incarnation: string, json: string): string {
    return this.#mac(this.#options.secrets[0] ?? '', 'record', [node, incarnation, json]).toString('base64url');
  }

  sealWeight(node: string, incarnation: string, weight: string): string {
    return this.#mac(this.#options.secrets[0] ?? '', 'weight', [node, incarnation, weight]).toString('base64url');
  }

  /** A list is about to be read: what has been reported and is not in the list before it any more is forgotten. */
  begin(): void {
    this.#reported = this.#standing;
    this.#standing = new Set();
    this.#told = 0;
  }

  /** Reads one record of a list, or reports it.
   *  @param parse  of a record whose signature is good
   *  @returns undefined where it is to be ignored */
  open(node: string, stored: string, take: () => SealedRecord, parse: () => NodeRecord): NodeRecord | undefined {
    const read = this.#read(take, parse);
    if (typeof read !== 'string') return read;
    if (read === '') return undefined;
    const key = createHash('sha256').update(`${node} ${stored}`).digest('base64');
    if (!this.#reported.has(key)) {
      if (this.#told >= TOLD_MAX || this.#standing.size >= REPORTED_MAX) return undefined;
      this.#told++;
      this.#options.onIgnored(node.slice(0, NAME_CHARS_MAX), read);
    }
    this.#standing.add(key);
    return undefined;
  }

  /** @returns why it is ignored; empty where that is not worth a word */
  #read(take: () => SealedRecord, parse: () => NodeRecord): NodeRecord | string {
    let record: NodeRecord;
    try {
      const sealed = take();
      const { node, incarnation, weight, json } = sealed;
      // Of a life that is over, and under a secret that was retired since: nobody dials it.
      const isOver = sealed.state === 'dead' || sealed.state === 'left';
      if (sealed.seal === undefined || sealed.weightSeal === undefined) return isOver ? '' : 'it is not signed';
      const isGood =
        this.#isGood(sealed.seal, 'record', [node, incarnation, json]) &&
        this.#isGood(sealed.weightSeal, 'weight', [node, incarnation, weight]);
      if (!isGood) return isOver ? '' : 'its signature is not of this cluster’s secret';
      record = parse();
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      return 'it is no record';
    }
    const address = parseAddress(record.link);
    if (address === undefined) return 'it names no address of a link';
    return this.#options.allow.refusal(address) ?? refusalOfTarget(record.attends) ?? record;
  }

  #isGood(seal: string, label: 'record' | 'weight', parts: readonly string[]): boolean {
    const given = Buffer.from(seal, 'base64url');
    let known = false;
    // All are tried, also after one fits, as in a link's handshake.
    for (const secret of this.#options.secrets) {
      const mac = this.#mac(secret, label, parts);
      if (given.length === mac.length && timingSafeEqual(given, mac)) known = true;
    }
    return known;
  }

  #mac(secret: string, label: 'record' | 'weight', parts: readonly string[]): Buffer {
    const { prefix, cluster } = this.#options;
    // JSON tells where one part ends, so that no two lists give the same bytes.
    const text = JSON.stringify([prefix, cluster, ...parts]);
    return createHmac('sha256', secret).update(`bellhop node ${label}\n`).update(text).digest();
  }
}

/** The server of an attendant may be anywhere but where nobody's is: routers connect to it. */
function refusalOfTarget(attends: string | undefined): string | undefined {
  const host = attends === undefined ? undefined : /^wss?:\/\/(?:\[([^\]]+)\]|([^/:?#]+))/.exec(attends);
  const why = neverDialled(host?.[1] ?? host?.[2] ?? '');
  return why === undefined ? undefined : `its target is ${why}`;
}
