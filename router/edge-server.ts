/** The port that clients and operators reach. Owns: the HTTP server with its limits, the answers before the 101, and the way from
 *  an upgraded socket to an accepted client. Does not know: rooms, owners, what the API answers.
 *
 *  The 101 comes first and authentication after it, since a browser cannot read the status of a refused upgrade. Meanwhile the
 *  socket is paused: what an eager client sends waits in the kernel, and none of it is lost.
 *  Invariant: every socket has an error listener from its first moment; each upgraded socket ends in exactly one of `accept`, a
 *  refusal with a close code, or its own death. */
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Server as SocketServer, WebSocketServer } from 'ws';
import { closeRow, type ErrorCode, errorRow } from '../shared/errors.ts';
import { SUBPROTOCOL } from '../shared/protocol.ts';
import * as encode from '../shared/protocol-encode.ts';
import { textFrame } from '../shared/websocket-frame.ts';
import { isSecure } from './access.ts';
import type { Admission } from './admit.ts';
import type { AttendedUpgrade } from './attended/attended.ts';
import type { Grant } from './authenticate.ts';
import { ClientSocket } from './client-socket.ts';
import type { ComeBack } from './come-back.ts';
import type { Inflation } from './compression/inflation.ts';
import { servedOffer } from './compression/offer.ts';
import { PLAIN_CONNECTIONS_MAX } from './files-limit.ts';
import type { Handshakes, HandshakeVerdict } from './handshakes.ts';
import { createHttpServer, type EdgeTls, type HttpServer } from './http-server.ts';
import { type Limits, REFUSALS } from './limits.ts';
import type { AcceptedClient } from './ports.ts';
import { refuseUpgrade } from './refuse-upgrade.ts';
import { Turns } from './turns.ts';
import { Unanswered } from './unanswered.ts';
import { checkUpgrade, readsNotices, type UpgradeRequest } from './upgrade.ts';
import { directAdapter, inflateBy } from './ws-adapter.ts';

export interface EdgeServerOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly payloadBytesMax: number;
  /** Upgraded sockets at once, those that are closing included. */
  readonly connectionsMax: number;
  /** Further sockets: requests to the API, and those that wait to be told 503. */
  readonly plainConnectionsMax?: number;
  /** Exact origins; undefined: the same host. */
  readonly origins?: readonly string[] | undefined;
  /** Whether a page may come under another name than this machine's; absent: it does not matter, since clients show who they are. */
  readonly isRebound?: ((request: IncomingMessage) => boolean) | undefined;
  /** Absent: every handshake is taken on. */
  readonly handshakes?: Pick<Handshakes, 'take'> | undefined;
  /** Absent: no caller is limited for its own sake. */
  readonly limits?: Limits | undefined;
  /** Whose connection a request is; without it, whoever is at the other end of its socket. */
  readonly addressOf?: (request: IncomingMessage) => string | undefined;
  /** When those who are refused are to come back. */
  readonly comeBack: Pick<ComeBack, 'next'>;
  /** Answers whatever is no upgrade. */
  readonly request: RequestListener;
  /** False while the router starts or stops. */
  readonly isReady: () => boolean;
  /** At once where nobody else has to be asked. */
  readonly admit: (request: UpgradeRequest) => Admission | Promise<Admission>;
  /** Takes over a socket that is open and paused. */
  readonly accept: (client: AcceptedClient, ws: ClientSocket, grant: Grant | undefined) => void;
  /** An upgrade was decided: undefined for one that became a client, or the code of its error. */
  readonly counted?: (refusedWith: ErrorCode | undefined) => void;
  /** Takes over the upgrades of attended rooms, which get no 101 from here. */
  readonly attended?:
    | { readonly isAttended: (room: string) => boolean; readonly take: (upgrade: AttendedUpgrade) => void }
    | undefined;
  /** Inflates what clients deflate; absent: no offer to compress is taken. */
  readonly inflation?: Inflation | undefined;
  /** Speaks TLS with this certificate, and with the next one once it changes. */
  readonly tls?: EdgeTls | undefined;
  readonly admitTimeoutMs?: number;
  readonly headersTimeoutMs?: number;
  readonly checkIntervalMs?: number;
  readonly plainIdleMs?: number;
  readonly log?: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

