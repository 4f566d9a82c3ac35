/** What is said in place of a message that a router of an earlier version cannot be sent. Owns: those words. Does not know: links.
 *  A numbered message is replaced by a reset to its own seq: the clients learn that they missed it, and go on from there. */
import * as encode from '../shared/protocol-encode.ts';
import { payloadOf, textFrame } from '../shared/websocket-frame.ts';

/** @param frame  a ready-made frame of one of the protocol's messages */
export function substituteFor(frame: Buffer): Buffer {
  const { type, seq, tag } = JSON.parse(payloadOf(frame).toString('utf8')) as Readonly<Record<string, unknown>>;
  if (type === 'message' && typeof seq === 'number' && typeof tag === 'string') {
    return textFrame(encode.reset({ reason: 'too_far', seq, tag }));
  }
  return textFrame(
    encode.error({ code: 'too_large', message: 'this cannot be sent by way of this router', id: undefined }),
  );
}
