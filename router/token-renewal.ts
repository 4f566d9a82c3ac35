/** New resume tokens for whoever stays connected for longer than one holds. Owns: whose turn it is, and when. Does not know:
 *  sockets, or who may come back.
 *  Invariants: who is seated through a whole round is given a token in it; at most `AT_ONCE_MAX` are made in one tick, and nothing is kept
 *  for a client.
 *  @see DESIGN §6 */
import type { Instant } from '../shared/clock.ts';
import * as encode from '../shared/protocol-encode.ts';
import { issueResume, RESUME_TOKEN_LIFE_MS } from '../shared/token.ts';
import { textFrame } from '../shared/websocket-frame.ts';
import type { ClientOutput } from './ports.ts';
import type { ClientSession } from './session.ts';

/** A round begins this often: whoever is passed over in one, since its seat was in doubt, has two more before its token ends. */
const EVERY_MS = RESUME_TOKEN_LIFE_MS / 4;
const AT_ONCE_MAX = 20;

export class TokenRenewal {
  readonly #secrets: readonly string[];
  readonly #output: Pick<ClientOutput, 'direct'>;
  #round: Iterator<{ readonly session: ClientSession }> | undefined;
  /** Sessions that this round still looks at, at most. Those that come after its beginning are last in order: it would never catch up
   *  with them where more come than are looked at. */
  #left = 0;
  #nextMs: number | undefined;

  /** @param secrets  of the cluster, under the first of which tokens are made */
  constructor(secrets: readonly string[], output: Pick<ClientOutput, 'direct'>) {
    this.#secrets = secrets;
    this.#output = output;
  }

  tick(sessions: ReadonlyMap<number, { readonly session: ClientSession }>, now: Instant): void {
    this.#nextMs ??= now.monoMs + EVERY_MS;
    if (this.#round === undefined && now.monoMs >= this.#nextMs) {
      this.#nextMs = now.monoMs + EVERY_MS;
      this.#round = sessions.values();
      this.#left = sessions.size;
    }
    for (let count = 0; this.#round !== undefined && count < AT_ONCE_MAX; count++) {
      const { done, value } = this.#round.next();
      if (done !== true) this.#tell(value.session, now);
      if (done === true || --this.#left <= 0) this.#round = undefined;
    }
  }

  #tell({ handle, client, state }: ClientSession, { wallMs }: Instant): void {
    // The sockets of attended rooms are not Bellhop's to write to, and a seat that is being asked for may come to be another.
    if (client.attended === true || state !== 'seated') return;
    const { room, user, session, seat, since } = client;
    const expiresAtMs = Math.floor(wallMs) + RESUME_TOKEN_LIFE_MS;
    const resume = issueResume(this.#secrets, { room, user, session, seat, since, expiresAtMs });
    this.#output.direct(handle, textFrame(encode.resume({ resume })), false);
  }
}
