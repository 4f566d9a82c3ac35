/** Someone who talks in a room through the client library, in Node or in a page: says numbered things, says again what was refused, and
 *  writes down what it is told. Owns: that record. Does not know: clusters, tests; imports nothing at run time, so that a browser loads
 *  it as it was compiled.
 *  @see talk-faults.ts, which reads the records of a conversation */
import type { Room } from '../../client/index.ts';

export interface Word {
  /** `<name> <number>.<try>` */
  readonly text: string;
  readonly seq: number;
  readonly tag: string;
}

export type Heard =
  | ({ readonly kind: 'message' } & Word)
  | { readonly kind: 'reset'; readonly reason: string; readonly seq: number; readonly tag: string };

export interface TalkRecord {
  readonly name: string;
  readonly said: number;
  /** Said, and neither acked nor given up. */
  readonly pending: number;
  readonly acked: readonly Word[];
  readonly heard: readonly Heard[];
  /** Codes of what was refused and said again. */
  readonly refused: readonly string[];
  /** Each state it was in, a waiting one with its close code. */
  readonly states: readonly string[];
  /** Users who were told to have left. */
  readonly left: readonly string[];
  readonly sessions: readonly string[];
  readonly members: number;
}

const AGAIN_MS = 200;
const TRIES_MAX = 100;

export class Talker {
  readonly #room: Room;
  readonly #name: string;
  readonly #acked: Word[] = [];
  readonly #heard: Heard[] = [];
  readonly #refused: string[] = [];
  readonly #states: string[] = [];
  readonly #left: string[] = [];
  readonly #sessions: string[] = [];
  #said = 0;
  #pending = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(room: Room, name: string) {
    this.#room = room;
    this.#name = name;
    this.#note();
    room.on('message', ({ seq, tag, data }) => this.#heard.push({ kind: 'message', seq, tag, text: String(data) }));
    room.on('reset', ({ reason, seq, tag }) => this.#heard.push({ kind: 'reset', reason, seq, tag }));
    room.on('leave', ({ user }) => this.#left.push(user));
    room.on('state', () => this.#note());
  }

  /** Says something every `everyMs`. */
  start(everyMs: number): void {
    this.#timer = setInterval(() => void this.say(), everyMs);
  }

  /** Says nothing new. What was refused is still said again. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Says the next thing until it is acked. */
  async say(): Promise<void> {
    const number = ++this.#said;
    this.#pending++;
    for (let tries = 1; tries <= TRIES_MAX; tries++) {
      const text = `${this.#name} ${number}.${tries}`;
      try {
        this.#acked.push({ text, ...(await this.#room.publish(text)) });
        this.#pending--;
        return;
      } catch (error) {
        this.#refused.push((error as { readonly code: string }).code);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  close(): void {
    this.stop();
    this.#room.close();
  }

  record(): TalkRecord {
    return {
      name: this.#name,
      said: this.#said,
      pending: this.#pending,
      acked: [...this.#acked],
      heard: [...this.#heard],
      refused: [...this.#refused],
      states: [...this.#states],
      left: [...this.#left],
      sessions: [...this.#sessions],
      members: this.#room.memberCount,
    };
  }
  #note(): void {
    const { state, session } = this.#room;
    const { status } = state;
    this.#states.push(status === 'waiting' || status === 'closed' ? `${status} ${state.code}` : status);
    if (status === 'open' && session !== undefined && !this.#sessions.includes(session)) this.#sessions.push(session);
  }
}
