/** The first page: a chat on the client library, who is there, which node holds the room, and a button that kills it. Owns: the page.
 *  Does not know: how a room survives that; the client library and the router see to it.
 *  Invariant: what others say is shown as text, never as markup. */
import type { connect, Json } from '../../client/index.ts';
import { GapWatch } from './gap.ts';
import { drawStrip } from './strip.ts';

/** What /chat/bellhop.global.js sets. */
declare const Bellhop: { readonly connect: typeof connect };

const BEAT_MS = 50;
/** The beat before the kill, and after the gap. */
const LEAD_MS = 700;
const LEAD_MS_MAX = 5_000;
const TAIL_MS = 1_200;
const MEASURE_MS_MAX = 20_000;
const LINES_MAX = 400;
const STILL_AFTER_MS = 300;
const SO_FAR = 'ms so far';

function byId<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as E;
}

const query = new URLSearchParams(location.search);
const roomName = query.get('room') ?? 'lobby';
const user = query.get('user') ?? storedUser();
const watch = new GapWatch();
let newest = 0;
let owner: string | undefined;
let beating: ReturnType<typeof setInterval> | undefined;
let measuredSince: number | undefined;
let isDrawing = false;
let lastSeq: number | undefined;
/** When something last broke the run of messages, or this page's socket. */
let troubleMs = Number.NEGATIVE_INFINITY;

function storedUser(): string {
  const names = [
    'ada',
    'bob',
    'cleo',
    'dan',
    'eve',
    'fay',
    'gus',
    'hal',
    'ida',
    'jon',
    'kim',
    'leo',
    'mia',
    'ned',
    'ora',
  ];
  const made = `${names[Math.floor(Math.random() * names.length)]}-${Math.floor(Math.random() * 90 + 10)}`;
  const name = sessionStorage.getItem('bellhop-user') ?? made;
  sessionStorage.setItem('bellhop-user', name);
  return name;
}

const room = Bellhop.connect(`${location.origin.replace(/^http/, 'ws')}/rooms/${encodeURIComponent(roomName)}`, {
  user,
  history: 100,
});

byId('room-name').textContent = roomName;
document.title = `Bellhop: ${roomName}`;
byId<HTMLAnchorElement>('second').href =
  `/?room=${encodeURIComponent(roomName)}&user=guest-${Math.floor(Math.random() * 900 + 100)}`;

room.on('state', (state) => {
  const words = {
    connecting: 'connecting…',
    open: `connected as ${user}`,
    waiting: 'connection lost, coming back…',
    closed: 'closed',
  };
  byId('state').textContent = words[state.status];
  byId('state').classList.toggle('away', state.status === 'waiting' || state.status === 'closed');
  if (state.status === 'open') void findOwner(0);
  else troubleMs = performance.now();
});
room.on('members', ({ count, list }) => {
  byId('count').textContent = String(count);
  const users = new Map<string, number>();
  for (const member of list) users.set(member.user, (users.get(member.user) ?? 0) + 1);
  byId('members').replaceChildren(
    ...[...users].map(([name, times]) =>
      item(`${name}${name === user ? ' (you)' : ''}${times > 1 ? ` ×${times}` : ''}`),
    ),
  );
});
room.on('message', ({ tag, from, data, seq }) => {
  const epoch = Number.parseInt(tag, 10);
  const gap = watch.arrived(performance.now(), epoch);
  if (epoch > newest) {
    const isChange = newest > 0;
    newest = epoch;
    if (isChange) void findOwner(epoch);
  }
  if (lastSeq !== undefined && seq !== lastSeq + 1) troubleMs = performance.now();
  lastSeq = seq;
  if (gap !== undefined) measured(gap.ms);
  if (!isDrawing && watch.isSteady) drawWhile();
  if (!isBeat(data)) say(from, textOf(data), seq);
});
room.on('reset', ({ reason }) => {
  troubleMs = performance.now();
  event(`Some messages may be missing here: ${reason}.`);
});

byId('form').addEventListener('submit', (submitted) => {
  submitted.preventDefault();
  const field = byId<HTMLInputElement>('text');
  const text = field.value.trim();
  if (text === '') return;
  field.value = '';
  room.publish(text).catch(({ code }: { code?: string }) => event(`Not sent (${code ?? 'unknown'}): ${text}`));
});
// So that it can be scrolled by keys.
byId('log').tabIndex = 0;
byId('kill').addEventListener('click', () => void kill());

function isBeat(data: Json): boolean {
  return typeof data === 'object' && data !== null && !Array.isArray(data) && 'beat' in data;
}

function textOf(data: Json): string {
  return typeof data === 'string' ? data : JSON.stringify(data);
}

