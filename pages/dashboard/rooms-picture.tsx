/** Rooms by node, as a picture that moves as rooms move. Owns: the element around the canvases, the tip under the pointer. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { useColours } from './colours.ts';
import { useLive } from './context.ts';
import { count, plural } from './format.ts';
import { Picture } from './picture.ts';
import { go } from './route.ts';

interface Tip {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

export function RoomsPicture() {
  const live = useLive();
  const box = useRef<HTMLDivElement>(null);
  const still = useRef<HTMLCanvasElement>(null);
  const moving = useRef<HTMLCanvasElement>(null);
  const picture = useRef<Picture>(undefined);
  const [width, setWidth] = useState(0);
  const [tip, setTip] = useState<Tip>();
  const colours = useColours();

  useEffect(() => {
    if (still.current === null || moving.current === null || box.current === null) return;
    const made = new Picture(still.current, moving.current, live.rooms);
    picture.current = made;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(box.current);
    const endMoves = live.onMove((move) => made.moved(move));
    return () => {
      observer.disconnect();
      endMoves();
      made.close();
    };
  }, [live]);
  useEffect(() => picture.current?.recolour(), [colours]);

  // A node that is gone keeps its place as long as rooms are shown there.
  const nodes = [...live.nodes.values()]
    .filter(({ node, state }) => state === 'active' || state === 'draining' || live.rooms.count(node) > 0)
    .sort((a, b) => a.node.localeCompare(b.node, undefined, { numeric: true }));
  useEffect(() => {
    if (width > 0) picture.current?.show(nodes, width);
  });

  const rooms = nodes.reduce((sum, node) => sum + (live.hasRooms ? live.rooms.count(node.node) : node.rooms), 0);
  const words = nodes.slice(0, 12).map(({ node, rooms: held }) => `${node} ${count(held)}`);
  const onPointer = (event: PointerEvent) => {
    const found = picture.current?.at(event.offsetX, event.offsetY);
    if (found?.room === undefined) return setTip(undefined);
    const more = found.rooms > 1 ? ` and ${found.rooms - 1} more` : '';
    setTip({ x: event.offsetX, y: event.offsetY, text: `${found.room}${more} · ${found.node}` });
  };
  return (
    <section class="panel rooms-panel" aria-labelledby="rooms-title">
      <header class="panel-head">
        <h2 id="rooms-title">Rooms by node</h2>
        <p class="muted">
          {plural(rooms, 'room')} on {plural(nodes.length, 'node')}
          {(picture.current?.roomsPerDot ?? 1) > 1
            ? `, a dot for ${picture.current?.roomsPerDot} rooms`
            : ', a dot each'}
        </p>
      </header>
      <div class="picture" ref={box}>
        <canvas
          ref={still}
          role="img"
          aria-label={`Rooms by node: ${words.join(', ')}${nodes.length > 12 ? ', …' : ''}`}
          onPointerMove={onPointer}
          onPointerLeave={() => setTip(undefined)}
          onClick={(event) => {
            const found = picture.current?.at(event.offsetX, event.offsetY);
            if (found === undefined) return;
            go(found.room === undefined ? { kind: 'node', node: found.node } : { kind: 'room', room: found.room });
          }}
        />
        <canvas ref={moving} class="moving" />
        {tip !== undefined && (
          <div
            class={tip.x > width - 220 ? 'tip left' : 'tip'}
            ref={(element) => {
              // By its properties: the policy of the page allows no style attribute.
              if (element === null) return;
              element.style.left = `${tip.x}px`;
              element.style.top = `${tip.y}px`;
            }}
          >
            {tip.text}
          </div>
        )}
      </div>
    </section>
  );
}
