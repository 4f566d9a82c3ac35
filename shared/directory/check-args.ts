/** What every implementation of the directory refuses to store. Owns: the shape of ids, tokens and numbers that become part of a
 *  record's text. Does not know: what an operation does. Both implementations ask here first, so that both refuse the same.
 *  Invariant: nothing that passes can be read back as another record than the one written. */
import type { AppendItem, Args, LogEntry, Operation, SenderMark } from './directory.ts';
import { HASH_PATTERN, ID_PATTERN, SESSION_PATTERN, USER_PATTERN } from './keys.ts';
import type { OutboxEvent } from './outbox.ts';
import type { TicketGrant } from './rights-operations.ts';

/** Incarnations, nonces and names of histories: they stand in records between spaces, colons and dots. */
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/** A session, `k:` and a key, or `*`: a field of a hash, printable so that a log line can show it. */
const SENDER_PATTERN = /^[^\p{C}\p{Zl}\p{Zp}]{1,300}$/u;
/** What an operator is called, does, and says of it. */
const SAID_PATTERN = /^[^\p{C}\p{Zl}\p{Zp}]{1,300}$/u;
/** `epoch.nonce`. */
const TAG_PATTERN = /^\d{1,16}\.[A-Za-z0-9_-]{1,64}$/;
/** Number of a primary, and where its SCAN stands. */
const SCAN_PATTERN = /^\d{1,4}:\d{1,20}$/;
/** Bounds what one script may do. */
const ITEMS_MAX = 1_000;
const ENTRIES_MAX = 10_000;
const PATTERNS_MAX = 100;

const TOKENS = new Set(['incarnation', 'nonce', 'gen', 'newGen']);
const IDS = new Set(['room', 'node', 'router', 'pinned']);
const COUNTS = new Set(
  'epoch floor head counter number eventsMax limit rooms sessions ver batch sendersMax last bytesMax entries ms seat cseq id seq at view marksMax'.split(
    ' ',
  ),
);
const NESTED = new Set([
  'triple',
  'to',
  'upTo',
  'seen',
  'numbering',
  'by',
  'record',
  'known',
  'load',
  'keep',
  'pin',
  'entry',
  'open',
]);

/** Checks the arguments of one operation.
 *  @throws RangeError naming the argument: a mistake of the caller, never retryable */
export function checkArgs<K extends Operation>(operation: K, args: Args<K>): void {
  check(operation, args);
  if (operation === 'claim') checkRestore(args as Args<'claim'>);
}

function check(operation: Operation, args: object): void {
  for (const [name, value] of Object.entries(args)) {
    if (value === undefined) continue;
    const fail = (): never => {
      throw new RangeError(`${operation}: not a valid ${name}: ${JSON.stringify(value)?.slice(0, 300)}`);
    };
    if (TOKENS.has(name)) {
      if (!matches(TOKEN_PATTERN, value)) fail();
    } else if (IDS.has(name)) {
      if (!matches(ID_PATTERN, value)) fail();
    } else if (COUNTS.has(name)) {
      if (!isCount(value)) fail();
    } else if (name === 'action' || name === 'detail' || (name === 'by' && operation !== 'certify')) {
      if (!matches(SAID_PATTERN, value)) fail();
    } else if (NESTED.has(name)) {
      if (typeof value !== 'object' || value === null) fail();
      check(operation, value);
    } else if (name === 'items') {
      const items = value as readonly AppendItem[];
      if (items.length > ITEMS_MAX || !items.every(isItem)) fail();
    } else if (name === 'add' || name === 'drop') {
      if (!(value as readonly unknown[]).every((room) => matches(ID_PATTERN, room))) fail();
    } else if (name === 'events') {
      const events = value as readonly OutboxEvent[];
      if (events.length > ITEMS_MAX || !events.every(isOutboxEvent)) fail();
    } else if (name === 'forget') {
      if (!(value as readonly unknown[]).every((sender) => matches(SENDER_PATTERN, sender))) fail();
    } else if (name === 'snapshot') {
      if (typeof value !== 'string') fail();
    } else if (
      name === 'after' &&
      (operation === 'readLog' || operation === 'readAudit' || operation === 'readRevoked')
    ) {
      if (!isCount(value)) fail();
    } else if (name === 'cursor') {
      if (!matches(SCAN_PATTERN, value)) fail();
    } else if (name === 'user') {
      if (!matches(USER_PATTERN, value)) fail();
    } else if (name === 'weight' || name === 'asOf') {
      if (!Number.isFinite(value) || value < 0) fail();
    } else if (name === 'grant') {
      if (!isGrant(value as TicketGrant)) fail();
    } else if (name === 'ticket') {
      if (!matches(HASH_PATTERN, value)) fail();
    } else if (name === 'expireMs' || name === 'keepMs' || name === 'lifeMs') {
      if (!isCount(value) || value === 0) fail();
    } else if (name === 'set') {
      for (const [session, entry] of Object.entries(value as Readonly<Record<string, object>>)) {
        if (!matches(SESSION_PATTERN, session) || ('epoch' in entry && !isCount(entry.epoch))) fail();
      }
    } else if (name === 'remove') {
      for (const entry of value as readonly (string | { readonly session: string; readonly epoch: number })[]) {
        const session = typeof entry === 'string' ? entry : entry.session;
        if (!matches(SESSION_PATTERN, session) || (typeof entry !== 'string' && !isCount(entry.epoch))) fail();
      }
    }
  }
}