function item(text: string, className = ''): HTMLLIElement {
  const made = document.createElement('li');
  made.textContent = text;
  made.className = className;
  return made;
}

function append(line: HTMLLIElement): void {
  const log = byId('log');
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  log.append(line);
  if (log.childElementCount > LINES_MAX) log.firstElementChild?.remove();
  if (follows) log.scrollTop = log.scrollHeight;
}

function say(from: string | null, text: string, seq: number): void {
  const line = document.createElement('li');
  for (const [part, className] of [
    [from ?? 'the room', from === user ? 'who mine' : 'who'],
    [text, 'what'],
    [`#${seq}`, 'seq'],
  ] as const) {
    const span = document.createElement('span');
    span.textContent = part;
    span.className = className;
    line.append(span);
  }
  append(line);
}

function event(text: string): void {
  append(item(text, 'event'));
}

/** Asks where the room is now. @param epoch  an answer below this one is older than what this page has heard itself */
async function findOwner(epoch: number): Promise<void> {
  for (let attempt = 0; attempt < 40; attempt++) {
    const answer = await fetch(`/api/v1/rooms/${encodeURIComponent(roomName)}`).catch(() => undefined);
    const found = answer?.ok === true ? ((await answer.json()) as { node: string; epoch: number }) : undefined;
    if (found !== undefined && found.epoch >= epoch) return nowOwnedBy(found.node, found.epoch);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

function nowOwnedBy(node: string, epoch: number): void {
  if (owner !== undefined && owner !== node) event(`The room is at ${node} now, epoch ${epoch}. This socket was kept.`);
  owner = node;
  byId('node').textContent = node;
  byId('epoch').textContent = String(epoch);
  byId<HTMLButtonElement>('kill').disabled = measuredSince !== undefined;
  byId('kill').textContent = `Kill ${node}, the owning node`;
}

/** Talks steadily, kills the owner, and goes on until the room has spoken under another epoch. */
async function kill(): Promise<void> {
  const node = owner;
  if (node === undefined || measuredSince !== undefined) return;
  measuredSince = performance.now();
  byId<HTMLButtonElement>('kill').disabled = true;
  show('…', 'saying 20 messages a second', 'running');
  let beat = 0;
  beating = setInterval(() => room.publish({ beat: ++beat }).catch(() => undefined), BEAT_MS);
  const beganMs = performance.now();
  do await new Promise((resolve) => setTimeout(resolve, LEAD_MS));
  while (!watch.isSteady && performance.now() - beganMs < LEAD_MS_MAX);
  const answer = await fetch('/development/kill', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ node }),
  }).catch(() => undefined);
  if (answer?.ok !== true) return endMeasure('–', 'the node could not be killed');
  event(`${node} is being killed.`);
  show('0', SO_FAR, 'running');
  setTimeout(() => {
    if (
      measuredSince !== undefined &&
      beating !== undefined &&
      performance.now() - measuredSince > MEASURE_MS_MAX - 1_000
    ) {
      endMeasure('–', 'no other node took the room: was this one started by hand?');
    }
  }, MEASURE_MS_MAX);
}

function measured(ms: number): void {
  show(String(Math.round(ms)), 'ms', 'done');
  const isSound = performance.now() - troubleMs > MEASURE_MS_MAX;
  byId('verdict').textContent = isSound
    ? 'From the last message under the old owner to the first under the next one. No number is missing, and this socket was kept.'
    : 'From the last message under the old owner to the first under the next one. This page lost its socket or a message meanwhile.';
  event(`The conversation had a gap of ${Math.round(ms)} ms.`);
  setTimeout(() => endMeasure(), TAIL_MS);
}

function endMeasure(text?: string, unit = ''): void {
  clearInterval(beating);
  beating = undefined;
  measuredSince = undefined;
  byId<HTMLButtonElement>('kill').disabled = owner === undefined;
  if (text !== undefined) show(text, unit, '');
}

function show(text: string, unit: string, className: string): void {
  byId('watch').textContent = text;
  byId('watch').className = className;
  byId('unit').textContent = unit;
}

/** Draws while messages are on their way over the picture; counts while the conversation is silent. */
function drawWhile(): void {
  const now = performance.now();
  const last = watch.arrivals.at(-1);
  drawStrip(byId<HTMLCanvasElement>('strip'), watch.arrivals, now, newest);
  if (last !== undefined && byId('unit').textContent === SO_FAR) {
    byId('watch').textContent = String(Math.round(now - last.at));
  }
  // Still when nothing comes any more, so that the gap can be looked at.
  isDrawing = beating !== undefined || (last !== undefined && now - last.at < STILL_AFTER_MS);
  if (isDrawing) requestAnimationFrame(drawWhile);
}