const HEADER_BYTES_MAX = 16_384;
/** With the checking interval on top, slow headers end within ten seconds. */
export const HEADERS_TIMEOUT_MS = 8_000;
const REQUEST_TIMEOUT_MS = 15_000;
export const CHECK_INTERVAL_MS = 1_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
/** A socket without an upgrade on which nothing is read or written for so long, say because its client takes no answer, is closed. */
const PLAIN_IDLE_MS = 60_000;
const ADMIT_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 5_000;
/** Fragments of one message, and chunks of one that is incomplete: both cost memory beside their bytes. */
const FRAGMENTS_MAX = 1_024;
const BUFFERED_CHUNKS_MAX = 4_096;
/** What a single client that is refused draws from; more are spread further. */
const RETRY_WINDOW = { minMs: 500, maxMs: 4_000 } as const;

const REBOUND = 'without authentication a page of another host name must be on the list of origins';
const TOO_MANY = 'more clients come than this router takes on at once';

/** Options of `ws` 8.23 that its types do not know yet. */
type ServerOptions = ConstructorParameters<typeof WebSocketServer<typeof ClientSocket>>[0] & {
  readonly closeTimeout: number;
};

export class EdgeServer {
  readonly #options: EdgeServerOptions;
  readonly #server: HttpServer;
  readonly #wss: SocketServer<typeof ClientSocket>;
  /** For clients whose offer to compress is taken. */
  readonly #deflating: SocketServer<typeof ClientSocket>;
  readonly #upgraded = new Set<Duplex>();
  readonly #unanswered = new Unanswered();
  /** Handshakes that were taken on; their number is bounded by what is taken on in a second. */
  readonly #turns = new Turns(() => performance.now());
  #started: Promise<number> | undefined;
  #closed: Promise<void> | undefined;
  readonly #forget: (this: Duplex) => void;

