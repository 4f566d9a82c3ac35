/** What is asked of the models. Owns: the table of rows, each with its rules taken away, its bounds and the answer it must give.
 *  Does not know: how a row is run. docs/model/README.md shows the table with the results of the full run. */

export interface Row {
  readonly name: string;
  readonly model: 'own' | 'log';
  /** `holds`: every reachable state was searched. `breaks`: a rule is missing, or a state is to be reached. */
  readonly expect: 'holds' | 'breaks';
  /** Rules and faults, in both sizes. */
  readonly defines: string;
  /** Bounds of the small run and of the full one. A row without one of them is not in that run. */
  readonly small?: string;
  readonly full?: string;
  /** Liveness under weak fairness; otherwise safety. */
  readonly live?: boolean;
}

export type Size = 'small' | 'full';

/** One incarnation a node, no crash: pauses, late and lost commands and wrong certificates are there all the same. */
const CALM = 'CRASHES=0 MAXINC=1';
/** Nor a supervisor: only patience certifies, so that nothing shortens the race with a lease. */
const PATIENT = `${CALM} NO_PROOF`;
const CUT = `CUTS=1 NOBS=2 ${PATIENT} RELEASES=0 MAXTAG=2`;
/** And a router that restarts. */
const ISLAND = `${CUT} FORGETS`;
/** Tags enough for what happens after the faults. */
const LIVE = 'MAXTAG=5 RELEASES=0';
/** The first owner, once it has died, does not come back: nobody but the other node can take the room. */
const LIVE_ONCE = 'MAXTAG=4 RELEASES=0 MAXINC=2 GONE';
const LOG = 'CRASHES=0 MAXINC=1';
const SHORT = 'H=2 MAXMSG=2';

const holds = (name: string, defines: string, small: string | undefined, full: string | undefined): Row => ({
  name,
  model: 'own',
  expect: 'holds',
  defines,
  ...(small === undefined ? {} : { small }),
  ...(full === undefined ? {} : { full }),
});
/** A twin is broken by a short trace, which the small bounds have room for. */
const breaks = (name: string, defines: string, small: string, full = small): Row => ({
  name,
  model: 'own',
  expect: 'breaks',
  defines,
  small,
  full,
});
const log = (row: Row): Row => ({ ...row, model: 'log' });
const live = (row: Row): Row => ({ ...row, live: true });

