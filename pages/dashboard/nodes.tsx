/** The nodes as a table, and one of them on a page of its own. */
import { useLive } from './context.ts';
import { DrainButton, DrainProgress, useDrain } from './drain.tsx';
import { ago, count } from './format.ts';
import type { NodeRow } from './live.ts';
import { RoomList } from './room-list.tsx';
import { hrefOf } from './route.ts';
import { scrolls } from './scrolls.ts';

/** From so many on they scroll by themselves. */
const LONG = 16;
const ORDER = { active: 0, draining: 0, dead: 1, left: 1 } as const;

export function StateBadge({ state }: { readonly state: string }) {
  return <span class={`badge ${state}`}>{state}</span>;
}

function byOrder(a: NodeRow, b: NodeRow): number {
  return ORDER[a.state] - ORDER[b.state] || a.node.localeCompare(b.node, undefined, { numeric: true });
}

export function NodesTable() {
  const live = useLive();
  const rows = [...live.nodes.values()].sort(byOrder);
  const living = rows.filter(({ state }) => ORDER[state] === 0);
  const total = living.reduce((sum, { rooms }) => sum + rooms, 0);
  return (
    <section class="panel" aria-labelledby="nodes-title">
      <header class="panel-head">
        <h2 id="nodes-title">Nodes</h2>
        <p class="muted">{count(living.length)} living</p>
      </header>
      <div class={rows.length > LONG ? 'long' : ''} ref={rows.length > LONG ? scrolls : null}>
        <table class="nodes">
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                Rooms
              </th>
              <th scope="col" class="wide">
                Share
              </th>
              <th scope="col" class="number">
                Sessions
              </th>
              <th scope="col" class="number wide">
                Heartbeat
              </th>
              <th scope="col">
                <span class="hidden-text">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <NodeLine
                key={row.node}
                row={row}
                share={total === 0 ? 0 : row.rooms / total}
                isLiving={ORDER[row.state] === 0}
              />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function NodeLine({
  row,
  share,
  isLiving,
}: {
  readonly row: NodeRow;
  readonly share: number;
  readonly isLiving: boolean;
}) {
  const { node, state, rooms, sessions, heartbeatAgeMs, linked } = row;
  const late = isLiving && heartbeatAgeMs !== null && heartbeatAgeMs > 1_000;
  return (
    <tr class={isLiving ? '' : 'gone'}>
      <th scope="row">
        <a href={hrefOf({ kind: 'node', node })}>{node}</a>
      </th>
      <td>
        <StateBadge state={state} />
        {isLiving && !linked && <span class="badge dead">no link</span>}
      </td>
      <td class="number">{isLiving ? count(rooms) : '–'}</td>
      <td class="wide">
        {isLiving && (
          <span class="share">
            <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
              <rect width={100 * share} height="6" />
            </svg>
            <span class="number">{(share * 100).toFixed(share < 0.1 ? 1 : 0)} %</span>
          </span>
        )}
      </td>
      <td class="number">{isLiving ? count(sessions) : '–'}</td>
      <td class={late ? 'number wide warn-text' : 'number wide'}>
        {isLiving && heartbeatAgeMs !== null ? `${(heartbeatAgeMs / 1_000).toFixed(1)} s` : '–'}
      </td>
      <td class="number">
        <DrainButton row={row} isSmall />
      </td>
    </tr>
  );
}

export function NodePage({ node }: { readonly node: string }) {
  const live = useLive();
  const row = live.nodes.get(node);
  const drain = useDrain(node, row?.state === 'draining' || row?.state === 'left');
  if (row === undefined) {
    return (
      <p class="panel empty">{live.about === undefined ? 'Waiting for the router…' : `There is no node ${node}.`}</p>
    );
  }
  const now = live.samples.at(-1)?.at ?? Date.now();
  const facts: [string, string][] = [
    ['Rooms', count(row.rooms)],
    ['Sessions', count(row.sessions)],
    ['Heartbeat', row.heartbeatAgeMs === null ? '–' : `${(row.heartbeatAgeMs / 1_000).toFixed(1)} s ago`],
    ['Link from this router', row.linked ? 'up' : 'down'],
    ['Weight', String(row.weight)],
    ['Up for', row.startedAt === undefined ? '–' : ago(row.startedAt, now)],
    ['Host', `${row.host ?? '–'}${row.pid === undefined ? '' : `, pid ${row.pid}`}`],
    ['Version', row.version ?? '–'],
    ['Incarnation', row.incarnation],
  ];
  return (
    <>
      <header class="page-head">
        <h1>{node}</h1>
        <StateBadge state={row.state} />
        <DrainButton row={row} />
      </header>
      {drain !== undefined && (
        <section class="panel pad" aria-label="Drain">
          <DrainProgress drain={drain} />
        </section>
      )}
      <div class="columns">
        <section class="panel pad" aria-labelledby="facts-title">
          <h2 id="facts-title">This life of the node</h2>
          <dl class="facts">
            {facts.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd class={name === 'Incarnation' ? 'mono' : ''}>{value}</dd>
              </div>
            ))}
          </dl>
        </section>
        <RoomList node={node} />
      </div>
    </>
  );
}
