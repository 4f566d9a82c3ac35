/** One room: who owns it and why, who is in it, how it moved, what is said. */
import { useState } from 'preact/hooks';
import { ApiFault, ask, type ExplainAnswer, type PresenceAnswer, pathOf } from './api.ts';
import { useLive } from './context.ts';
import { Dialog } from './dialog.tsx';
import { ago, clock, count, plural } from './format.ts';
import { hrefOf } from './route.ts';
import { scrolls } from './scrolls.ts';
import { Tail } from './tail.tsx';
import { useAnswer } from './use-answer.ts';

const ASK_MS = 2_000;

export function RoomPage({ room }: { readonly room: string }) {
  const live = useLive();
  const [isMoving, setMoving] = useState(false);
  const path = pathOf('rooms', room);
  // What the stream has told of this room is asked about at once.
  const place = live.rooms.nodeOf(room);
  // It is answered also where nobody owns the room, which is no fault: a browser writes each 404 to its console.
  const { answer: explained, fault } = useAnswer<ExplainAnswer>(`${path}/explain`, ASK_MS, place);
  const presence = useAnswer<PresenceAnswer>(`${path}/presence?source=owner&limit=100`, ASK_MS, place).answer;
  const owner = explained?.record?.owner?.node;
  const answer = explained?.heldBy.find(({ node }) => node === owner) ?? explained?.heldBy[0];
  const now = Date.now();
  return (
    <>
      <header class="page-head">
        <h1>{room}</h1>
        {answer !== undefined && (
          <button type="button" class="button" onClick={() => setMoving(true)}>
            Move…
          </button>
        )}
      </header>
      {fault !== undefined && explained === undefined && <p class="panel empty">{fault.message}</p>}
      {explained !== undefined && owner === undefined && answer === undefined && (
        <p class="panel empty">Nobody owns {room} now. It opens when a client joins it.</p>
      )}
      <div class="columns">
        <section class="panel pad" aria-labelledby="owner-title">
          <h2 id="owner-title">Owner</h2>
          <dl class="facts">
            <div>
              <dt>Node</dt>
              <dd>
                {answer === undefined ? (
                  'nobody'
                ) : (
                  <a href={hrefOf({ kind: 'node', node: answer.node })}>{answer.node}</a>
                )}
              </dd>
            </div>
            <div>
              <dt>Epoch</dt>
              <dd class="mono">{answer?.epoch ?? explained?.record?.epoch ?? '–'}</dd>
            </div>
            <div>
              <dt>Held for</dt>
              <dd>{answer === undefined ? '–' : ago(answer.since, now)}</dd>
            </div>
            <div>
              <dt>Messages</dt>
              <dd>{answer === undefined ? '–' : count(answer.head)}</dd>
            </div>
            <div>
              <dt>Program</dt>
              <dd>{answer?.program ?? '–'}</dd>
            </div>
          </dl>
          <h3>Why it is there</h3>
          <p>{explained === undefined ? '…' : whyOf(explained)}</p>
          {explained?.pinned != null && <Unpin room={room} pinned={explained.pinned} />}
          <h3>Placement prefers</h3>
          <ol class="order">
            {explained?.placement.slice(0, 6).map(({ node }) => (
              <li key={node} class={node === answer?.node ? 'here' : ''}>
                <a href={hrefOf({ kind: 'node', node })}>{node}</a>
              </li>
            ))}
          </ol>
          <h3>Last moves</h3>
          <ol class="moves">
            {explained?.recentMoves.length === 0 && <li class="muted">None that this router has seen.</li>}
            {[...(explained?.recentMoves ?? [])].reverse().map(({ at, from, to, epoch }) => (
              <li key={epoch}>
                <time>{clock(at)}</time> {from === undefined ? 'opened at' : `${from} →`} {to}{' '}
                <span class="muted mono">epoch {epoch}</span>
              </li>
            ))}
          </ol>
        </section>
        <Members presence={presence} />
      </div>
      <Tail key={room} room={room} />
      {isMoving && answer !== undefined && (
        <MoveDialog room={room} owner={answer.node} onClose={() => setMoving(false)} />
      )}
    </>
  );
}

