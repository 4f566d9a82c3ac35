/** Who is at the other end of a link, and does it know the cluster secret. Owns: the exchange, as a pure state machine for both
 *  sides. Does not know: sockets or timers (the edge calls `expire`).
 *
 *      dialer                          acceptor
 *        | ── HELLO (nonce d) ───────────▶ |  checks magic, version, cluster, role
 *        | ◀─────────── HELLO (nonce a) ── |
 *        |  checks the same                |
 *        | ── PROOF "dialer" ────────────▶ |  verifies: the dialer is up for it
 *        | ◀──────────── PROOF "acceptor" ─|
 *        |  verifies: up                   |
 *
 *  A proof is HMAC-SHA-256 under the cluster secret of the prover's label and the payload bytes of both hellos. Why in this
 *  order: whoever can reach the port of a node must not be handed a proof by it, so the dialer goes first, and to someone it
 *  chose to dial. What a false acceptor collects is good for nothing else: it holds its own nonce. A proof that is replayed
 *  fails on the fresh nonce of the other side, one that is reflected fails on the label, and a version range or a feature
 *  changed on the way fails on the bytes. The link is not encrypted: a secret that can be guessed can be guessed from a proof
 *  offline, and one who sits between the two may read on. Run it inside a network of your own, or a tunnel.
 *
 *  Invariant: `done` is returned only after the other side's proof was verified.
 *  @see Bellare, Canetti, Krawczyk 1996 (HMAC); RFC 2104 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeFrame } from './decode.ts';
import { encode } from './encode.ts';
import { FRAME_HEADER_BYTES, type Frame, payloadOfFrame } from './frame-header.ts';
import type { Hello, LinkRole } from './messages.ts';
import { LinkProtocolError } from './protocol-error.ts';

/** Versions of the link's protocol that this build speaks. */
export const LINK_VERSION_MIN = 1;
export const LINK_VERSION_MAX = 1;

/** Why a handshake failed. `identity`: another node or incarnation answers than the one dialed. `refused`: the other side gave
 *  a reason that is none of these. `malformed`: a frame that may not come now, or that is none. */
export type HandshakeFault =
  | 'bad-magic'
  | 'version'
  | 'cluster'
  | 'role'
  | 'identity'
  | 'proof'
  | 'timeout'
  | 'refused'
  | 'malformed';

const FAULTS: readonly string[] = [
  'bad-magic',
  'version',
  'cluster',
  'role',
  'identity',
  'proof',
  'timeout',
  'malformed',
];

/** The link did not come up. `version`, `cluster`, `role`, `proof` and `bad-magic` will not mend by themselves, but a rolling
 *  restart or a rotation under way mends them from outside: dialing again is right, at the usual pace. */
export class HandshakeError extends Error {
  readonly code: HandshakeFault;
  readonly retryable = true;

  constructor(code: HandshakeFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HandshakeError';
    this.code = code;
  }
}

/** Who this process is. */
export interface LinkIdentity {
  readonly role: LinkRole;
  readonly cluster: string;
  readonly id: string;
  readonly incarnation: string;
  readonly features: readonly string[];
  /** Default to what this build speaks. */
  readonly versionMin?: number;
  readonly versionMax?: number;
}

/** Who the other side has proved to be, and what both can do. */
export interface LinkPeer {
  readonly role: LinkRole;
  readonly id: string;
  readonly incarnation: string;
  /** Highest version that both speak. */
  readonly version: number;
  /** Features that both have. */
  readonly features: readonly string[];
}

export interface HandshakeOptions {
  readonly side: 'dialer' | 'acceptor';
  readonly self: LinkIdentity;
  /** Cluster secrets: the first is proved with, all are accepted. To rotate: add the new one behind, everywhere; then put it first,
   *  everywhere; then take the old one away. */
  readonly secrets: readonly string[];
  /** 32 hex characters, never used before. */
  readonly nonce: string;
  /** Roles that the other side may have. */
  readonly accepts: readonly LinkRole[];
  /** Whom a dialer means to reach: an address may have passed to another node. */
  readonly expect?: { readonly id?: string | undefined; readonly incarnation?: string | undefined } | undefined;
}

