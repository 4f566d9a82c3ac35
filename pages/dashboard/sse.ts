/** Reads a stream of events (Server-Sent Events) from a body of bytes. Owns: the format. A browser's EventSource could not show a token.
 *  @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Takes text as it arrives, and gives the events that are whole. */
export class EventParser {
  #rest = '';

  push(text: string): ServerEvent[] {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    return blocks.flatMap((block) => {
      let event = 'message';
      const data: string[] = [];
      for (const line of block.split('\n')) {
        if (line.startsWith('event: ')) event = line.slice(7);
        else if (line.startsWith('data: ')) data.push(line.slice(6));
      }
      return data.length === 0 ? [] : [{ event, data: data.join('\n') }];
    });
  }
}

/** Ends with the body. @throws what the body's reading throws, an abort included */
export async function readEvents(body: ReadableStream<Uint8Array>, hear: (event: ServerEvent) => void): Promise<void> {
  const parser = new EventParser();
  const reader = body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const event of parser.push(decoder.decode(value, { stream: true }))) hear(event);
  }
}
