/** How a receiver knows that a request is ours. Owns: the signature's content and form. Does not know: HTTP.
 *  HMAC-SHA-256 over `id.timestamp.body`, in base64 behind `v1,`, one for each secret with a space between: so a receiver that knows the
 *  old secret or the new one is satisfied while they are exchanged. A secret `whsec_…` is base64, any other is taken as it is.
 *  @see https://www.standardwebhooks.com (Standard Webhooks, "Signature scheme") */
import { createHmac } from 'node:crypto';

const ENCODED = 'whsec_';

/** The headers of one attempt. @param seconds  Unix time of this attempt */
export function signedHeaders(
  secrets: readonly string[],
  id: string,
  seconds: number,
  body: string,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(seconds));
  const signatures = secrets.map((secret) => signature(secret, id, timestamp, body));
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

function signature(secret: string, id: string, timestamp: string, body: string): string {
  const key = secret.startsWith(ENCODED) ? Buffer.from(secret.slice(ENCODED.length), 'base64') : Buffer.from(secret);
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
