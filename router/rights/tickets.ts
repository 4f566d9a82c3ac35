/** Single-use tickets: what a backend asks for and a client shows once in its address. Owns: their making and their taking. Does not
 *  know: HTTP, sessions.
 *  A ticket is 256 random bits. Redis holds its hash alone, so that whoever can read Redis can use none; and an address that ends up
 *  in the log of a proxy names a ticket that is spent.
 *  Invariant: a ticket is taken at most once, by whichever router. */
import { createHash, randomBytes } from 'node:crypto';
import type { Directory } from '../../shared/directory/directory.ts';
import type { TicketGrant } from '../../shared/directory/rights-operations.ts';
import { BellhopError } from '../../shared/errors.ts';
import type { TicketTaker } from '../authenticate.ts';

/** Makes a ticket that lives for `lifeMs`.
 *  @throws DirectoryError */
export async function issueTicket(
  directory: Pick<Directory, 'call'>,
  grant: TicketGrant,
  lifeMs: number,
): Promise<string> {
  const ticket = randomBytes(32).toString('base64url');
  const { kind } = await directory.call('putTicket', { ticket: hashOf(ticket), grant, lifeMs });
  if (kind === 'exists') throw new BellhopError('internal', 'chance made one ticket twice');
  return ticket;
}

/** How an authenticator takes tickets. */
export function takeTicketsFrom(directory: Pick<Directory, 'call'>): TicketTaker {
  return async (ticket) => {
    const reply = await directory.call('takeTicket', { ticket: hashOf(ticket) });
    return reply.kind === 'taken' ? reply : undefined;
  };
}

function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('hex');
}
