/** What the dashboard and `bellhop` see of the cluster as it happens. Owns: the events of this router, its samples of the last minutes,
 *  and the stream of both. Does not know: HTTP paths, the worker's channel.
 *
 *  Everything is sampled once a second for all listeners together, and only while there is one, or was a while ago: nobody who does not
 *  look pays for it. Events are gathered for a moment, so that a thousand rooms that move at once are a few writes.
 *  Invariant: samples, events that wait, and listeners are bounded. */
import type { ServerResponse } from 'node:http';
import type { Instant } from '../../shared/clock.ts';
import type { ApiPorts } from '../api-ports.ts';
import { type ClusterEvent, type EventReport, EventRing } from '../events.ts';
import { describeRouters } from '../workers/describe-routers.ts';
import { ClusterDiff, type ClusterLook } from './cluster-diff.ts';
import { describeNode, describePulse } from './describe-node.ts';
import { type Listener, Listeners } from './listeners.ts';
import { listRoomMap, type RoomMap } from './room-map.ts';
import { readSeries, type Sample, type Series, sampleOf } from './sample.ts';
import { Tails } from './tails.ts';

/** What several workers of a router see, made one: reports go to the parent, which numbers them and tells all workers. */
export interface Reports {
  send(reports: readonly EventReport[], missed: number): void;
}

export interface LiveOptions {
  readonly ports: Pick<ApiPorts, 'nodes' | 'routers' | 'callNode' | 'callOwner'>;
  readonly now: () => Instant;
  readonly about: {
    readonly router: string;
    readonly version: string;
    readonly cluster: string;
    readonly workers: number;
  };
  readonly look: () => ClusterLook;
  /** Of the whole router. */
  readonly metrics: () => Promise<string>;
  /** Of a worker. */
  readonly reports?: Reports | undefined;
}

const SAMPLE_MS = 1_000;
const SAMPLES_MAX = 300;
/** Sampled on after the last listener has gone: one that comes back finds no gap. */
const LINGER_MS = 60_000;
const FLUSH_MS = 100;
/** Events in one flush; beyond it only their number is told, and rooms are listed anew. */
const FLUSH_MAX = 200;
const EVENTS_SHOWN = 200;

