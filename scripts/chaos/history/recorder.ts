/** Keeps a history in memory: eight numbers an event, texts kept once. Owns: the columns and their bound. Does not know: what events mean.
 *  An event object of a million deliveries would cost some 100 MB; here it is 64 bytes.
 *  Invariant: events come out as they went in, in the same order; beyond `eventsMax` they are counted and dropped. */
import type { ResetReason } from '../../../shared/protocol.ts';
import type { History, HistoryClient, HistoryEvent, ProcessAct, RoomClass } from './events.ts';

const COLUMNS = 8;
const CHUNK_EVENTS = 16_384;
/** 256 MB. */
const EVENTS_MAX = 4_000_000;

const KINDS = [
  'invoke',
  'ok',
  'fail',
  'unknown',
  'deliver',
  'welcome',
  'reset',
  'dial',
  'close',
  'join',
  'leave',
  'emit',
  'process',
  'fault',
] as const satisfies readonly HistoryEvent['kind'][];
const CODES = new Map<string, number>(KINDS.map((kind, code) => [kind, code]));

export class Recorder implements History {
  readonly clients: HistoryClient[] = [];
  readonly roomClass: RoomClass;
  dropped = 0;
  readonly #eventsMax: number;
  readonly #chunks: Float64Array[] = [];
  #length = 0;
  readonly #texts: string[] = [''];
  readonly #indices = new Map<string, number>([['', 0]]);

  constructor(roomClass: RoomClass, eventsMax: number = EVENTS_MAX) {
    this.roomClass = roomClass;
    this.#eventsMax = eventsMax;
  }

  get length(): number {
    return this.#length;
  }

  /** @returns the number by which events name this client */
  addClient(client: HistoryClient): number {
    return this.clients.push(client) - 1;
  }

  add(event: HistoryEvent): void {
    if (this.#length >= this.#eventsMax) {
      this.dropped++;
      return;
    }
    const place = this.#length % CHUNK_EVENTS;
    if (place === 0) this.#chunks.push(new Float64Array(CHUNK_EVENTS * COLUMNS));
    this.#chunks.at(-1)?.set(this.#rowOf(event), place * COLUMNS);
    this.#length++;
  }

  get events(): Iterable<HistoryEvent> {
    return { [Symbol.iterator]: () => this.#walk() };
  }

  *#walk(): Generator<HistoryEvent> {
    for (let i = 0; i < this.#length; i++) {
      const chunk = this.#chunks[Math.floor(i / CHUNK_EVENTS)];
      const from = (i % CHUNK_EVENTS) * COLUMNS;
      if (chunk !== undefined) yield this.#eventOf(chunk.subarray(from, from + COLUMNS));
    }
  }

  #rowOf(event: HistoryEvent): number[] {
    const { kind, at } = event;
    const head = [CODES.get(kind) ?? -1, at, 'client' in event ? event.client : -1];
    switch (event.kind) {
      case 'invoke':
        return [...head, event.id, Number(event.again)];
      case 'ok':
        return [...head, event.id, event.seq];
      case 'fail':
      case 'unknown':
        return [...head, event.id, this.#index(event.code)];
      case 'deliver':
        return [...head, event.seq, this.#index(event.tag), this.#index(event.session), event.id];
      case 'welcome':
        // One column less than fields: a resumed welcome has its epoch negated. Epochs are above 0.
        return [
          ...head,
          this.#index(event.session),
          event.resumed ? -event.epoch : event.epoch,
          event.seq,
          this.#index(event.tag),
        ];
      case 'reset':
        return [...head, this.#index(event.reason), event.seq, this.#index(event.tag)];
      case 'dial':
        return [...head, this.#index(event.router)];
      case 'close':
        return [...head, event.code, Number(event.ours)];
      case 'join':
      case 'leave':
        return [...head, this.#index(event.session)];
      case 'emit':
        return [...head, this.#index(event.room), this.#index(event.incarnation), event.epoch, this.#index(event.type)];
      case 'process':
        return [...head, this.#index(event.process), this.#index(event.act), this.#index(event.code)];
      case 'fault':
        return [...head, Number(event.phase === 'end'), this.#index(event.what), this.#index(event.routers.join(' '))];
      default:
        return event satisfies never;
    }
  }

  #eventOf(row: Float64Array): HistoryEvent {
    const [code = 0, at = 0, client = 0, a = 0, b = 0, c = 0, d = 0] = row;
    const kind = KINDS[code] ?? 'fault';
    switch (kind) {
      case 'invoke':
        return { kind, at, client, id: a, again: b === 1 };
      case 'ok':
        return { kind, at, client, id: a, seq: b };
      case 'fail':
      case 'unknown':
        return { kind, at, client, id: a, code: this.#text(b) };
      case 'deliver':
        return { kind, at, client, seq: a, tag: this.#text(b), session: this.#text(c), id: d };
      case 'welcome':
        return {
          kind,
          at,
          client,
          session: this.#text(a),
          epoch: Math.abs(b),
          seq: c,
          tag: this.#text(d),
          resumed: b < 0,
        };
      case 'reset':
        return { kind, at, client, reason: this.#text(a) as ResetReason, seq: b, tag: this.#text(c) };
      case 'dial':
        return { kind, at, client, router: this.#text(a) };
      case 'close':
        return { kind, at, client, code: a, ours: b === 1 };
      case 'join':
      case 'leave':
        return { kind, at, client, session: this.#text(a) };
      case 'emit':
        return { kind, at, room: this.#text(a), incarnation: this.#text(b), epoch: c, type: this.#text(d) };
      case 'process':
        return { kind, at, process: this.#text(a), act: this.#text(b) as ProcessAct, code: this.#text(c) };
      case 'fault': {
        const routers = this.#text(c);
        return {
          kind,
          at,
          phase: a === 1 ? 'end' : 'begin',
          what: this.#text(b),
          routers: routers === '' ? [] : routers.split(' '),
        };
      }
      default:
        return kind satisfies never;
    }
  }

  #index(text: string): number {
    let index = this.#indices.get(text);
    if (index === undefined) {
      index = this.#texts.push(text) - 1;
      this.#indices.set(text, index);
    }
    return index;
  }

  #text(index: number): string {
    return this.#texts[index] ?? '';
  }
}
