/** The rooms of one node, as listed last. */
import { useState } from 'preact/hooks';
import { useLive } from './context.ts';
import { count } from './format.ts';
import { hrefOf } from './route.ts';

const STEP = 60;

export function RoomList({ node }: { readonly node: string }) {
  const live = useLive();
  const [shown, setShown] = useState(STEP);
  const held = live.rooms.count(node);
  const rooms = Array.from({ length: Math.min(shown, held) }, (_, place) => live.rooms.room(node, place) ?? '');
  return (
    <section class="panel pad" aria-labelledby="held-title">
      <h2 id="held-title">
        Rooms here <span class="muted">{count(held)}</span>
      </h2>
      {held === 0 && <p class="muted">{live.hasRooms ? 'None.' : 'Waiting for the listing…'}</p>}
      <ul class="names">
        {rooms.map((room) => (
          <li key={room}>
            <a href={hrefOf({ kind: 'room', room })}>{room}</a>
          </li>
        ))}
      </ul>
      {held > shown && (
        <button type="button" class="button small" onClick={() => setShown(shown + 5 * STEP)}>
          Show more
        </button>
      )}
    </section>
  );
}