export class Live {
  readonly events = new EventRing();
  readonly tails: Tails;
  readonly #options: LiveOptions;
  readonly #diff = new ClusterDiff();
  readonly #listeners = new Listeners();
  /** Those that want to know of every room. */
  readonly #mapped = new Set<Listener>();
  readonly #samples: Sample[] = [];
  #last: { readonly monoMs: number; readonly series: Series } | undefined;
  #reports: EventReport[] = [];
  #missed = 0;
  #flushAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #sampling = false;
  #idleSinceMs: number | undefined;
  #map: { readonly map: RoomMap; readonly text: string } | undefined;
  #listing = false;
  #listAtMs = 0;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.tails = new Tails(options.ports);
  }

  /** Listeners of the stream. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** This router's core saw a room at another owner than before. */
  moved(room: string, from: string | undefined, to: string, epoch: number): void {
    const at = this.#options.now().wallMs;
    this.#report(
      from === undefined
        ? { at, kind: 'room.claimed', room, to, epoch }
        : { at, kind: 'room.moved', room, from, to, epoch },
    );
  }

  /** Looks at the cluster and tells what has changed, a few times a second however often it is called. */
  tick(now: Instant): void {
    if (now.monoMs < this.#flushAtMs) return;
    this.#flushAtMs = now.monoMs + FLUSH_MS;
    for (const change of this.#diff.look(this.#options.look())) this.#report({ at: now.wallMs, ...change });
    if (this.#reports.length === 0 && this.#missed === 0) return;
    const [reports, missed] = [this.#reports, this.#missed];
    this.#reports = [];
    this.#missed = 0;
    const group = this.#options.reports;
    if (group !== undefined) group.send(reports, missed);
    else
      this.tell(
        reports.flatMap((report) => this.events.add(report) ?? []),
        missed,
      );
  }

  /** Keeps events that are numbered, and tells listeners.
   *  @param missed  how many more there were, of rooms */
  tell(events: readonly ClusterEvent[], missed: number): void {
    for (const event of events) {
      this.events.take(event);
      this.#send('event', event);
    }
    if (missed === 0) return;
    this.#send('missed', { rooms: missed });
    this.#listAtMs = Math.min(this.#listAtMs, this.#options.now().monoMs + SAMPLE_MS);
  }

  /** @throws BellhopError too_many */
  check(): void {
    this.#listeners.check();
  }

  /** Begins a stream: a snapshot at once, then what happens. */
  listen(response: ServerResponse, withRooms: boolean): void {
    this.#idleSinceMs = undefined;
    if (response.destroyed) return;
    const listener = this.#listeners.add(response, () => this.#mapped.delete(listener));
    listener.send('snapshot', JSON.stringify(this.#snapshot()));
    // The first sample needs two looks: this is the first of them, and nobody waits for it.
    if (this.#timer === undefined) void this.#begin();
    if (!withRooms) return;
    this.#mapped.add(listener);
    if (this.#map !== undefined) listener.send('rooms', this.#map.text);
    else this.#listAtMs = 0;
    void this.#listRooms();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#listeners.close();
    this.tails.close();
  }

  #report(report: EventReport): void {
    if (report.room !== undefined && this.#reports.length >= FLUSH_MAX) this.#missed++;
    else this.#reports.push(report);
  }

  async #begin(): Promise<void> {
    this.#timer = setInterval(() => void this.#sample(), SAMPLE_MS).unref();
    await this.#read();
  }

  async #sample(): Promise<void> {
    const now = this.#options.now();
    if (this.#listeners.size === 0) {
      this.#idleSinceMs ??= now.monoMs;
      if (now.monoMs - this.#idleSinceMs > LINGER_MS) return this.#rest();
    }
    if (this.#sampling) return;
    this.#sampling = true;
    const sample = await this.#read();
    this.#sampling = false;
    if (sample !== undefined) {
      this.#samples.push(sample);
      if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    }
    const { ports, look } = this.#options;
    const nodes = ports.nodes().map(describePulse);
    this.#send('tick', { at: now.wallMs, redis: look().redis, nodes, sample: sample ?? null });
    void this.#listRooms();
  }

  /** Nobody looks any more. */
  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#last = undefined;
    this.#map = undefined;
    this.#samples.length = 0;
  }

  /** @returns undefined at the first look, and where the parent of a worker does not answer */
  async #read(): Promise<Sample | undefined> {
    try {
      const series = readSeries(await this.#options.metrics());
      const { monoMs, wallMs } = this.#options.now();
      const last = this.#last;
      this.#last = { monoMs, series };
      return last && sampleOf(wallMs, Math.max(0.001, (monoMs - last.monoMs) / 1_000), series, last.series);
    } catch {
      return undefined;
    }
  }

  #snapshot(): unknown {
    const { ports, about, look, now } = this.#options;
    return {
      at: now().wallMs,
      about,
      redis: look().redis,
      nodes: ports.nodes().map(describeNode),
      routers: describeRouters(ports.routers()),
      samples: this.#samples,
      events: this.events.latest(EVENTS_SHOWN),
    };
  }

  async #listRooms(): Promise<void> {
    const { ports, now } = this.#options;
    if (this.#mapped.size === 0 || this.#listing || now().monoMs < this.#listAtMs) return;
    this.#listing = true;
    const { map, restMs } = await listRoomMap(ports, () => now().monoMs);
    this.#listing = false;
    this.#listAtMs = now().monoMs + restMs;
    const text = JSON.stringify(map);
    if (text === this.#map?.text) return;
    this.#map = { map, text };
    for (const listener of this.#mapped) listener.send('rooms', text);
  }

  #send(event: string, value: unknown): void {
    if (this.#listeners.size === 0) return;
    const text = JSON.stringify(value);
    this.#listeners.each((listener) => listener.send(event, text));
  }
}
