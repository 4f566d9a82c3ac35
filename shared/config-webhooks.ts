/** Checks of the settings of webhooks. Owns: what receivers and secrets may look like. Does not know: who sends to them. */
import { ConfigError } from './config-parse.ts';
import { isRoomPattern } from './ids.ts';

export interface WebhookValues {
  readonly webhookUrl: readonly string[];
  readonly webhookSecret: readonly string[] | undefined;
  readonly webhookRooms: readonly string[];
}

const SECRETS_MAX = 2;
const URLS_MAX = 8;

/** @throws ConfigError */
export function checkWebhooks({
  webhookUrl: urls,
  webhookSecret: secrets = [],
  webhookRooms: rooms,
}: WebhookValues): void {
  if (urls.length === 0) return;
  if (urls.length > URLS_MAX) throw new ConfigError(`--webhook-url may be given ${URLS_MAX} times at most.`);
  for (const url of urls) {
    if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
      throw new ConfigError('--webhook-url must be an http:// or https:// URL.');
    }
  }
  if (secrets.length === 0)
    throw new ConfigError('--webhook-url needs --webhook-secret: receivers must know who tells them.');
  if (secrets.length > SECRETS_MAX)
    throw new ConfigError('--webhook-secret takes two at most: the old one and the new one.');
  for (const secret of secrets) {
    if (secret.startsWith('whsec_') && Buffer.from(secret.slice(6), 'base64').length < 16) {
      throw new ConfigError('--webhook-secret: behind whsec_ there must be 16 bytes in base64 at least.');
    }
  }
  for (const pattern of rooms) {
    if (!isRoomPattern(pattern))
      throw new ConfigError(`--webhook-rooms ${JSON.stringify(pattern)} is not a pattern of room ids.`);
  }
}
