/** Cuts a stream of bytes into lines. Owns: the rest of a line that has not ended yet, bounded. */

const LINE_CHARS_MAX = 65_536;

/** Returns what takes the stream's chunks and hands each whole line to `hear`; a line that never ends is handed over in pieces. */
export function lineSplitter(hear: (line: string) => void): { push(chunk: Buffer): void; end(): void } {
  const decoder = new TextDecoder();
  let rest = '';
  return {
    push(chunk) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) hear(line);
      if (rest.length > LINE_CHARS_MAX) {
        hear(rest);
        rest = '';
      }
    },
    end() {
      if (rest !== '') hear(rest);
      rest = '';
    },
  };
}