/** The router says it, where it is of a version that does; or it follows from what it tells. */
function whyOf({ why, record, placement, moving }: ExplainAnswer): string {
  if (moving != null) return `It is on its way to ${moving.to} (${moving.step}).`;
  if (why !== undefined) return why;
  if (record === null || record.owner === null)
    return 'Its record names nobody: it opens where placement says when a client joins.';
  const { node } = record.owner;
  if (!record.ownerLives)
    return `Its record names ${node}, which is dead: the next node that placement prefers takes it.`;
  if (placement[0]?.node === node) return `Its record names ${node}, which placement prefers for it.`;
  return `Its record names ${node}. Placement would prefer ${placement[0]?.node ?? 'nobody'}, but a room that has an owner stays.`;
}

function Members({ presence }: { readonly presence: PresenceAnswer | undefined }) {
  const now = Date.now();
  return (
    <section class="panel members" aria-labelledby="members-title">
      <header class="panel-head">
        <h2 id="members-title">Members</h2>
        <p class="muted">{presence === undefined ? '' : plural(presence.count, 'session')}</p>
      </header>
      <ul ref={scrolls} aria-labelledby="members-title">
        {presence?.users.length === 0 && <li class="muted">Nobody is here.</li>}
        {presence?.users.map(({ user, sessions, since }) => (
          <li key={user}>
            <a href={hrefOf({ kind: 'user', user })}>{user}</a>
            <span class="muted">
              {sessions.length > 1 ? `${sessions.length} sessions, ` : ''}
              {ago(since, now)}
            </span>
          </li>
        ))}
      </ul>
      {presence !== undefined && presence.count > 100 && <p class="muted pad">The first 100 sessions are shown.</p>}
    </section>
  );
}

function Unpin({ room, pinned }: { readonly room: string; readonly pinned: NonNullable<ExplainAnswer['pinned']> }) {
  const [fault, setFault] = useState<string>();
  const unpin = () => {
    ask('DELETE', `${pathOf('rooms', room)}/pin`).catch((error: Error) => setFault(error.message));
  };
  return (
    <p class="pin">
      Pinned to {pinned.node} by {pinned.by}.{' '}
      <button type="button" class="button small" onClick={unpin}>
        Unpin
      </button>
      {fault !== undefined && <span class="fault">{fault}</span>}
    </p>
  );
}

function MoveDialog({
  room,
  owner,
  onClose,
}: {
  readonly room: string;
  readonly owner: string;
  readonly onClose: () => void;
}) {
  const live = useLive();
  const [from] = useState(owner);
  const targets = [...live.nodes.values()]
    .filter(({ node, state }) => state === 'active' && node !== from)
    .map(({ node }) => node)
    .sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  const [target, setTarget] = useState(targets[0] ?? '');
  const [isPinned, setPinned] = useState(true);
  const [fault, setFault] = useState<string>();
  const [phase, setPhase] = useState<'asking' | 'moving'>('asking');
  const isThere = phase === 'moving' && owner === target;
  const start = async () => {
    setPhase('moving');
    setFault(undefined);
    try {
      await ask('POST', `${pathOf('rooms', room)}/move`, { node: target, pin: isPinned });
    } catch (error) {
      const isUnknown = error instanceof ApiFault && error.status === 404;
      setFault(isUnknown ? 'This router cannot move rooms: it is of another version.' : (error as Error).message);
      setPhase('asking');
    }
  };
  return (
    <Dialog title={`Move ${room}`} onClose={onClose}>
      {phase === 'asking' ? (
        <>
          <label class="row">
            To node
            <select class="field" value={target} onChange={(event) => setTarget(event.currentTarget.value)}>
              {targets.map((node) => (
                <option key={node} value={node}>
                  {node}
                </option>
              ))}
            </select>
          </label>
          <label class="check">
            <input type="checkbox" checked={isPinned} onChange={(event) => setPinned(event.currentTarget.checked)} />{' '}
            Pin it there, so that rebalancing leaves it
          </label>
          <p class="muted">It is handed over with its state. No client is disconnected.</p>
        </>
      ) : (
        <div class="progress" role="status">
          {isThere ? <progress value={1} max={1} aria-label="Move" /> : <progress aria-label="Move" />}
          <p>{isThere ? `${room} is at ${target}.` : `Moving from ${from} to ${target}…`}</p>
        </div>
      )}
      <p class="fault" role="alert">
        {fault}
      </p>
      <div class="actions">
        <button type="button" class="button" onClick={onClose}>
          {phase === 'asking' ? 'Cancel' : 'Close'}
        </button>
        {phase === 'asking' && (
          <button type="button" class="button primary" disabled={target === ''} onClick={() => void start()}>
            Move the room
          </button>
        )}
      </div>
    </Dialog>
  );
}
