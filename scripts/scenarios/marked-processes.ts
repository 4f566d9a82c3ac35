/** Finds processes by a mark in their environment: all that a command started, wherever they hang in the process tree. Owns: reading
 *  /proc. Does not know: what they are.
 *  @see proc(5) environ, cmdline */
import { readdirSync, readFileSync } from 'node:fs';

export interface MarkedProcess {
  readonly pid: number;
  readonly argv: readonly string[];
}

/** Living processes of this host whose environment holds `NAME=value` as given. */
export function markedProcesses(mark: string): MarkedProcess[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^[0-9]+$/.test(entry)) return [];
    try {
      const marked = readFileSync(`/proc/${entry}/environ`, 'utf8').split('\0').includes(mark);
      if (!marked) return [];
      const argv = readFileSync(`/proc/${entry}/cmdline`, 'utf8')
        .split('\0')
        .filter((word) => word !== '');
      // A zombie has no command line any more.
      return argv.length === 0 ? [] : [{ pid: Number(entry), argv }];
    } catch {
      // It ended meanwhile, or is not ours to read.
      return [];
    }
  });
}
