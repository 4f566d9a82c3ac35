/** Whoever listens to a room without being in it. Owns: the reading of a room's new messages from its owner, one reader for each room
 *  however many listen, and what listeners are told of it. Does not know: HTTP, links.
 *
 *  The room knows nothing of it: its owner is asked what came after the last message, as for the API, so that nobody is seated, bound
 *  or counted, and no room is claimed or kept open for it. The question goes to whoever answered last; the directory is only read
 *  when that one is not the owner any more.
 *  Bounds: rooms at once, listeners (listeners.ts), messages in one answer. What a room says beyond what its owner remembers between
 *  two questions is told as `skipped`. */
import type { ServerResponse } from 'node:http';
import { BellhopError } from '../../shared/errors.ts';
import type { ApiPorts } from '../api-ports.ts';
import { asBellhopError } from '../ask.ts';
import { readMessages } from '../node-answers.ts';
import { type Listener, Listeners } from './listeners.ts';

const ROOMS_MAX = 32;
const PAGE = 100;
const ASK_MS = 2_000;
const BUSY_MS = 80;
const QUIET_MS = 250;
const TROUBLE_MS = 500;
/** Nobody owns it: whoever opens it is seen soon enough. */
const ABSENT_MS = 1_000;
const NOBODY = { node: null, epoch: null };

export class Tails {
  readonly #ports: Pick<ApiPorts, 'callNode' | 'callOwner'>;
  readonly #listeners = new Listeners();
  readonly #rooms = new Map<string, RoomTail>();

  constructor(ports: Pick<ApiPorts, 'callNode' | 'callOwner'>) {
    this.#ports = ports;
  }

  get rooms(): number {
    return this.#rooms.size;
  }

  /** @throws BellhopError too_many */
  check(room: string): void {
    this.#listeners.check();
    if (this.#rooms.size >= ROOMS_MAX && !this.#rooms.has(room)) {
      throw new BellhopError('too_many', 'too many rooms are listened to at once', { retryAfterMs: 5_000 });
    }
  }

  /** Begins to listen. @param history  how many of the last messages are told first, of those that the owner remembers */
  listen(room: string, response: ServerResponse, history: number): void {
    const known = this.#rooms.get(room);
    // One that has ended has listeners for as long as their connections take to close.
    const tail = known === undefined || known.isEnded ? new RoomTail(room, this.#ports) : known;
    this.#rooms.set(room, tail);
    const listener = this.#listeners.add(response, () => {
      tail.leave(listener);
      if (tail.size > 0) return;
      tail.end();
      if (this.#rooms.get(room) === tail) this.#rooms.delete(room);
    });
    tail.join(listener, history);
  }

  close(): void {
    this.#listeners.close();
    for (const tail of this.#rooms.values()) tail.end();
    this.#rooms.clear();
  }
}

class RoomTail {
  readonly #room: string;
  readonly #ports: Pick<ApiPorts, 'callNode' | 'callOwner'>;
  /** Each with the number of messages that it wants of the past. */
  readonly #listeners = new Map<Listener, number>();
  /** The last messages told, as JSON, for whoever comes later. */
  readonly #recent: string[] = [];
  /** Seq of the last message told; undefined before the first answer. */
  #after: number | undefined;
  #owner: { readonly node: string; readonly epoch: number | null } | undefined;
  #toldOwner = '';
  #timer: NodeJS.Timeout | undefined;
  #started = false;
  #ended = false;

  constructor(room: string, ports: Pick<ApiPorts, 'callNode' | 'callOwner'>) {
    this.#room = room;
    this.#ports = ports;
  }

