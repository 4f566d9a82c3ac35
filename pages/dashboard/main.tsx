/** The operator's page. Owns: its frame, and which part is shown. @see docs/dashboard.md */
import { render } from 'preact';
import { useState } from 'preact/hooks';
import { keepToken } from './api.ts';
import { Charts } from './charts.tsx';
import { LiveContext, useLive } from './context.ts';
import { Feed } from './feed.tsx';
import { count, ms, short } from './format.ts';
import { Live } from './live.ts';
import { NodePage, NodesTable } from './nodes.tsx';
import { RoomPage } from './room.tsx';
import { RoomsPicture } from './rooms-picture.tsx';
import { useRoute } from './route.ts';
import { Search } from './search.tsx';
import { UserPage } from './user.tsx';

function App() {
  const live = useLive();
  const route = useRoute();
  if (live.link.kind === 'token') return <TokenForm isWrong={live.link.isWrong} />;
  if (live.link.kind === 'refused') return <Refused why={live.link.why} />;
  return (
    <>
      <header class="top">
        <a class="home" href="#/" title="Overview">
          <img src="/dashboard/icon.svg" alt="" width="26" height="26" />
          <b>
            {live.about?.cluster ?? 'Bellhop'}
            <span class="hidden-text">: overview</span>
          </b>
        </a>
        <Search />
        <LinkState />
      </header>
      <main>
        {route.kind === 'overview' && <Overview />}
        {route.kind === 'node' && <NodePage node={route.node} />}
        {route.kind === 'room' && <RoomPage room={route.room} />}
        {route.kind === 'user' && <UserPage user={route.user} />}
      </main>
      <footer class="foot muted">
        <p>
          As router {live.about?.router ?? '–'} sees it
          {(live.about?.workers ?? 1) > 1 ? `, all ${live.about?.workers} workers` : ''} · Bellhop{' '}
          {live.about?.version ?? ''} · <a href="/dashboard/licenses.txt">Licenses</a>
        </p>
      </footer>
    </>
  );
}

function LinkState() {
  const { link, redis } = useLive();
  const words = { connecting: 'Connecting…', live: 'Live', lost: 'Lost, trying again', token: '', refused: '' };
  return (
    <div class="link-state" role="status">
      {redis === 'failed' && <span class="badge dead">Redis away</span>}
      <span class={`pulse ${link.kind}`}>{words[link.kind]}</span>
    </div>
  );
}

function Overview() {
  return (
    <>
      <h1 class="hidden-text">Overview</h1>
      <Totals />
      <div class="columns main-columns">
        <RoomsPicture />
        <Feed />
      </div>
      <NodesTable />
      <Charts />
    </>
  );
}

function Totals() {
  const live = useLive();
  const living = [...live.nodes.values()].filter(({ state }) => state === 'active' || state === 'draining');
  const draining = living.filter(({ state }) => state === 'draining').length;
  const sample = live.samples.at(-1);
  const sum = (of: 'rooms' | 'sessions') => living.reduce((total, row) => total + row[of], 0);
  const tiles: readonly [string, string, string][] = [
    ['Nodes', count(living.length), draining > 0 ? `${draining} draining` : 'all active'],
    ['Rooms', count(sum('rooms')), living.length > 0 ? `${short(sum('rooms') / living.length)} a node` : ''],
    ['Sessions', count(sum('sessions')), `${count(sample?.sessions ?? 0)} at this router`],
    ['Messages in', sample === undefined ? '–' : short(sample.messagesIn), 'per second'],
    ['Deliveries', sample === undefined ? '–' : short(sample.deliveries), 'per second'],
    ['Message to ack', ms(sample?.message.p99), 'p99'],
  ];
  return (
    <dl class="totals">
      {tiles.map(([name, value, note]) => (
        <div key={name} class="panel">
          <dt>{name}</dt>
          <dd class="value">{live.about === undefined ? '–' : value}</dd>
          <dd class="muted">{note}</dd>
        </div>
      ))}
    </dl>
  );
}

function TokenForm({ isWrong }: { readonly isWrong: boolean }) {
  const live = useLive();
  const [token, setToken] = useState('');
  return (
    <main class="gate">
      <form
        class="panel pad"
        onSubmit={(event) => {
          event.preventDefault();
          keepToken(token.trim() === '' ? undefined : token.trim());
          live.start();
        }}
      >
        <img src="/dashboard/icon.svg" alt="" width="36" height="36" />
        <h1>This router’s API has a token</h1>
        <p class="muted">It is kept in this tab until you close it, and sent to this router alone.</p>
        <label class="row">
          API token
          <input
            class="field mono"
            type="password"
            autocomplete="off"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <p class="fault" role="alert">
          {isWrong ? 'This token is not the right one.' : ''}
        </p>
        <button type="submit" class="button primary">
          Show the cluster
        </button>
      </form>
    </main>
  );
}

function Refused({ why }: { readonly why: string }) {
  const live = useLive();
  return (
    <main class="gate">
      <div class="panel pad">
        <h1>The router does not answer this page</h1>
        <p>{why}. Start the router with --api-token to reach it from elsewhere.</p>
        <button type="button" class="button" onClick={() => live.start()}>
          Try again
        </button>
      </div>
    </main>
  );
}

/** An empty frame is worth its work only where the router is slow to answer. */
const FRAME_MS = 250;

const live = new Live();
live.start();

function draw(): void {
  const root = document.getElementById('app');
  if (root === null) return;
  render(
    <LiveContext.Provider value={live}>
      <App />
    </LiveContext.Provider>,
    root,
  );
}

const frame = setTimeout(draw, FRAME_MS);
void live.heard.then(() => {
  clearTimeout(frame);
  draw();
  // After the frame in which it is shown. How long a page takes until then is measured by it.
  requestAnimationFrame(() => setTimeout(() => performance.mark('shown')));
});
