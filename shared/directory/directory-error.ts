/** What goes wrong between a process and its directory. Owns: the error, and which faults there are. Does not know: operations. */

/** `unavailable`: not sent, Redis is away; retryable. `timeout`: sent and unanswered, the outcome is unknown.
 *  `other-run`: the connection reached another run of Redis than the one in force, nothing was sent; `runId` names it.
 *  `bad-reply`: Redis answered an error (its text is the message), e.g. READONLY, OOM, LOADING, MISCONF; retryable. */
export type DirectoryFault = 'unavailable' | 'timeout' | 'other-run' | 'bad-reply';

export class DirectoryError extends Error {
  readonly code: DirectoryFault;
  readonly retryable = true;
  /** With `other-run`: the run id that the connection found. */
  readonly runId: string | undefined;

  constructor(code: DirectoryFault, message: string, options: { cause?: unknown; runId?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DirectoryError';
    this.code = code;
    this.runId = options.runId;
  }
}

/** What went wrong, for a log or an operator: the reason of a connection that is away tells a wrong password from a wrong port. It may
 *  name an address, and so is for nobody outside. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return typeof error.cause === 'string' ? error.cause : error.message;
}
