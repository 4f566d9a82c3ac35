/** When this process is asked to end. Owns: signals, and the parent's end under npm. Does not know: how to end.
 *  npm hands a signal on to its script, which after Ctrl-C has it from the terminal already; so what comes within a moment of
 *  the last request is the same request. Where a shell between npm and this process took the signal and died of it, the changed
 *  parent tells.
 *  SIGHUP has two meanings: a terminal sends it as it closes, and an operator who wants files read again. Who has such files takes it
 *  for the second, unless the terminal is gone. */
import { closeSync, openSync } from 'node:fs';
import { type Clock, elapsedMs, type Instant, systemClock } from '../shared/clock.ts';

const SAME_REQUEST_MS = 400;
const PARENT_POLL_MS = 250;
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export interface StopRequestsOptions {
  /** Whether the parent's end is a request; see `startedByNpm`. */
  readonly watchParent: boolean;
  /** Default SIGINT, SIGTERM and SIGHUP. */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
  /** @param nth  1 for the first request: in peace; from 2 on: at once */
  readonly on: (nth: number, why: string) => void;
  /** What SIGHUP asks for where there are files to be read again; absent: to end. */
  readonly reread?: (() => void) | undefined;
  /** Whether this process has a terminal now. */
  readonly hasTerminal?: (() => boolean) | undefined;
  readonly clock?: Clock | undefined;
}

/** Listens until the returned function is called. */
export function onStopRequests(options: StopRequestsOptions): () => void {
  const { watchParent, on, reread, hasTerminal = opensTerminal, signals = SIGNALS, clock = systemClock } = options;
  const hadTerminal = reread !== undefined && hasTerminal();
  let count = 0;
  let last: Instant | undefined;
  const request = (why: string) => {
    const now = clock.now();
    if (last !== undefined && elapsedMs(last, now) < SAME_REQUEST_MS) return;
    last = now;
    count++;
    on(count, why);
  };
  const hear = (signal: NodeJS.Signals) => {
    if (signal !== 'SIGHUP' || reread === undefined || (hadTerminal && !hasTerminal())) request(signal);
    else reread();
  };
  for (const signal of signals) process.on(signal, hear);
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    request('its parent has ended');
  }, PARENT_POLL_MS);
  timer.unref();
  if (!watchParent) clearInterval(timer);
  return () => {
    clearInterval(timer);
    for (const signal of signals) process.off(signal, hear);
  };
}

function opensTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
