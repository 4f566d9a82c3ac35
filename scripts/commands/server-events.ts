/** Server-Sent Events out of a stream of bytes. Owns: the syntax and the bound on one event. Does not know: HTTP, what events mean.
 *  @see WHATWG HTML §9.2 */
import { Failure } from './failure.ts';

export interface ServerEvent {
  /** `message` where none was named. */
  readonly event: string;
  readonly data: string;
}

/** Larger than any message of a room with its envelope. */
const EVENT_CHARS_MAX = 8 * 1_048_576;

/** @throws Failure where an event is larger than the bound */
export async function* serverEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let event = '';
  let data: string[] = [];
  let size = 0;
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      size += line.length;
      if (size > EVENT_CHARS_MAX) break;
      if (line === '') {
        if (data.length > 0) yield { event: event === '' ? 'message' : event, data: data.join('\n') };
        event = '';
        data = [];
        size = 0;
        continue;
      }
      const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (name === 'event') event = value;
      if (name === 'data') data.push(value);
    }
    if (size + rest.length > EVENT_CHARS_MAX) {
      throw new Failure('failed', `an event of the stream is larger than ${EVENT_CHARS_MAX} characters.`);
    }
  }
}