export const ROWS: readonly Row[] = [
  // Time, gate, certificate, claim, release.
  holds('the protocol', '', CALM, ''),
  holds('the protocol, with appends', 'APPENDS', `${CALM} MAXTAG=2`, ''),
  holds('heartbeat, execution and reply apart', 'HBFULL', undefined, `${CALM} MAXTAG=2`),
  holds('a frame leaves up to a tick after its check', 'WIRE', CALM, ''),
  holds('an OPEN names a higher epoch', 'FLOOR', CALM, CALM),
  breaks('dead shorter than fence', 'DEADT=1', CALM),
  breaks('a timer shuts the gate', 'TIMER_GATE', CALM),
  breaks('claim without compare-and-set', 'NO_CAS_CLAIM', CALM),
  breaks('certificate without compare-and-set', 'NO_CAS_CERT', CALM),
  breaks('claim without a certificate', 'NO_CERT', CALM),
  breaks('append without the triple', 'APPENDS NO_FENCE', CALM),
  breaks('a refused dial is proof', 'REFUSED_DIAL', CALM),
  breaks('release timed out: verify and go on', 'RELEASE_VERIFY', CALM),
  breaks('release before the output has left', 'WIRE UNFLUSHED', CALM),
  breaks('reached: takeover', 'REACH=1', CALM),
  // Handover.
  holds('handover', 'HANDOVERS=1', `${CALM} RELEASES=0`, 'RELEASES=0'),
  holds('handover and release', 'HANDOVERS=1', undefined, CALM),
  holds('handover, a frame leaves late', 'HANDOVERS=1 WIRE', `${CALM} RELEASES=0`, CALM),
  breaks('transfer without compare-and-set', 'HANDOVERS=1 NO_CAS_TRANSFER', `${CALM} RELEASES=0`),
  breaks('transfer timed out: verify and go on', 'HANDOVERS=1 TRANSFER_VERIFY', `${CALM} RELEASES=0`),
  breaks('transfer before the output has left', 'HANDOVERS=1 WIRE UNFLUSHED', `${CALM} RELEASES=0`),
  breaks('reached: handover', 'HANDOVERS=1 REACH=5', `${CALM} RELEASES=0`),
  // Changes of history.
  holds('rollback', 'ROLLBACKS=1', `${PATIENT} MAXTAG=2`, PATIENT),
  holds('rollback, crash and restart', 'ROLLBACKS=1 NO_PROOF', undefined, 'MAXTAG=2 RELEASES=0'),
  holds('rollback, commands of before arrive after it', 'ROLLBACKS=1 LATE_COMMANDS', `${PATIENT} RELEASES=0`, PATIENT),
  holds('rollback and handover', 'ROLLBACKS=1 HANDOVERS=1', `${PATIENT} RELEASES=0 MAXTAG=2`, `${PATIENT} RELEASES=0`),
  holds('Redis emptied', 'EMPTIES=1', `${PATIENT} MAXTAG=2`, PATIENT),
  holds('nodes table lost, records kept', 'EMPTIES=1 PARTIAL', `${PATIENT} MAXTAG=2`, PATIENT),
  breaks('verify instead of a new claim', 'ROLLBACKS=1 VERIFY', `${PATIENT} RELEASES=0`, PATIENT),
  breaks('a lapsed lease acts at once', 'ROLLBACKS=1 NO_LAPSED', `${PATIENT} RELEASES=0`, PATIENT),
  breaks('self-claim without grace', 'ROLLBACKS=1 SELF_NO_GRACE', PATIENT),
  breaks('run id read on one connection only', 'ROLLBACKS=1 NO_RUN_CHECK', PATIENT),
  breaks('a fresh node acts without grace', 'ROLLBACKS=1 START_NO_GRACE NO_PROOF', 'MAXINC=2 RELEASES=0'),
  breaks('grace shorter than fence', 'EMPTIES=1 GRACE=1', PATIENT),
  breaks('unknown owner claimed without grace', 'EMPTIES=1 PARTIAL UNKNOWN_NO_GRACE', PATIENT),
  breaks('unknown transfer counts as held', 'ROLLBACKS=1 HANDOVERS=1 DOUBT_FORGOTTEN', `${PATIENT} RELEASES=0`),
  breaks('state of a handover outlives its history', 'ROLLBACKS=1 HANDOVERS=1 STASH_KEPT', `${PATIENT} RELEASES=0`),
  breaks('reached: new claim after rollback', 'ROLLBACKS=1 REACH=2', PATIENT),
  breaks('reached: memory takes a room back', 'ROLLBACKS=1 REACH=3', PATIENT),
  breaks('reached: unknown owner claimed', 'EMPTIES=1 PARTIAL REACH=4', PATIENT),
  // Islanded.
  holds('islanded', 'ISLAND=3', CUT, ISLAND),
  breaks('islanded: linked routers, after a gap', 'ISLAND=1', ISLAND),
  breaks('islanded: every router, after a gap', 'ISLAND=2', ISLAND),
  breaks('islanded: one observer is not asked', 'ISLAND=4', ISLAND),
  breaks('islanded: linked routers, no gap', 'ISLAND=6', ISLAND),
  breaks('reached: islanded past the lease', 'ISLAND=3 REACH=6', ISLAND),
  // Liveness: after the faults end the room comes to have an owner that knows it, and keeps it.
  live(holds('liveness: crash', 'CRASHES=1', undefined, `${LIVE} MAXINC=3`)),
  live(holds('liveness: Redis emptied', 'EMPTIES=1 CRASHES=0 NO_PROOF', undefined, `${LIVE} MAXINC=2`)),
  live(holds('liveness: rollback', 'ROLLBACKS=1 CRASHES=0 NO_PROOF', undefined, `${LIVE} MAXINC=2`)),
  live(holds('liveness: an owner that Redis forgot is gone', 'EMPTIES=1 PARTIAL NO_PROOF', LIVE_ONCE, LIVE_ONCE)),
  live(breaks('liveness: what names me is not claimed', 'ROLLBACKS=1 CRASHES=0 NO_PROOF NO_SELF', `${LIVE} MAXINC=2`)),
  live(breaks('liveness: unknown owner is waited for', 'EMPTIES=1 PARTIAL NO_PROOF NO_UNKNOWN', LIVE_ONCE)),
  // The log.
  log(holds('log: rollback', '', `${LOG} ${SHORT} MAXTAG=2`, LOG)),
  log(holds('log: Redis emptied', 'EMPTY', `${LOG} ${SHORT} MAXTAG=2`, LOG)),
  log(holds('log: no `rolled back` (a second net)', 'NO_BASE', undefined, `${LOG} ${SHORT}`)),
  log(breaks('log: verify instead of a new claim', 'VERIFY', `${LOG} ${SHORT}`)),
  log(breaks('log: epoch without a nonce', 'NO_NONCE', `${LOG} ${SHORT}`)),
  log(breaks('log: its connection reconnects unseen', 'NO_RUN_CHECK', `${LOG} ${SHORT}`)),
  log(breaks('log: append without the triple', 'NO_FENCE', `${LOG} ${SHORT}`)),
];

/** The `-D` flags of a row in one size; undefined where the row is not in that run. Later ones win. */
export function flagsOf(row: Row, size: Size): readonly string[] | undefined {
  const bounds = row[size];
  if (bounds === undefined) return undefined;
  const defines = new Map<string, string>();
  for (const word of `${row.defines} ${bounds} ${row.live === true ? 'LIVE' : ''}`.split(' ')) {
    if (word === '') continue;
    const [name = '', value] = word.split('=');
    defines.set(name, value === undefined ? `-D${name}` : `-D${name}=${value}`);
  }
  return [...defines.values()];
}
