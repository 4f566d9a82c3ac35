/** Webhooks of a node as its settings ask for them. Owns: how their parts are put together, and what is let go of at the end. Does not
 *  know: rooms. */
import type { Clock } from '../../shared/clock.ts';
import type { NodeConfig } from '../../shared/config.ts';
import { matchesPattern } from '../../shared/ids.ts';
import type { RandomSource } from '../../shared/random.ts';
import { Courier } from './courier.ts';
import { Post } from './post.ts';
import type { WebhooksOptions } from './webhooks.ts';

/** Events of one room that wait in Redis. */
const OUTBOX_EVENTS_MAX = 10_000;

type Settings = Pick<
  NodeConfig,
  | 'webhookUrl'
  | 'webhookSecret'
  | 'webhookEvents'
  | 'webhookRooms'
  | 'webhookQueueBytes'
  | 'webhookAgeMs'
  | 'webhookTimeoutMs'
  | 'webhookAnyAddress'
>;

export interface AssembledWebhooks {
  readonly options: Omit<WebhooksOptions, 'call' | 'now' | 'log'>;
  /** Lets go of connections to receivers. */
  close(): void;
}

/** @returns undefined where nobody is to be told */
export function assembleWebhooks(
  config: Settings,
  {
    clock,
    random,
    log,
  }: { readonly clock: Clock; readonly random: RandomSource; readonly log: WebhooksOptions['log'] },
): AssembledWebhooks | undefined {
  if (config.webhookUrl.length === 0) return undefined;
  const post = new Post({ timeoutMs: config.webhookTimeoutMs, anyAddress: config.webhookAnyAddress });
  const couriers = config.webhookUrl.map(
    (url) =>
      new Courier({
        ...{ url, secrets: config.webhookSecret ?? [], clock, random, log },
        post: (to, headers, body) => post.send(to, headers, body),
        queueBytesMax: config.webhookQueueBytes,
        ageMsMax: config.webhookAgeMs,
      }),
  );
  return {
    options: {
      couriers,
      types: new Set(config.webhookEvents),
      concerns: (room) => config.webhookRooms.some((pattern) => matchesPattern(pattern, room)),
      outboxEventsMax: OUTBOX_EVENTS_MAX,
    },
    close: () => {
      for (const courier of couriers) courier.close();
      post.close();
    },
  };
}
