/** Two who talk in one room of a durable kind, in numbers that are the messages' own: what is missing or twice shows. Owns: seating them,
 *  and what must hold at the end. Does not know: faults. */
import { expect } from 'vitest';
import { ScenarioClient } from './client.ts';
import type { Cluster } from './cluster.ts';
import { expectSound } from './suite.ts';
import { until } from './wait.ts';

const JOIN_BOUND_MS = 40_000;

/** A room of the node, whose name begins with `prefix`, and two clients in it, one through each router. */
export async function talkers(
  cluster: Cluster,
  node: string,
  prefix = node,
): Promise<{ room: string; ada: ScenarioClient; bob: ScenarioClient }> {
  for (let i = 0; i < 200; i++) {
    const room = `${prefix}-${i}`;
    const ada = await join(cluster, 'r1', room, 'ada');
    if ((await cluster.recordOf(room))?.node === node) {
      return { room, ada, bob: await join(cluster, 'r2', room, 'bob') };
    }
    ada.close();
  }
  throw new Error(`none of 200 rooms went to ${node}`);
}

/** Comes into the room, and comes again where it is turned away. With `history` the last messages of before are told too. */
export async function join(
  cluster: Cluster,
  router: string,
  room: string,
  user: string,
  history?: number,
): Promise<ScenarioClient> {
  const { url } = cluster.router(router);
  return until(
    `${user} is in ${room}`,
    () =>
      ScenarioClient.join({ url, room, user, ...(history === undefined ? {} : { history }) }).catch(() => undefined),
    JOIN_BOUND_MS,
  );
}

/** Says the numbers one after another, each as the message of that number. */
export async function say(client: ScenarioClient, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) expect(await client.sayUntilAcked(n, 40_000)).toBe(n);
}

/** The log holds 1 … `last`, each as the message of that number unless `said` tells in which order they were logged, and both clients heard
 *  each of them once, without a reset or a lost socket. */
export async function expectWhole(
  cluster: Cluster,
  room: string,
  clients: readonly ScenarioClient[],
  last: number,
  said?: readonly number[],
): Promise<void> {
  const all = Array.from({ length: last }, (_, i) => i + 1);
  await until('both have heard all', () => clients.every(({ received }) => received === last));
  const answer = await cluster
    .router('r1')
    .api.get<{ readonly messages: readonly { readonly seq: number; readonly data: number }[] }>(
      `/rooms/${room}/messages`,
    );
  expect(answer.body.messages.map(({ seq, data }) => [seq, data])).toEqual(
    all.map((n, i) => [n, said === undefined ? n : said[i]]),
  );
  for (const { messages, resets, closes } of clients) {
    expect(messages.map(({ seq }) => seq)).toEqual(all);
    expect([resets, closes]).toEqual([[], []]);
  }
  expectSound(cluster, clients);
}
