/** What became of each publish, without logs: it has one outcome, and what was refused is heard by nobody. Pure.
 *  @see DESIGN §4 Invariant 9 */
import { type MakeRule, placeOf, roomOf } from './rule.ts';

interface Said {
  /** Without an outcome so far: where each was handed over. */
  readonly pending: Map<number, number>;
  readonly refused: Map<number, string>;
  readonly acked: Set<number>;
}

/** Publishes that were acked, for the report; an echo and an ack of one count once. */
export interface PublishCounts {
  ok: number;
}

export const publishes =
  (counts: PublishCounts): MakeRule =>
  (history, find) => {
    const clients = new Map<number, Said>();
    const sessions = new Map<string, number>();
    const saidOf = (client: number): Said => {
      const said = clients.get(client) ?? { pending: new Map(), refused: new Map(), acked: new Set() };
      clients.set(client, said);
      return said;
    };
    const contradiction = (client: number, index: number, text: string): void =>
      find({
        rule: 'refused-is-unsaid',
        room: roomOf(history, client),
        place: placeOf(history, client, index),
        text,
      });

    return {
      see(event, index) {
        switch (event.kind) {
          case 'welcome':
            sessions.set(event.session, event.client);
            return;
          case 'invoke': {
            const said = saidOf(event.client);
            if (!said.acked.has(event.id) && !said.refused.has(event.id)) said.pending.set(event.id, index);
            return;
          }
          case 'ok': {
            const said = saidOf(event.client);
            const code = said.refused.get(event.id);
            if (code !== undefined)
              contradiction(event.client, index, `id ${event.id} was refused (${code}), then acked`);
            if (!said.acked.has(event.id)) counts.ok++;
            said.acked.add(event.id);
            said.pending.delete(event.id);
            return;
          }
          case 'fail': {
            const said = saidOf(event.client);
            if (said.acked.has(event.id))
              contradiction(event.client, index, `id ${event.id} was acked, then refused (${event.code})`);
            said.refused.set(event.id, event.code);
            said.pending.delete(event.id);
            return;
          }
          case 'unknown':
            saidOf(event.client).pending.delete(event.id);
            return;
          default:
            return;
        }
      },
      end() {
        for (const [client, { pending }] of clients)
          for (const [id, index] of pending)
            find({
              rule: 'has-outcome',
              room: roomOf(history, client),
              place: placeOf(history, client, index),
              text: `id ${id} has no outcome`,
            });
        // Heard before or after it was refused: only a second walk knows both.
        let index = 0;
        for (const event of history.events) {
          if (event.kind === 'deliver' && event.id !== 0) {
            const sender = sessions.get(event.session);
            const code = sender === undefined ? undefined : clients.get(sender)?.refused.get(event.id);
            if (code !== undefined)
              contradiction(
                event.client,
                index,
                `id ${event.id} of ${event.session} is heard and was refused (${code})`,
              );
          }
          index++;
        }
      },
    };
  };
