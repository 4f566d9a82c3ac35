/** The port that clients and operators reach. Owns: the HTTP server with its limits, the answers before the 101, and the way from
 *  an upgraded socket to an accepted client. Does not know: rooms, owners, what the API answers.
 *
 *  The 101 comes first and authentication after it, since a browser cannot read the status of a refused upgrade. Meanwhile the
 *  socket is paused: what an eager client sends waits in the kernel, and none of it is lost.
 *  Invariant: every socket has an error listener from its first moment; each upgraded socket ends in exactly one of `accept`, a
 *  refusal with a close code, or its own death. */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { closeRow, type ErrorCode, errorBody, errorRow } from '../shared/errors.ts';
import { SUBPROTOCOL } from '../shared/protocol.ts';
import * as encode from '../shared/protocol-encode.ts';
import type { RandomSource } from '../shared/random.ts';
import { textFrame } from '../shared/websocket-frame.ts';
import type { Admission } from './admit.ts';
import type { AcceptedClient } from './ports.ts';
import { checkUpgrade, type UpgradeRequest } from './upgrade.ts';
import { directAdapter } from './ws-adapter.ts';

export interface EdgeServerOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly payloadBytesMax: number;
  /** Upgraded sockets at once, those that are closing included. */
  readonly connectionsMax: number;
  /** Exact origins; undefined: the same host. */
  readonly origins?: readonly string[] | undefined;
  readonly random: RandomSource;
  /** Answers whatever is no upgrade. */
  readonly request: RequestListener;
  /** False while the router starts or stops. */
  readonly isReady: () => boolean;
  readonly admit: (request: UpgradeRequest) => Promise<Admission>;
  /** Takes over a socket that is open and paused. */
  readonly accept: (client: AcceptedClient, ws: WebSocket) => void;
  readonly admitTimeoutMs?: number;
  readonly headersTimeoutMs?: number;
  readonly checkIntervalMs?: number;
  readonly log?: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

const HEADER_BYTES_MAX = 16_384;
/** With the checking interval on top, slow headers end within ten seconds. */
const HEADERS_TIMEOUT_MS = 8_000;
const REQUEST_TIMEOUT_MS = 15_000;
const CHECK_INTERVAL_MS = 1_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const ADMIT_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 5_000;
/** Sockets beyond the upgraded ones: requests to the API, and those that wait to be told 503. */
const PLAIN_CONNECTIONS_MAX = 1_000;
/** Fragments of one message, and chunks of one that is incomplete: both cost memory beside their bytes. */
const FRAGMENTS_MAX = 1_024;
const BUFFERED_CHUNKS_MAX = 4_096;
const RETRY_AFTER_SECONDS = 2;
const RETRY_MS = { min: 500, max: 4_000 } as const;

/** Options of `ws` 8.23 that its types do not know yet. */
type ServerOptions = ConstructorParameters<typeof WebSocketServer>[0] & {
  readonly closeTimeout: number;
  readonly maxPendingAutoPongs: number;
};

export class EdgeServer {
  readonly #options: EdgeServerOptions;
  readonly #server: Server;
  readonly #wss: WebSocketServer;
  readonly #upgraded = new Set<Duplex>();
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
      autoPong: true,
      maxPendingAutoPongs: 60,
      maxPayload: options.payloadBytesMax,
      maxFragments: FRAGMENTS_MAX,
      maxBufferedChunks: BUFFERED_CHUNKS_MAX,
      closeTimeout: CLOSE_TIMEOUT_MS,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    };
    this.#wss = new WebSocketServer(wsOptions);
    this.#server = createServer(
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
      options.request,
    );
    this.#server.maxConnections = options.connectionsMax + PLAIN_CONNECTIONS_MAX;
    const upgraded = this.#upgraded;
    this.#forget = function (this: Duplex) {
      upgraded.delete(this);
    };
    this.#server.on('connection', (socket: Socket) => socket.on('error', ignore));
    this.#server.on('clientError', onClientError);
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#onUpgrade(request, socket, head),
    );
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
    });
    return this.#closed;
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const verdict = checkUpgrade(request, this.#options.origins);
    if (!verdict.ok) {
      const status = verdict.status ?? errorRow(verdict.code).status;
      respond(socket, status, verdict.code, verdict.message, verdict.headers);
      return;
    }
    const retry = { 'Retry-After': String(RETRY_AFTER_SECONDS) };
    if (!this.#options.isReady()) {
      respond(socket, 503, 'draining', 'this router takes no clients now', retry);
      return;
    }
    if (this.#upgraded.size >= this.#options.connectionsMax) {
      respond(socket, 503, 'too_many', 'this router is full', retry);
      return;
    }
    this.#upgraded.add(socket);
    socket.once('close', this.#forget);
    this.#wss.handleUpgrade(request, socket, head, (ws) => {
      ws.pause();
      ws.on('error', ignore);
      void this.#admit(verdict.request, ws);
    });
    // A header that `ws` reads more strictly than we do (subprotocols): it answered by itself.
  }

  async #admit(request: UpgradeRequest, ws: WebSocket): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<Admission>((resolve) => {
      const tooLate = { ok: false, code: 'timeout', message: 'authentication took too long' } as const;
      timer = setTimeout(() => resolve(tooLate), this.#options.admitTimeoutMs ?? ADMIT_TIMEOUT_MS);
    });
    let admission: Admission;
    try {
      admission = await Promise.race([this.#options.admit(request), timeout]);
    } catch (error) {
      this.#options.log?.('admit-failed', { error: String(error) });
      admission = { ok: false, code: 'internal', message: 'the client could not be admitted' };
    } finally {
      clearTimeout(timer);
    }
    if (ws.readyState !== ws.OPEN) return;
    if (admission.ok && !this.#options.isReady()) {
      admission = { ok: false, code: 'draining', message: 'this router takes no clients now' };
    }
    if (!admission.ok) {
      this.#refuse(ws, admission.code, admission.message);
      return;
    }
    ws.removeListener('error', ignore);
    this.#options.accept(admission.client, ws);
  }

  /** Says why in a message, since a browser shows its page a close code and nothing else. */
  #refuse(ws: WebSocket, code: ErrorCode, message: string): void {
    const close = errorRow(code).close ?? 1011;
    const frames = [textFrame(encode.error({ code, message }))];
    const row = closeRow(close);
    if (row !== undefined && (row.verdict === 'retry' || row.verdict === 'resume')) {
      const retryAfterMs = RETRY_MS.min + this.#options.random.unit() * (RETRY_MS.max - RETRY_MS.min);
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

function onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const answer = CLIENT_ERRORS[error.code ?? ''] ?? { status: 400, code: 'bad_request', message: 'not HTTP' };
  respond(socket, answer.status, answer.code, answer.message);
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
};

/** Answers on a socket that no longer belongs to the HTTP server, and ends it. */
function respond(
  socket: Duplex,
  status: number,
  code: ErrorCode,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(errorBody(code, message));
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? 'Error'}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  // What the client still sends is read and thrown away until it sees the end, or a reset could overtake the answer.
  socket.once('finish', () => setTimeout(() => socket.destroy(), 1_000).unref());
  socket.resume();
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
