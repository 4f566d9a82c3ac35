/** The HTTP API as a scenario asks it. Owns: requests, and the shapes of the answers that scenarios look at. Does not know: clusters. */

export interface ApiAnswer<T> {
  readonly status: number;
  readonly body: T;
}

export interface PresenceAnswer {
  readonly room: string;
  readonly epoch: number;
  readonly settling: boolean;
  readonly count: number;
  readonly users: readonly { readonly user: string; readonly sessions: readonly string[] }[];
}

export interface UserAnswer {
  readonly user: string;
  readonly sessions: readonly {
    readonly session: string;
    readonly room: string;
    readonly node: string;
    readonly router: string;
  }[];
}

export interface RoomAnswer {
  readonly room: string;
  readonly node: string;
  readonly epoch: number;
  readonly head: number;
  readonly sessions: number;
}

export interface NodeAnswer {
  readonly node: string;
  readonly state: string;
  readonly incarnation: string;
  readonly rooms: number;
}

const TIMEOUT_MS = 10_000;

export class Api {
  readonly #base: string;

  /** @param base  `http://host:port` of a router */
  constructor(base: string) {
    this.#base = base;
  }

  async get<T>(path: string): Promise<ApiAnswer<T>> {
    return this.#ask<T>('GET', path, undefined);
  }

  async post<T>(path: string, body: unknown): Promise<ApiAnswer<T>> {
    return this.#ask<T>('POST', path, body);
  }

  async delete<T>(path: string): Promise<ApiAnswer<T>> {
    return this.#ask<T>('DELETE', path, undefined);
  }

  /** Status of a path outside of /api/v1, e.g. `/readyz`; 0 when nobody answers. */
  async status(path: string): Promise<number> {
    try {
      const response = await fetch(`${this.#base}${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      await response.text();
      return response.status;
    } catch {
      return 0;
    }
  }

  async nodes(): Promise<readonly NodeAnswer[]> {
    return (await this.get<{ readonly nodes: readonly NodeAnswer[] }>('/nodes')).body.nodes;
  }

  presence(room: string): Promise<ApiAnswer<PresenceAnswer>> {
    return this.get<PresenceAnswer>(`/rooms/${room}/presence`);
  }

  user(user: string): Promise<ApiAnswer<UserAnswer>> {
    return this.get<UserAnswer>(`/users/${user}`);
  }

  async #ask<T>(method: string, path: string, body: unknown): Promise<ApiAnswer<T>> {
    const response = await fetch(`${this.#base}/api/v1${path}`, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: response.status, body: (await response.json()) as T };
  }
}
