/** What the directory does for the rights of clients: tickets and revocations. Owns: these operations' shapes and promises; they are part
 *  of DirectoryOperations. Does not know: tokens, routers. */

/** What whoever shows a ticket may do. */
export interface TicketGrant {
  readonly user: string;
  /** Patterns of the rooms that may be entered. */
  readonly rooms: readonly string[];
  /** Patterns of the rooms in which something may be said; undefined: all that may be entered. */
  readonly publish?: readonly string[] | undefined;
  /** The origin of the only page that may show it. */
  readonly origin?: string | undefined;
}

/** Users who are marked as revoked at once. */
export const REVOKED_MAX = 10_000;

export interface RightsOperations {
  /** Keeps what a ticket gives under the ticket's hash, for `lifeMs` or until it is taken. `at`: Unix ms by the directory's clock. */
  putTicket: {
    args: { readonly ticket: string; readonly grant: TicketGrant; readonly lifeMs: number };
    reply: { readonly kind: 'kept'; readonly at: number } | { readonly kind: 'exists' };
  };
  /** Takes a ticket away: of any number of calls one gets it. `absent`: never kept, taken before, or its time is over. */
  takeTicket: {
    args: { readonly ticket: string };
    reply: { readonly kind: 'taken'; readonly at: number; readonly grant: TicketGrant } | { readonly kind: 'absent' };
  };
  /** Marks a user: what was issued to them before `at` gives no right any more. Marks older than `keepMs` are dropped; each is later
   *  than the one before. `full`: `marksMax` users are marked. */
  revoke: {
    args: { readonly user: string; readonly keepMs: number; readonly marksMax: number };
    reply: { readonly kind: 'revoked'; readonly at: number } | { readonly kind: 'full' };
  };
  /** Reads marks later than `after`, the oldest first. `last` is the latest of all, 0 without one: below what was read before where
   *  Redis has lost some. */
  readRevoked: {
    args: { readonly after: number; readonly limit: number };
    reply: {
      readonly last: { readonly at: number };
      readonly revoked: readonly { readonly user: string; readonly at: number }[];
    };
  };
}
