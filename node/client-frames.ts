/** What a seated client sends, frame by frame. Owns: which frames are taken, and what each kind of message does. Does not know: how a
 *  publish is numbered or logged (room-speech.ts), where frames come from.
 *  Invariant: a frame of a seat is taken at most once, in the order of their numbers.
 *  @see DESIGN §6, §7 */
import type { Instant } from '../shared/clock.ts';
import type { ClientFrame } from '../shared/link/messages.ts';
import { decodeClientMessage } from '../shared/protocol-decode.ts';
import * as encode from '../shared/protocol-encode.ts';
import type { RoomBindings } from './room-bindings.ts';
import type { RoomNews } from './room-news.ts';
import type { RoomLimits } from './room-output.ts';
import type { RoomSpeech } from './room-speech.ts';
import { boundedFrame } from './room-state.ts';
import type { RoomSession } from './roster.ts';

/** Largest `meta` of a member, as JSON text. */
const META_CHARS_MAX = 2_048;

export interface ClientFramesParts {
  readonly limits: RoomLimits;
  readonly speech: RoomSpeech;
  readonly news: RoomNews;
  readonly bindings: RoomBindings;
  /** What others see of this member is another. */
  readonly changed: (session: RoomSession) => void;
  readonly direct: (session: RoomSession, text: string) => void;
}

export class ClientFrames {
  readonly #parts: ClientFramesParts;

  constructor(parts: ClientFramesParts) {
    this.#parts = parts;
  }

  /** Takes one frame, unless this seat's frames were taken up to it already. */
  take(session: RoomSession, frame: ClientFrame, now: Instant): void {
    const { place } = session;
    if (place === undefined || frame.cseq <= session.cseq) return;
    session.cseq = frame.cseq;
    // What comes for the first time, comes after all that the lost owner may have had.
    if (!frame.resent) session.ownerLost = false;
    this.#act(session, frame, now);
    // What waits for the log is acked once that has it, and what came after it then too.
    if (session.waiting === 0) this.#parts.speech.acked(session, session.cseq);
  }

  #act(session: RoomSession, { cseq, payload, resent }: ClientFrame, now: Instant): void {
    const { speech, direct } = this.#parts;
    const decoded = decodeClientMessage(payload.toString('utf8'));
    if (!decoded.ok) {
      session.lastId = Math.max(session.lastId, decoded.id ?? 0);
      return speech.error(session, cseq, decoded.code, decoded.message, decoded.id);
    }
    const { message } = decoded;
    switch (message.type) {
      case 'publish':
        return speech.publish(session, message, message.dataText, cseq, resent);
      case 'signal':
        if (!resent) this.#signal(session, message.dataText);
        return;
      case 'meta': {
        const { data, dataText } = message;
        if (dataText.length <= META_CHARS_MAX) return this.#meta(session, data === null ? undefined : data, now);
        const text = `meta may be at most ${META_CHARS_MAX} characters`;
        return speech.error(session, cseq, 'too_large', text, undefined);
      }
      case 'ping':
        return direct(session, encode.pong());
      default:
        message satisfies never;
    }
  }

  #signal(session: RoomSession, dataText: string): void {
    const { bindings, limits } = this.#parts;
    const text = encode.signal({ from: session.user, session: session.session, dataText });
    bindings.cast('ephemeral', 0, boundedFrame(text, limits), session.place);
  }

  #meta(session: RoomSession, meta: RoomSession['meta'], now: Instant): void {
    const { news, changed } = this.#parts;
    session.meta = meta;
    news.changed();
    changed(session);
    news.summarise('presence', now);
  }
}