/** What is put back must continue the numbering that it is put back under. */
function checkRestore({ numbering, restore }: Args<'claim'>): void {
  if (restore === undefined) return;
  const fail = (what: string): never => {
    throw new RangeError(`claim: not a valid restore: ${what}`);
  };
  const { entries, senders } = restore;
  const head = numbering.kind === 'continue' ? numbering.head : undefined;
  if (head === undefined) return fail('numbering has to name the head');
  if (entries.length > ENTRIES_MAX) fail(`more than ${ENTRIES_MAX} entries`);
  const first = head - entries.length + 1;
  entries.forEach((entry, i) => {
    if (entry.seq !== first + i || entry.seq < 1) fail('entries have to be contiguous and end at the head');
    if (!isEntry(entry)) fail(`entry ${entry.seq}`);
  });
  for (const [sender, mark] of Object.entries(senders)) {
    if (!matches(SENDER_PATTERN, sender) || !isMark(mark)) fail(`mark of ${JSON.stringify(sender)}`);
  }
}

function isItem({ sender, seat, cseq, id, message }: AppendItem): boolean {
  if (!matches(SENDER_PATTERN, sender) || ![seat, cseq, id].every(isCount)) return false;
  return message === undefined || isMessage(message);
}

function isMessage({ from, session, data }: NonNullable<AppendItem['message']>): boolean {
  const isFrom = from === null || matches(USER_PATTERN, from);
  return isFrom && (session === undefined || matches(SESSION_PATTERN, session)) && typeof data === 'string';
}

function isEntry(entry: LogEntry): boolean {
  const { tag, id, at } = entry;
  return matches(TAG_PATTERN, tag) && (id === undefined || (isCount(id) && id > 0)) && isCount(at) && isMessage(entry);
}

function isOutboxEvent({ id, change }: OutboxEvent): boolean {
  if (!isCount(id.epoch) || !isCount(id.number)) return false;
  return change === undefined || (matches(SESSION_PATTERN, change.session) && matches(USER_PATTERN, change.user));
}

function isGrant({ user, rooms, publish, origin }: TicketGrant): boolean {
  const isPatterns = (list: readonly string[]) =>
    list.length <= PATTERNS_MAX && list.every((one) => matches(SAID_PATTERN, one));
  const isOrigin = origin === undefined || matches(SAID_PATTERN, origin);
  return matches(USER_PATTERN, user) && isPatterns(rooms) && (publish === undefined || isPatterns(publish)) && isOrigin;
}

function isMark({ seat, cseq, id, seq }: SenderMark): boolean {
  return [seat, cseq, id, seq].every(isCount);
}

function matches(pattern: RegExp, value: unknown): boolean {
  return typeof value === 'string' && pattern.test(value);
}

/** A whole number that neither Lua nor JSON rounds. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
