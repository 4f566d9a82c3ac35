/** Reads over HTTP what a run left: the log of each durable room, page by page, and who is present. Owns: these questions. Does not know:
 *  what is right. */
import type { Api } from '../scenarios/api.ts';
import { pause, until } from '../scenarios/wait.ts';
import type { EndState, LogEntry } from './history/events.ts';
import type { Stage } from './stage.ts';

const PAGE = 500;
/** A room with more pages than this is not read to its end. */
const PAGES_MAX = 1_000;
const PRESENCE_BOUND_MS = 15_000;
const ASKED_AT_ONCE = 10;
const READ_BOUND_MS = 10_000;
/** Sessions of those who listen on links; they are no clients of the load. */
const LISTENER = /^listener-/;

interface PresencePage {
  readonly settling: boolean;
  readonly users: readonly { readonly user: string; readonly sessions: readonly string[] }[];
}

interface MessagesPage {
  readonly messages: readonly LogEntry[];
  readonly head: number;
}

/** @param stage  quiet: nothing is under way */
export async function readEnd(stage: Stage): Promise<EndState> {
  const [router] = stage.cluster.routers.values();
  if (router === undefined) throw new Error('no router can be asked');
  const { api } = router;
  const logs = new Map<string, readonly LogEntry[]>();
  const presence = new Map<string, readonly string[]>();
  const ask = async (room: string): Promise<void> => {
    const seated = stage.load
      .membersOf(room)
      .filter(({ isSeated }) => isSeated)
      .map(({ session }) => session ?? '');
    presence.set(room, await presentIn(api, room, seated));
    if (stage.options.roomClass === 'durable') {
      const log = await logOf(api, room);
      if (log !== undefined) logs.set(room, log);
    }
  };
  const { rooms } = stage.load;
  for (let from = 0; from < rooms.length; from += ASKED_AT_ONCE)
    await Promise.all(rooms.slice(from, from + ASKED_AT_ONCE).map(ask));
  return { logs, presence };
}

/** Who is present, once it is who is seated; after the bound, whoever is. */
async function presentIn(api: Api, room: string, seated: readonly string[]): Promise<readonly string[]> {
  const wanted = [...seated].sort().join();
  let found: string[] = [];
  await until(
    'presence is settled',
    async () => {
      const { body, status } = await api.get<PresencePage>(`/rooms/${room}/presence?limit=${PAGE}`);
      if (status !== 200) return false;
      found = body.users.flatMap(({ user, sessions }) => (LISTENER.test(user) ? [] : sessions));
      return found.sort().join() === wanted;
    },
    PRESENCE_BOUND_MS,
  ).catch(() => undefined);
  return found;
}

/** The whole log, oldest first; undefined where it cannot be read. */
async function logOf(api: Api, room: string): Promise<readonly LogEntry[] | undefined> {
  const entries: LogEntry[] = [];
  const deadlineMs = performance.now() + READ_BOUND_MS;
  for (let page = 0; page < PAGES_MAX; ) {
    const after = entries.at(-1)?.seq ?? 0;
    const { status, body } = await api.get<MessagesPage>(`/rooms/${room}/messages?after=${after}&limit=${PAGE}`);
    if (status !== 200) {
      if (performance.now() > deadlineMs) return undefined;
      await pause(100);
      continue;
    }
    if (body.messages.length === 0) return entries;
    for (const { seq, tag, session, id } of body.messages) entries.push({ seq, tag, session, id });
    page++;
  }
  return undefined;
}
