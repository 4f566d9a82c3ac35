/** What a router knows of its clients' rights. Owns: how authenticator, tickets, revocations and guard hang together. Does not know:
 *  sockets, owners, HTTP. */
import type { Clock, Instant } from '../../shared/clock.ts';
import type { RouterConfig } from '../../shared/config.ts';
import type { Directory } from '../../shared/directory/directory.ts';
import { Authenticator, type Grant, type JwtOptions } from '../authenticate.ts';
import type { AcceptedClient } from '../ports.ts';
import { Guard, type GuardOptions } from './guard.ts';
import { Revocations } from './revocations.ts';
import { takeTicketsFrom } from './tickets.ts';

export type RightsConfig = Pick<
  RouterConfig,
  'authenticates' | 'jwtSecret' | 'jwksUrl' | 'jwtAudience' | 'jwtIssuer' | 'tokenLifeMsMax'
>;

export interface RightsPorts extends Pick<GuardOptions, 'tell' | 'end'> {
  readonly directory: Pick<Directory, 'call'>;
}

export class RouterRights {
  readonly authenticator: Authenticator;
  readonly guard: Guard;
  readonly #revocations: Revocations | undefined;

  constructor(config: RightsConfig, clock: Clock, { directory, tell, end }: RightsPorts) {
    const { authenticates, tokenLifeMsMax: lifeMsMax } = config;
    this.authenticator = new Authenticator({
      clock,
      jwt: jwtOptions(config),
      tickets: authenticates ? takeTicketsFrom(directory) : undefined,
      isRevoked: (user, issuedAtMs) => this.#revocations?.isRevoked(user, issuedAtMs) === true,
      lifeMsMax,
    });
    this.guard = new Guard({
      now: () => clock.now(),
      // A ticket has been spent: what is shown on an open socket is a token.
      identify: (bearer, room) => this.authenticator.identify({ room, user: undefined, bearer, guest: '' }),
      tell,
      end,
    });
    this.#revocations = authenticates
      ? new Revocations({
          read: (args) => directory.call('readRevoked', args),
          keepMs: lifeMsMax,
          revoked: (marks) => this.guard.revoke(marks),
        })
      : undefined;
  }

  /** A client was let in. Without authentication there is nothing to guard. */
  accepted(handle: number, { room, user }: AcceptedClient, grant: Grant | undefined): void {
    if (grant !== undefined) this.guard.add(handle, room, user, grant);
  }

  tick(now: Instant): void {
    this.#revocations?.tick(now);
    this.guard.tick(now);
  }
}

function jwtOptions({ jwtSecret, jwksUrl, jwtAudience, jwtIssuer }: RightsConfig): JwtOptions | undefined {
  const expected = { audience: jwtAudience, issuer: jwtIssuer };
  if (jwtSecret !== undefined) return { keys: { secret: jwtSecret }, ...expected };
  return jwksUrl === undefined ? undefined : { keys: { jwksUrl }, ...expected };
}