  get size(): number {
    return this.#listeners.size;
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  join(listener: Listener, history: number): void {
    this.#listeners.set(listener, history);
    if (this.#toldOwner !== '') listener.send('owner', JSON.stringify(this.#owner ?? NOBODY));
    if (this.#after !== undefined) this.#retell(listener, history);
    if (this.#started) return;
    this.#started = true;
    void this.#step();
  }

  leave(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  async #step(): Promise<void> {
    let pauseMs: number;
    try {
      const { messages, head } = await this.#ask();
      if (this.#ended) return;
      pauseMs = this.#tell(messages, head) ? BUSY_MS : QUIET_MS;
    } catch (error) {
      if (this.#ended) return;
      const { code, retryable } = asBellhopError(error);
      if (code === 'not_found') {
        this.#nowOwnedBy(null);
        pauseMs = ABSENT_MS;
      } else if (retryable) {
        pauseMs = TROUBLE_MS;
      } else {
        this.end();
        this.#send('end', { code });
        for (const listener of this.#listeners.keys()) listener.end();
        return;
      }
    }
    this.#timer = setTimeout(() => void this.#step(), pauseMs);
  }

  async #ask(): Promise<ReturnType<typeof readMessages>> {
    // More than it can have: then only its head is told.
    const args = { after: this.#after ?? Number.MAX_SAFE_INTEGER, limit: PAGE };
    if (this.#owner !== undefined) {
      try {
        return await this.#first(
          await this.#ports.callNode(this.#owner.node, 'messages', { ...args, room: this.#room }, ASK_MS),
        );
      } catch {
        // It is not the owner any more, or cannot be reached: the directory knows.
      }
    }
    const { node, epoch, result } = await this.#ports.callOwner(this.#room, 'messages', args, { open: false });
    this.#nowOwnedBy({ node, epoch });
    return await this.#first(result);
  }

  /** The first answer tells where the room stands; what is wanted of the past is asked for then. */
  async #first(result: unknown): Promise<ReturnType<typeof readMessages>> {
    const answer = readMessages(result);
    if (this.#after !== undefined) return answer;
    this.#after = Math.max(0, answer.head - PAGE);
    const past = await this.#ask();
    for (const message of past.messages) this.#keep(message);
    this.#after = Math.max(this.#after, past.head);
    for (const [listener, history] of this.#listeners) this.#retell(listener, history);
    return { messages: [], head: past.head, whole: true };
  }

  #retell(listener: Listener, history: number): void {
    if (history > 0) for (const text of this.#recent.slice(-history)) listener.send('message', text);
  }

  /** @returns whether there was anything new */
  #tell(messages: readonly unknown[], head: number): boolean {
    const after = this.#after ?? head;
    if (head < after) {
      // The numbering began anew: the owner of a relay room was lost.
      this.#send('reset', { head });
      this.#after = 0;
      this.#recent.length = 0;
      return true;
    }
    for (const message of messages) {
      const kept = this.#keep(message);
      if (kept === undefined) continue;
      const expected = (this.#after ?? 0) + 1;
      if (kept.seq > expected && messages[0] === message) {
        this.#send('skipped', { from: expected, to: kept.seq - 1 });
      }
      this.#after = kept.seq;
      for (const listener of this.#listeners.keys()) listener.send('message', kept.text);
    }
    return messages.length > 0;
  }

  /** @returns undefined for what was told before, or is none */
  #keep(message: unknown): { readonly seq: number; readonly text: string } | undefined {
    if (typeof message !== 'object' || message === null || !('seq' in message)) return undefined;
    const { seq } = message;
    if (typeof seq !== 'number' || seq <= (this.#after ?? 0)) return undefined;
    const { from = null, at = null, data = null } = message as { from?: unknown; at?: unknown; data?: unknown };
    const text = JSON.stringify({ seq, at, from, data });
    this.#recent.push(text);
    if (this.#recent.length > PAGE) this.#recent.shift();
    return { seq, text };
  }

  #nowOwnedBy(owner: { readonly node: string; readonly epoch: number | null } | null): void {
    this.#owner = owner ?? undefined;
    const told = owner === null ? 'nobody' : `${owner.node} ${owner.epoch}`;
    if (told === this.#toldOwner) return;
    this.#toldOwner = told;
    this.#send('owner', owner ?? NOBODY);
  }

  #send(event: string, value: unknown): void {
    const text = JSON.stringify(value);
    for (const listener of this.#listeners.keys()) listener.send(event, text);
  }
}
