/** The cluster as its router tells it, as it happens. Owns: the one stream of this page, its coming back, and what was heard. Does not
 *  know: what is drawn.
 *  Bounds: samples, events and what is told to the picture; views are told at most a few times a second. */
import { ApiFault, CLUSTER_STREAM, keepToken, openStream, storedToken } from './api.ts';
import { RoomModel, type RoomMove, type ShortNames } from './rooms.ts';
import { readEvents } from './sse.ts';

export type NodeState = 'active' | 'draining' | 'dead' | 'left';

/** What is told every second. */
interface Pulse {
  readonly node: string;
  readonly incarnation: string;
  readonly state: NodeState;
  readonly weight: number;
  readonly linked: boolean;
  readonly rooms: number;
  readonly sessions: number;
  readonly heartbeatAgeMs: number | null;
}

export interface NodeRow extends Pulse {
  readonly host?: string;
  readonly pid?: number;
  readonly version?: string;
  readonly link?: string;
  readonly startedAt?: number;
  readonly attends?: string;
}

export interface Quantiles {
  readonly count: number;
  readonly p50: number | null;
  readonly p99: number | null;
}

export interface Sample {
  readonly at: number;
  readonly sockets: number;
  readonly sessions: number;
  readonly messagesIn: number;
  readonly deliveries: number;
  readonly bytesOut: number;
  readonly message: Quantiles;
  readonly takeover: Quantiles;
  readonly link: Quantiles;
  readonly redis: Quantiles;
}

export interface SeenEvent {
  readonly id: number;
  readonly at: number;
  readonly kind: string;
  readonly node?: string;
  readonly incarnation?: string;
  readonly room?: string;
  readonly from?: string;
  readonly to?: string;
  readonly epoch?: number;
  readonly router?: string;
  readonly why?: string;
  /** Of rooms that moved and are not named one by one. */
  readonly rooms?: number;
}

export interface About {
  readonly router: string;
  readonly version: string;
  readonly cluster: string;
  readonly workers: number;
}

export type Link =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'lost'; readonly why: string }
  /** The API wants a token. */
  | { readonly kind: 'token'; readonly isWrong: boolean }
  | { readonly kind: 'refused'; readonly why: string };

interface Snapshot {
  readonly about: About;
  readonly redis: string;
  readonly nodes: readonly NodeRow[];
  readonly routers: readonly { readonly router: string; readonly url: string }[];
  readonly samples: readonly Sample[];
  readonly events: readonly SeenEvent[];
}

const SAMPLES_MAX = 300;
const EVENTS_MAX = 400;
const TELL_MS = 200;
const RETRY_MS = [500, 1_000, 2_000, 4_000];
/** A stream ticks every second: one that says nothing for so long is dead, though its socket does not know. */
const SILENT_MS = 6_000;

const STATE_AFTER: Readonly<Record<string, NodeState>> = {
  'node.joined': 'active',
  'node.draining': 'draining',
  'node.left': 'left',
  'node.lost': 'dead',
};

export class Live {
  /** Settled once there is something to show, be it that the router does not answer. */
  readonly heard: Promise<void>;
  link: Link = { kind: 'connecting' };
  about: About | undefined;
  redis = 'unknown';
  routers: Snapshot['routers'] = [];
  readonly nodes = new Map<string, NodeRow>();
  samples: Sample[] = [];
  events: SeenEvent[] = [];
  readonly rooms = new RoomModel();
  /** Whether the rooms of every node were listed once. */
  hasRooms = false;
  readonly #views = new Set<() => void>();
  readonly #movers = new Set<(move: RoomMove) => void>();
  #tellTimer: ReturnType<typeof setTimeout> | undefined;
  #stop: AbortController | undefined;
  #retries = 0;
  #missed = 0;
  #nowHeard: () => void = () => undefined;

  constructor() {
    this.heard = new Promise((resolve) => {
      this.#nowHeard = resolve;
    });
  }

  /** Calls back, now and then, after changes. @returns what ends it */
  subscribe(view: () => void): () => void {
    this.#views.add(view);
    return () => this.#views.delete(view);
  }

  onMove(mover: (move: RoomMove) => void): () => void {
    this.#movers.add(mover);
    return () => this.#movers.delete(mover);
  }

  /** Connects, and comes back by itself. */
  start(): void {
    this.#stop?.abort();
    const stop = new AbortController();
    this.#stop = stop;
    void this.#run(stop);
  }

  /** The present token is wrong or not wanted any more. */
  signOut(): void {
    keepToken(undefined);
    this.start();
  }

