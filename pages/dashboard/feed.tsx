/** What has happened, the latest first. Owns: the words for it. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { useLive } from './context.ts';
import { clock, count } from './format.ts';
import { type FeedLine, linesOf } from './lines.ts';
import { hrefOf } from './route.ts';
import { scrolls } from './scrolls.ts';

const LINES_MAX = 60;
const NAMED_MAX = 4;

export function Feed() {
  const live = useLive();
  const [withRooms, setWithRooms] = useState(true);
  const events = withRooms
    ? live.events
    : live.events.filter(({ room, rooms }) => room === undefined && rooms === undefined);
  const lines = linesOf(events, LINES_MAX);
  return (
    <section class="panel feed" aria-labelledby="feed-title">
      <header class="panel-head">
        <h2 id="feed-title">Events</h2>
        <label class="check">
          <input type="checkbox" checked={withRooms} onChange={(event) => setWithRooms(event.currentTarget.checked)} />
          rooms
        </label>
      </header>
      <ol ref={scrolls} aria-labelledby="feed-title">
        {lines.length === 0 && <li class="muted">Nothing has happened yet.</li>}
        {lines.map((line) => (
          <li key={line.key} class={classOf(line.event.kind)}>
            <time>{clock(line.at)}</time>
            <span>{wordsOf(line)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function classOf(kind: string): string {
  if (kind === 'node.lost' || kind === 'redis.away') return 'bad';
  if (kind === 'node.draining' || kind === 'redis.history') return 'warn';
  return kind.startsWith('room') ? 'quiet' : 'good';
}

function NodeLink({ node }: { readonly node: string | undefined }) {
  return node === undefined ? <>–</> : <a href={hrefOf({ kind: 'node', node })}>{node}</a>;
}

function RoomLink({ room }: { readonly room: string | undefined }) {
  return room === undefined ? <>–</> : <a href={hrefOf({ kind: 'room', room })}>{room}</a>;
}

function Targets({ to }: { readonly to: ReadonlySet<string> }) {
  if (to.size > NAMED_MAX) return <>{to.size} nodes</>;
  return (
    <>
      {[...to].sort().map((node, i) => (
        <span key={node}>
          {i > 0 && ', '}
          <NodeLink node={node} />
        </span>
      ))}
    </>
  );
}

function wordsOf({ event, times, to }: FeedLine): ComponentChildren {
  const { kind, node, room, from, router, why, rooms } = event;
  const because = why === undefined ? '' : `: ${why}`;
  switch (kind) {
    case 'node.joined':
      return (
        <>
          <NodeLink node={node} /> joined{because}
        </>
      );
    case 'node.draining':
      return (
        <>
          <NodeLink node={node} /> drains
        </>
      );
    case 'node.left':
      return (
        <>
          <NodeLink node={node} /> left
        </>
      );
    case 'node.lost':
      return (
        <>
          <NodeLink node={node} /> was lost{because}
        </>
      );
    case 'room.claimed':
      return (
        <>
          {times > 1 ? `${count(times)} rooms` : <RoomLink room={room} />} opened at <Targets to={to} />
        </>
      );
    case 'room.moved':
      return (
        <>
          {times > 1 ? `${count(times)} rooms` : <RoomLink room={room} />} moved <NodeLink node={from} /> →{' '}
          <Targets to={to} />
        </>
      );
    case 'rooms.moved':
      return `${count(rooms ?? 0)} more rooms changed owners`;
    case 'redis.away':
      return 'Redis does not answer this router';
    case 'redis.back':
      return 'Redis answers again';
    case 'redis.history':
      return `Redis has another history${because}`;
    case 'router.joined':
      return `router ${router ?? ''} joined`;
    case 'router.left':
      return `router ${router ?? ''} left`;
    default:
      return kind;
  }
}
