/** The router's HTTP API as this page asks it. Owns: the token, which is kept for this tab alone and only ever sent as a header, and the
 *  shapes of answers that the page reads. Does not know: what is shown. */

const TOKEN = 'bellhop-token';

export class ApiFault extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function storedToken(): string | undefined {
  return sessionStorage.getItem(TOKEN) ?? undefined;
}

export function keepToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
}

function headersOf(more: Record<string, string> = {}): Record<string, string> {
  const token = storedToken();
  return { ...more, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
}

/** What the whole page lives on. */
export const CLUSTER_STREAM = '/stream?rooms=1';

interface Begun {
  readonly path: string;
  readonly response: Promise<Response>;
  readonly stop: AbortController;
}

/** Where a stream waits that was begun before the page's code was there. */
interface EarlyScope {
  bellhopEarly?: Begun | undefined;
}

/** Asks for the stream of the cluster now; `openStream` takes it over. */
export function beginEarly(): void {
  const stop = new AbortController();
  const response = request(CLUSTER_STREAM, stop.signal);
  // Whoever takes it over hears of it.
  response.catch(() => undefined);
  (globalThis as EarlyScope).bellhopEarly = { path: CLUSTER_STREAM, response, stop };
}

function request(path: string, signal: AbortSignal): Promise<Response> {
  return fetch(`/api/v1${path}`, { headers: headersOf(), signal, cache: 'no-store' });
}

function takeEarly(path: string, signal: AbortSignal): Promise<Response> | undefined {
  const scope = globalThis as EarlyScope;
  const early = scope.bellhopEarly;
  if (early === undefined || early.path !== path) return undefined;
  scope.bellhopEarly = undefined;
  signal.addEventListener('abort', () => early.stop.abort(), { once: true });
  return early.response;
}

/** Begins a stream of events. @throws ApiFault */
export async function openStream(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const response = await (takeEarly(path, signal) ?? request(path, signal));
  if (!response.ok || response.body === null) throw await faultOf(response);
  return response.body;
}

/** @throws ApiFault; `status` 0 where nobody answers */
export async function ask<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
  // Who drained and moved is written down.
  const own = {
    'x-bellhop-operator': 'dashboard',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers: headersOf(own),
      cache: 'no-store',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiFault(0, 'unreachable', 'the router does not answer');
  }
  if (!response.ok) throw await faultOf(response);
  return (await response.json()) as T;
}

async function faultOf(response: Response): Promise<ApiFault> {
  try {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    return new ApiFault(response.status, error.code, error.message);
  } catch {
    return new ApiFault(response.status, 'unreadable', `the router answered with status ${response.status}`);
  }
}

export const pathOf = (...segments: string[]) => segments.map((one) => `/${encodeURIComponent(one)}`).join('');

export interface ExplainAnswer {
  readonly room: string;
  readonly record: {
    readonly owner: { readonly node: string; readonly incarnation: string } | null;
    readonly ownerLives: boolean;
    readonly epoch: number;
    readonly head: number;
  } | null;
  readonly placement: readonly { readonly node: string; readonly weight: number }[];
  readonly heldBy: readonly {
    readonly node: string;
    readonly epoch: number;
    readonly head: number;
    readonly sessions: number;
    readonly since: number;
    readonly program: string;
  }[];
  readonly recentMoves: readonly {
    readonly at: number;
    readonly from?: string;
    readonly to: string;
    readonly epoch: number;
    readonly why?: string;
  }[];
  readonly pinned?: { readonly node: string; readonly by: string; readonly at: number } | null;
  readonly why?: string;
  readonly moving?: { readonly to: string; readonly step: string; readonly sinceMs: number } | null;
}

export interface PresenceAnswer {
  readonly count: number;
  readonly settling: boolean;
  readonly users: readonly { readonly user: string; readonly sessions: readonly string[]; readonly since: number }[];
}

export interface UserAnswer {
  readonly user: string;
  readonly sessions: readonly {
    readonly session: string;
    readonly room: string;
    readonly node: string;
    readonly router: string;
    readonly since: number;
    readonly confirmed?: false;
  }[];
}

export interface DrainAnswer {
  readonly node: string;
  readonly state: 'planned' | 'running' | 'paused' | 'done' | 'late' | 'cancelled';
  readonly why?: string;
  readonly rooms: number;
  readonly moved: number;
  readonly left: number;
  readonly failed: number;
  readonly roomsPerSecond: number;
  readonly pauseP99Ms: number | null;
  readonly estimateMs: number;
  readonly deadlineAt: number;
  readonly targets: Readonly<Record<string, number>>;
}