  async #run(stop: AbortController): Promise<void> {
    while (!stop.signal.aborted) {
      const attempt = new AbortController();
      const endAttempt = () => attempt.abort();
      stop.signal.addEventListener('abort', endAttempt, { once: true });
      let silence = setTimeout(endAttempt, SILENT_MS);
      try {
        const body = await openStream(CLUSTER_STREAM, attempt.signal);
        await readEvents(body, ({ event, data }) => {
          clearTimeout(silence);
          silence = setTimeout(endAttempt, SILENT_MS);
          this.#hear(event, JSON.parse(data));
        });
        this.#nowLinked({ kind: 'lost', why: 'the router ended the stream' });
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof ApiFault && error.status === 401) {
          this.#nowLinked({ kind: 'token', isWrong: storedToken() !== undefined });
          return;
        }
        if (error instanceof ApiFault && error.status === 403) {
          this.#nowLinked({ kind: 'refused', why: error.message });
          return;
        }
        this.#nowLinked({
          kind: 'lost',
          why: error instanceof ApiFault ? error.message : 'the router does not answer',
        });
      } finally {
        clearTimeout(silence);
        stop.signal.removeEventListener('abort', endAttempt);
      }
      const pauseMs = RETRY_MS[Math.min(this.#retries++, RETRY_MS.length - 1)] ?? 4_000;
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.7 + Math.random() * 0.6)));
    }
  }

  #nowLinked(link: Link): void {
    this.link = link;
    this.#nowHeard();
    this.#tellNow();
  }

  #hear(event: string, data: unknown): void {
    switch (event) {
      case 'snapshot':
        return this.#snapshot(data as Snapshot);
      case 'tick':
        return this.#tick(data as { redis: string; nodes: readonly Pulse[]; sample: Sample | null });
      case 'event':
        return this.#event(data as SeenEvent);
      case 'missed':
        return this.#missedSome((data as { rooms: number }).rooms);
      case 'rooms':
        return this.#listing(data as { nodes: Readonly<Record<string, ShortNames>>; incomplete: readonly string[] });
    }
  }

  #snapshot({ about, redis, nodes, routers, samples, events }: Snapshot): void {
    this.#retries = 0;
    this.about = about;
    this.redis = redis;
    this.routers = routers;
    this.nodes.clear();
    for (const row of nodes) this.nodes.set(row.node, row);
    this.samples = [...samples];
    this.events = [...events];
    this.#nowLinked({ kind: 'live' });
  }

  #tick({ redis, nodes, sample }: { redis: string; nodes: readonly Pulse[]; sample: Sample | null }): void {
    this.redis = redis;
    const listed = new Set(nodes.map(({ node }) => node));
    for (const node of this.nodes.keys()) if (!listed.has(node)) this.nodes.delete(node);
    for (const pulse of nodes) {
      const before = this.nodes.get(pulse.node);
      this.nodes.set(pulse.node, before?.incarnation === pulse.incarnation ? { ...before, ...pulse } : pulse);
    }
    if (sample !== null) {
      this.samples.push(sample);
      if (this.samples.length > SAMPLES_MAX) this.samples.shift();
    }
    this.#tellSoon();
  }

  #event(event: SeenEvent): void {
    this.events.push(event);
    if (this.events.length > EVENTS_MAX) this.events.splice(0, this.events.length - EVENTS_MAX);
    // What is told every second would say so a moment later.
    const state = STATE_AFTER[event.kind];
    const row = this.nodes.get(event.node ?? '');
    if (state !== undefined && row !== undefined && row.incarnation === event.incarnation) {
      this.nodes.set(row.node, { ...row, state });
    }
    if (event.room !== undefined && event.to !== undefined) this.#moved(this.rooms.move(event.room, event.to));
    this.#tellSoon();
  }

  #missedSome(rooms: number): void {
    this.#event({ id: --this.#missed, at: Date.now(), kind: 'rooms.moved', rooms });
  }

  #listing({
    nodes,
    incomplete,
  }: {
    nodes: Readonly<Record<string, ShortNames>>;
    incomplete: readonly string[];
  }): void {
    for (const move of this.rooms.replace(nodes, incomplete)) this.#moved(move);
    this.hasRooms = true;
    this.#tellSoon();
  }

  #moved(move: RoomMove | undefined): void {
    if (move !== undefined) for (const mover of this.#movers) mover(move);
  }

  #tellSoon(): void {
    this.#tellTimer ??= setTimeout(() => this.#tellNow(), TELL_MS);
  }

  #tellNow(): void {
    clearTimeout(this.#tellTimer);
    this.#tellTimer = undefined;
    for (const view of this.#views) view();
  }
}