/** What to do next; `send` is written first. After `done` and `failed` the handshake takes nothing more. */
export type HandshakeStep =
  | { readonly kind: 'wait'; readonly send: readonly Buffer[] }
  | { readonly kind: 'done'; readonly send: readonly Buffer[]; readonly peer: LinkPeer }
  | { readonly kind: 'failed'; readonly send: readonly Buffer[]; readonly error: HandshakeError };

type Phase =
  | { readonly kind: 'hello' }
  | { readonly kind: 'proof'; readonly hello: Hello; readonly version: number; readonly transcript: Buffer }
  | { readonly kind: 'over' };

type Label = 'dialer' | 'acceptor';

export class Handshake {
  readonly #options: HandshakeOptions;
  /** Our hello as a frame. */
  readonly #hello: Buffer;
  #phase: Phase = { kind: 'hello' };

  /** @throws RangeError without a secret, or with an empty one
   *  @throws LinkEncodeError where the identity does not fit a hello */
  constructor(options: HandshakeOptions) {
    if (options.secrets.length === 0 || options.secrets.includes('')) {
      throw new RangeError('a link needs a cluster secret, and none may be empty');
    }
    this.#options = options;
    const { self, nonce } = options;
    this.#hello = encode({
      type: 'hello',
      versionMin: self.versionMin ?? LINK_VERSION_MIN,
      versionMax: self.versionMax ?? LINK_VERSION_MAX,
      role: self.role,
      cluster: self.cluster,
      id: self.id,
      incarnation: self.incarnation,
      nonce,
      features: self.features,
    });
  }

  /** The first words: a dialer's hello; an acceptor has none. */
  start(): HandshakeStep {
    return { kind: 'wait', send: this.#options.side === 'dialer' ? [this.#hello] : [] };
  }

  /** Takes the other side's next frame. */
  receive(frame: Frame): HandshakeStep {
    const phase = this.#phase;
    try {
      if (phase.kind === 'over') throw new LinkProtocolError('out-of-order', 'the handshake is over');
      if (frame.type === 'goaway') return this.#refusedBy(frame);
      if (phase.kind === 'hello') {
        if (frame.type !== 'hello') throw new LinkProtocolError('bad-magic', 'the first frame is not a hello');
        return this.#onHello(frame);
      }
      if (frame.type !== 'proof') throw new LinkProtocolError('out-of-order', `${frame.type} came in place of a proof`);
      return this.#onProof(phase, payloadOfFrame(frame));
    } catch (error) {
      if (error instanceof LinkProtocolError) return this.broken(error);
      throw error;
    }
  }

  /** What came was no frame of the protocol. */
  broken(error: LinkProtocolError): HandshakeStep {
    // Before a hello with our magic it may be anything that dialed a wrong port.
    const stranger = this.#phase.kind === 'hello' && error.code !== 'bad-shape';
    return this.#fail(stranger ? 'bad-magic' : 'malformed', error.message, error);
  }

  /** The deadline has passed. */
  expire(): HandshakeStep {
    const missing = this.#phase.kind === 'proof' ? 'proof' : 'hello';
    return this.#fail('timeout', `the other side sent no ${missing} in time`);
  }

  #onHello(frame: Frame): HandshakeStep {
    const hello = decodeFrame(frame);
    if (hello.type !== 'hello') throw new LinkProtocolError('bad-magic', 'the first frame is not a hello');
    const { self, side, accepts, expect, nonce } = this.#options;
    const min = self.versionMin ?? LINK_VERSION_MIN;
    const max = self.versionMax ?? LINK_VERSION_MAX;
    const version = Math.min(max, hello.versionMax);
    if (version < Math.max(min, hello.versionMin)) {
      const ours = `${self.role} ${self.id} speaks ${min} to ${max}`;
      const theirs = `${hello.role} ${hello.id} speaks ${hello.versionMin} to ${hello.versionMax}`;
      return this.#fail('version', `no version of the link in common: ${ours}, ${theirs}`);
    }
    if (hello.cluster !== self.cluster) {
      return this.#fail('cluster', `${hello.role} ${hello.id} belongs to another cluster, ${hello.cluster}`);
    }
    if (!accepts.includes(hello.role)) {
      return this.#fail('role', `a ${hello.role} is not who belongs at that end: ${accepts.join(' or ')}`);
    }
    if (expect?.id !== undefined && expect.id !== hello.id) {
      return this.#fail('identity', `${hello.id} answers where ${expect.id} was dialed`);
    }
    if (expect?.incarnation !== undefined && expect.incarnation !== hello.incarnation) {
      return this.#fail('identity', `incarnation ${hello.incarnation} answers where ${expect.incarnation} was dialed`);
    }
    if (hello.nonce === nonce) return this.#fail('proof', 'our own hello came back');

    const ours = this.#hello.subarray(FRAME_HEADER_BYTES);
    const theirs = payloadOfFrame(frame);
    const transcript = side === 'dialer' ? transcriptOf(ours, theirs) : transcriptOf(theirs, ours);
    this.#phase = { kind: 'proof', hello, version, transcript };
    return { kind: 'wait', send: [side === 'dialer' ? this.#prove(transcript) : this.#hello] };
  }

  #onProof(phase: Extract<Phase, { kind: 'proof' }>, mac: Buffer): HandshakeStep {
    const { side, self, secrets } = this.#options;
    const theirs: Label = side === 'dialer' ? 'acceptor' : 'dialer';
    let known = false;
    // All are tried, also after one fits: how long it takes says nothing about which.
    for (const secret of secrets) {
      if (timingSafeEqual(macOf(secret, theirs, phase.transcript), mac)) known = true;
    }
    const { hello, version, transcript } = phase;
    if (!known) {
      return this.#fail('proof', `${hello.role} ${hello.id} did not prove that it knows the secret of this cluster`);
    }
    this.#phase = { kind: 'over' };
    const features = self.features.filter((feature) => hello.features.includes(feature));
    const peer: LinkPeer = { role: hello.role, id: hello.id, incarnation: hello.incarnation, version, features };
    return { kind: 'done', send: side === 'acceptor' ? [this.#prove(transcript)] : [], peer };
  }

  #prove(transcript: Buffer): Buffer {
    const { side, secrets } = this.#options;
    return encode({ type: 'proof', mac: macOf(secrets[0] ?? '', side, transcript) });
  }

  /** The other side's words are not proven, so they are good for a log and nothing else. */
  #refusedBy(frame: Frame): HandshakeStep {
    const goaway = decodeFrame(frame);
    const text = goaway.type === 'goaway' ? goaway.text : '';
    const code = text.slice(0, Math.max(0, text.indexOf(':')));
    this.#phase = { kind: 'over' };
    const fault = FAULTS.includes(code) ? (code as HandshakeFault) : 'refused';
    return {
      kind: 'failed',
      send: [],
      error: new HandshakeError(fault, `the other side refused: ${JSON.stringify(text)}`),
    };
  }

  #fail(code: HandshakeFault, message: string, cause?: unknown): HandshakeStep {
    this.#phase = { kind: 'over' };
    // 256 characters fit a frame however JSON escapes them.
    const goaway = encode({ type: 'goaway', reason: 'protocol', text: `${code}: ${message}`.slice(0, 256) });
    return { kind: 'failed', send: [goaway], error: new HandshakeError(code, message, cause) };
  }
}

/** Tries out an identity and secrets, so that what cannot be used is found at start and not with the first socket.
 *  @throws RangeError | LinkEncodeError */
export function checkHandshake(options: Omit<HandshakeOptions, 'side' | 'nonce'>): void {
  new Handshake({ ...options, side: 'dialer', nonce: '0'.repeat(32) });
}

/** Both hellos, each behind its length, so that no two pairs of hellos give the same bytes. */
function transcriptOf(dialer: Buffer, acceptor: Buffer): Buffer {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(dialer.length, 0);
  lengths.writeUInt32BE(acceptor.length, 4);
  return Buffer.concat([lengths, dialer, acceptor]);
}

function macOf(secret: string, prover: Label, transcript: Buffer): Buffer {
  return createHmac('sha256', secret).update(`bellhop link proof, ${prover}\n`).update(transcript).digest();
}
