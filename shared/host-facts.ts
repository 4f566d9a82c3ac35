/** What names a process on its host beyond its pid, and whether a process so named is gone. Owns: reading /proc.
 *  Does not know: certificates; a `gone` from here is one of the proofs for them.
 *  Invariant: `gone` is said only of a process of this boot and this pid namespace that the kernel no longer has. Everything
 *  doubtful is `unknown`, because two owners would speak if a living process were called dead.
 *  @see DESIGN §4 Certificate, proc(5) */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessFacts {
  readonly pid: number;
  /** Start time in clock ticks since boot: a pid is given out again, never with the same start time. */
  readonly pidStart: string;
  readonly bootId: string;
  /** As `pid:[4026531836] time:[4026531834]`: pids mean nothing across containers, and start times are told in the reader's time
   *  namespace. */
  readonly pidNamespace: string;
  readonly host: string;
}

/** The part of ProcessFacts that names a process. */
export type ProcessName = Omit<ProcessFacts, 'host'>;

/** This process. Texts that the platform does not tell are empty. */
export function processFacts(): ProcessFacts {
  return {
    pid: process.pid,
    pidStart: ownStart(),
    bootId: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: attempt(
      () => `${readlinkSync('/proc/self/ns/pid')} ${attempt(() => readlinkSync('/proc/self/ns/time'))}`,
    ),
    host: hostname(),
  };
}

/** Whether the process named by `facts` has ended. A zombie is `unknown`: it runs no more, but whether its last bytes have left
 *  is its parent's to say, who reaps it soon. */
export function isProcessGone(facts: ProcessName): 'gone' | 'alive' | 'unknown' {
  if (!Number.isSafeInteger(facts.pid) || facts.pid <= 0) return 'unknown';
  if (facts.pidStart === '' || facts.bootId === '' || facts.pidNamespace === '') return 'unknown';
  const own = processFacts();
  // An empty text of our own also differs here: without /proc nothing is known.
  if (own.pidStart === '' || facts.bootId !== own.bootId || facts.pidNamespace !== own.pidNamespace) return 'unknown';
  let stat: ProcessStat | undefined;
  try {
    stat = parseStat(readFileSync(`/proc/${facts.pid}/stat`, 'utf8'));
  } catch (cause) {
    // ESRCH: it ended between open and read. Anything else (EMFILE, EACCES under hidepid, …) says nothing about the process.
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'ESRCH') return 'unknown';
    return isHiddenFromUs(facts.pid) ? 'unknown' : 'gone';
  }
  if (stat === undefined) return 'unknown';
  if (stat.startTime !== facts.pidStart) return 'gone';
  return stat.state === 'Z' || stat.state === 'X' ? 'unknown' : 'alive';
}

interface ProcessStat {
  readonly state: string;
  readonly startTime: string;
}

/** Reads state and start time (fields 3 and 22) from the text of /proc/[pid]/stat. Field 2 is the program's name in parentheses
 *  and may itself hold blanks and parentheses, so fields are counted from the last one. Undefined if the text is not one. */
export function parseStat(text: string): ProcessStat | undefined {
  const fields = text
    .slice(text.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  const state = fields[0];
  const startTime = fields[19];
  if (state === undefined || startTime === undefined || !/^[0-9]+$/.test(startTime)) return undefined;
  return { state, startTime };
}

/** With the mount option `hidepid=2` other users' processes are missing from /proc though they live: a signal 0 tells. */
function isHiddenFromUs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Own start time, provided that /proc counts pids as we do: one mounted in another pid namespace calls us by another number. */
function ownStart(): string {
  return attempt(() => {
    if (readlinkSync('/proc/self') !== String(process.pid)) return '';
    return parseStat(readFileSync('/proc/self/stat', 'utf8'))?.startTime ?? '';
  });
}

/** What `read` returns; empty where it throws: not Linux, or no /proc here. Nothing is ever proved by an empty text. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
