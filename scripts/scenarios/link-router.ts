/** A router of a scenario's own that only listens: it speaks the link, seats two sessions, and stamps every frame it gets. Owns: one link
 *  and its record. Does not know: clients, the directory.
 *  Stamps are of CLOCK_MONOTONIC, which all processes of one host share. */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../shared/clock.ts';
import { DEVELOPMENT_SECRET } from '../../shared/config.ts';
import type { LinkConnection } from '../../shared/link/connection.ts';
import { dialLink } from '../../shared/link/dial.ts';
import type { LinkMessage } from '../../shared/link/messages.ts';
import { CLUSTER_NAME, type Cluster } from './cluster.ts';
import { until } from './wait.ts';

export interface Stamped {
  readonly atMs: number;
  readonly message: LinkMessage;
}

const LISTENER = 1;
const TALKER = 2;

export class LinkRouter {
  readonly frames: Stamped[] = [];
  /** Why the link ended. */
  down: string | undefined;
  readonly #link: LinkConnection;
  #cseq = 0;

  private constructor(
    to: { readonly host: string; readonly port: number; readonly incarnation: string },
    node: string,
    hear: (stamped: Stamped) => void,
  ) {
    this.#link = dialLink(to, {
      handshake: {
        self: {
          role: 'router',
          cluster: CLUSTER_NAME,
          id: 'listener',
          incarnation: randomBytes(16).toString('hex'),
          features: [],
        },
        secrets: [DEVELOPMENT_SECRET],
        accepts: ['node'],
        expect: { id: node, incarnation: to.incarnation },
      },
      pulse: () => ({ loopDelayUs: 0, redis: 'answered' }),
      // It must outlive the node's pause, to hear what comes after.
      silentMs: 60_000,
      events: {
        onMessage: (_link, message) => hear({ atMs: systemClock.now().monoMs, message }),
        onDown: (_link, { code, text }) => {
          this.down = `${code} ${text}`;
        },
      },
    });
  }

  /** Dials the node and takes a seat in the room. `also` hears each frame as it comes. */
  static async open(
    cluster: Cluster,
    node: string,
    room: string,
    also?: (stamped: Stamped) => void,
  ): Promise<LinkRouter> {
    const router: LinkRouter = new LinkRouter(await cluster.linkOf(node), node, (stamped) => {
      router.frames.push(stamped);
      also?.(stamped);
    });
    await until('the link is up', () => router.#link.isUp);
    const sessions = [LISTENER, TALKER].map((handle) => ({
      handle,
      session: randomBytes(16).toString('base64url'),
      user: `listener-${handle}`,
      seat: 1,
      kind: 'join' as const,
      since: Date.now(),
    }));
    let asked = -1;
    await until('both sessions are seated', () => {
      const refused = router.frames.filter(({ message }) => message.type === 'refused');
      // A node may ask to wait; then it is asked again, as routers do.
      if (refused.length > asked) router.#link.send({ type: 'open', room, floor: 0, sessions });
      asked = refused.length;
      const seated = router.frames.filter(({ message }) => message.type === 'opened').length === 2;
      if (!seated && refused.length > 0) throw new Error(JSON.stringify(refused.at(-1)?.message));
      return seated;
    });
    return router;
  }

  /** Whether a signal was cast on this link. */
  get heardSignal(): boolean {
    return this.frames.some(({ message }) => message.type === 'cast' && message.class === 'ephemeral');
  }

  /** Sends a signal: one session speaks, and the other is to hear it. */
  signal(data: unknown): void {
    const payload = Buffer.from(JSON.stringify({ type: 'signal', data }));
    this.#link.send({ type: 'client-frame', session: TALKER, cseq: ++this.#cseq, resent: false, payload });
  }

  close(): void {
    this.#link.destroy();
  }
}
