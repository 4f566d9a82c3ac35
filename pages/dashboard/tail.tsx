/** What is said in a room, live, without being in it. Owns: its stream while it is shown, and the last lines. What was said is shown as
 *  text. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiFault, openStream, pathOf } from './api.ts';
import { clock } from './format.ts';
import { scrolls } from './scrolls.ts';
import { readEvents } from './sse.ts';

const LINES_MAX = 200;
const SHOW_MS = 150;
const RETRY_MS = 1_500;
const TEXT_MAX = 600;

interface Line {
  readonly key: number;
  readonly seq?: number | undefined;
  readonly at?: number | undefined;
  readonly from: string;
  readonly text: string;
}

export function Tail({ room }: { readonly room: string }) {
  const [lines, setLines] = useState<readonly Line[]>([]);
  const [state, setState] = useState('connecting…');
  const list = useRef<HTMLOListElement>(null);
  /** Until somebody scrolls up, and again at the end. */
  const follows = useRef(true);
  useEffect(() => {
    const stop = new AbortController();
    let kept: Line[] = [];
    let keys = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const add = (line: Omit<Line, 'key'>) => {
      kept.push({ key: ++keys, ...line });
      if (kept.length > LINES_MAX) kept = kept.slice(-LINES_MAX);
      // Many at once are one turn of drawing.
      timer ??= setTimeout(() => {
        timer = undefined;
        setLines([...kept]);
      }, SHOW_MS);
    };
    let isOver = false;
    const run = async () => {
      while (!stop.signal.aborted && !isOver) {
        try {
          // What it had shown before it broke off is shown already.
          const history = keys === 0 ? 30 : 0;
          const body = await openStream(`${pathOf('rooms', room)}/tail?history=${history}`, stop.signal);
          setState('live');
          await readEvents(body, ({ event, data }) => {
            const told = JSON.parse(data) as Record<string, unknown>;
            if (event === 'message') add(lineOf(told));
            else if (event === 'skipped')
              add({ from: '', text: `… ${told['from']} to ${told['to']} went by too fast to be shown` });
            else if (event === 'reset') add({ from: '', text: 'the numbering began anew' });
            else if (event === 'owner')
              add({ from: '', text: told['node'] === null ? 'nobody owns the room' : `owned by ${told['node']}` });
            else if (event === 'end') {
              isOver = true;
              setState(`cannot be listened to: ${told['code']}`);
            }
          });
        } catch (error) {
          if (stop.signal.aborted) return;
          setState(error instanceof ApiFault ? error.message : 'the router does not answer');
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    };
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [room]);
  useEffect(() => scrolls(list.current), []);
  useEffect(() => {
    const element = list.current;
    if (element === null) return;
    if (follows.current) element.scrollTop = element.scrollHeight;
  }, [lines]);
  return (
    <section class="panel tail" aria-labelledby="tail-title">
      <header class="panel-head">
        <h2 id="tail-title">Live tail</h2>
        <p class="muted">{state}</p>
      </header>
      <ol
        ref={list}
        aria-labelledby="tail-title"
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          follows.current = scrollHeight - scrollTop - clientHeight < 40;
        }}
      >
        {lines.map(({ key, seq, at, from, text }) => (
          <li key={key} class={seq === undefined ? 'muted' : ''}>
            <time>{at === undefined ? '' : clock(at)}</time>
            <span class="seq">{seq === undefined ? '' : `#${seq}`}</span>
            <b>{from}</b>
            <span class="text">{text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function lineOf({ seq, at, from, data }: Record<string, unknown>): Omit<Line, 'key'> {
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  return {
    seq: typeof seq === 'number' ? seq : undefined,
    at: typeof at === 'number' ? at : undefined,
    from: typeof from === 'string' ? from : 'the room',
    text: text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text,
  };
}