  constructor(options: EdgeServerOptions) {
    this.#options = options;
    const wsOptions: ServerOptions = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      skipUTF8Validation: false,
      // Clients answers them.
      autoPong: false,
      WebSocket: ClientSocket,
      maxPayload: options.payloadBytesMax,
      maxFragments: FRAGMENTS_MAX,
      maxBufferedChunks: BUFFERED_CHUNKS_MAX,
      closeTimeout: CLOSE_TIMEOUT_MS,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    };
    this.#wss = new WebSocketServer<typeof ClientSocket>(wsOptions);
    const perMessageDeflate = { serverNoContextTakeover: true, clientNoContextTakeover: true };
    this.#deflating = new WebSocketServer<typeof ClientSocket>({ ...wsOptions, perMessageDeflate });
    // A header that `ws` reads more strictly than we do: subprotocols.
    for (const wss of [this.#wss, this.#deflating]) {
      wss.on('wsClientError', ({ message }, socket) => {
        options.counted?.('bad_request');
        refuseUpgrade(socket, 'bad_request', message);
      });
    }
    this.#server = createHttpServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: options.checkIntervalMs ?? CHECK_INTERVAL_MS,
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        insecureHTTPParser: false,
        requireHostHeader: true,
        noDelay: true,
      },
      options.tls,
      this.#unanswered.keeping(options.request),
    );
    this.#server.timeout = options.plainIdleMs ?? PLAIN_IDLE_MS;
    this.#server.maxConnections = options.connectionsMax + (options.plainConnectionsMax ?? PLAIN_CONNECTIONS_MAX);
    // Node would leave out silently what is beyond its own bound; `requestFault` refuses it.
    this.#server.maxHeadersCount = 0;
    const upgraded = this.#upgraded;
    this.#forget = function (this: Duplex) {
      upgraded.delete(this);
    };
    this.#server.on('connection', (socket: Socket) => socket.on('error', ignore));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
      this.#onClientError(error, socket),
    );
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#onUpgrade(request, socket, head);
    this.#server.on('upgrade', onUpgrade);
    // To be refused as any other method is: without a listener it would be cut without a word.
    this.#server.on('connect', onUpgrade);
  }

  /** Upgraded sockets that are still there. */
  get connections(): number {
    return this.#upgraded.size;
  }

  /** Listens.
   *  @returns the port
   *  @throws the fault of the operating system, e.g. EADDRINUSE */
  start(): Promise<number> {
    this.#started ??= new Promise<number>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, this.#options.host, () => {
        this.#server.removeListener('error', reject);
        this.#server.on('error', (error) => this.#options.log?.('edge-error', { error: String(error) }));
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
    return this.#started;
  }

  /** Takes no more connections, and ends those that are left: idle ones at once, upgraded ones without a close frame. Clients that
   *  are to hear of it are sent away before. */
  close(): Promise<void> {
    this.#closed ??= new Promise<void>((resolve) => {
      if (!this.#server.listening) return resolve();
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
      for (const socket of this.#upgraded) socket.destroy();
      this.#wss.close();
      this.#deflating.close();
    });
    return this.#closed;
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || !socket.writable || this.#unanswered.isAhead(socket)) {
      socket.destroy();
      return;
    }
    const answer = CLIENT_ERRORS[error.code ?? ''] ?? { status: 400, code: 'bad_request', message: 'not HTTP' };
    refuseUpgrade(socket, answer.code, answer.message, answer.status);
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#unanswered.has(socket)) {
      // No answer can be put before those that are still to come.
      this.#options.counted?.('bad_request');
      socket.destroy();
      return;
    }
    const verdict = checkUpgrade(request, this.#options.origins, isSecure(socket));
    if (!verdict.ok) {
      this.#options.counted?.(verdict.code);
      refuseUpgrade(socket, verdict.code, verdict.message, verdict.status, verdict.headers);
      return;
    }
    if (this.#options.origins === undefined && this.#options.isRebound?.(request) === true) {
      this.#options.counted?.('not_allowed');
      return refuseUpgrade(socket, 'not_allowed', REBOUND);
    }
    if (!this.#options.isReady()) return this.#sendOff(socket, 'draining', 'this router takes no clients now');
    const { attended, limits, addressOf } = this.#options;
    if (this.#upgraded.size >= this.#options.connectionsMax) {
      if (limits !== undefined) limits.refused.connections += 1;
      return this.#sendOff(socket, 'too_many', REFUSALS.connections);
    }
    // Before the rate for all: one address does not use up what the others need.
    const address = addressOf === undefined ? request.socket.remoteAddress : addressOf(request);
    if (limits?.mayConnect(address) === false) return this.#sendOff(socket, 'too_many', REFUSALS.address_rate);
    const isAttended = attended?.isAttended(verdict.request.room) === true;
    const taken = this.#take(request, verdict.request, isAttended);
    if (taken === 'refused') return this.#sendOff(socket, 'too_many', TOO_MANY);
    // What it may wait for is bounded elsewhere from here on.
    request.socket.setTimeout(0);
    this.#upgraded.add(socket);
    // Not `once`, which keeps a wrapper for each socket.
    socket.on('close', this.#forget);
    if (isAttended) {
      // A session of such a room cannot be resumed: only its server knows what it was.
      const decision = Promise.resolve(this.#decide({ ...verdict.request, resume: undefined, history: 0 }));
      const admission = decision.then((decided) => this.#withinLimits(decided));
      void admission.then((decided) => this.#count(decided));
      attended.take({ incoming: request, socket, head, admission });
      return;
    }
    this.#turns.do(() => this.#shakeHands(request, socket, head, { ...verdict, isTold: taken === 'told' }));
  }

  #shakeHands(
    incoming: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    { request, isTold }: { readonly request: UpgradeRequest; readonly isTold: boolean },
  ): void {
    // `ws` looks whether the socket is still there.
    this.#serverFor(incoming).handleUpgrade(incoming, socket, head, (ws) => {
      ws.pause();
      const { inflation } = this.#options;
      if (inflation !== undefined) inflateBy(ws, inflation);
      // From here on `ws` listens.
      socket.removeListener('error', ignore);
      if (isTold) {
        this.#options.counted?.('too_many');
        return this.#refuse(ws, 'too_many', TOO_MANY);
      }
      const admission = this.#decide(request);
      if (admission instanceof Promise) void admission.then((decided) => this.#enter(decided, ws));
      else this.#enter(admission, ws);
    });
  }

  /** `ws` is shown the one offer that is taken, or none: it would refuse the client for one that it cannot read. */
  #serverFor({ headers }: IncomingMessage): SocketServer<typeof ClientSocket> {
    const offer = this.#options.inflation && servedOffer(headers['sec-websocket-extensions']);
    if (offer === undefined) return this.#wss;
    headers['sec-websocket-extensions'] = offer;
    return this.#deflating;
  }

  /** Whether there is time for this handshake. Who wants an attended room gets its server's answer, so it cannot be told by a 101. */
  #take(incoming: IncomingMessage, { resume }: UpgradeRequest, isAttended: boolean): HandshakeVerdict {
    const canRead = !isAttended && readsNotices(incoming);
    return this.#options.handshakes?.take(resume === undefined ? 'new' : 'resume', canRead) ?? 'admitted';
  }

  /** Answers 503 before the upgrade, with this client's own time to come back. */
  #sendOff(socket: Duplex, code: ErrorCode, message: string): void {
    this.#options.counted?.(code);
    const seconds = Math.ceil(this.#options.comeBack.next(RETRY_WINDOW) / 1_000);
    refuseUpgrade(socket, code, message, 503, { 'Retry-After': String(seconds) });
  }

  /** Whether a client may enter; at once where nobody has to be asked. Never throws or rejects. */
  #decide(request: UpgradeRequest): Admission | Promise<Admission> {
    try {
      const answer = this.#options.admit(request);
      return answer instanceof Promise ? this.#await(answer) : this.#whileReady(answer);
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** Waits for an answer within the bound. Never rejects. */
  async #await(answer: Promise<Admission>): Promise<Admission> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<Admission>((resolve) => {
      const tooLate = { ok: false, code: 'timeout', message: 'authentication took too long' } as const;
      timer = setTimeout(() => resolve(tooLate), this.#options.admitTimeoutMs ?? ADMIT_TIMEOUT_MS);
    });
    try {
      return this.#whileReady(await Promise.race([answer, timeout]));
    } catch (error) {
      return this.#failed(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #failed(error: unknown): Admission {
    this.#options.log?.('admit-failed', { error: String(error) });
    return { ok: false, code: 'internal', message: 'the client could not be admitted' };
  }

  #whileReady(admission: Admission): Admission {
    if (!admission.ok || this.#options.isReady()) return admission;
    return { ok: false, code: 'draining', message: 'this router takes no clients now' };
  }

  /** Asked in the turn in which the client enters, or many could be let in on one count. */
  #withinLimits(admission: Admission): Admission {
    const message = admission.ok ? this.#options.limits?.refusalOf(admission.client.user) : undefined;
    return message === undefined ? admission : { ok: false, code: 'too_many', message };
  }

  #enter(decided: Admission, ws: ClientSocket): void {
    if (ws.readyState !== ws.OPEN) return;
    const admission = this.#withinLimits(decided);
    this.#count(admission);
    if (admission.ok) this.#options.accept(admission.client, ws, admission.grant);
    else this.#refuse(ws, admission.code, admission.message);
  }

  #count(admission: Admission): void {
    this.#options.counted?.(admission.ok ? undefined : admission.code);
  }

  /** Says why in a message, since a browser shows its page a close code and nothing else. */
  #refuse(ws: ClientSocket, code: ErrorCode, message: string): void {
    const close = errorRow(code).close ?? 1011;
    const frames = [textFrame(encode.error({ code, message }))];
    const row = closeRow(close);
    if (row !== undefined && (row.verdict === 'retry' || row.verdict === 'resume')) {
      const retryAfterMs = this.#options.comeBack.next(RETRY_WINDOW);
      frames.push(textFrame(encode.notice({ kind: row.name, retryAfterMs })));
    }
    directAdapter.close(ws, Buffer.concat(frames), close, message);
    ws.resume();
  }
}

/** Faults of a socket end in its `close` event; there is nothing to do for them here. */
function ignore(): void {}

const CLIENT_ERRORS: Readonly<Record<string, { status: number; code: ErrorCode; message: string }>> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: 'payload_too_large', message: 'the headers exceed 16 KiB' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: 'timeout', message: 'the request took too long to arrive' },
};
