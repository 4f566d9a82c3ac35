/** `bellhop token`: an access token for a client, for trying things out and for tests. A backend makes its own, with any JWT library. */
import { Command } from '@commander-js/extra-typings';
import { routerSettings } from '../../shared/config.ts';
import { isRoomPattern, isUserId } from '../../shared/ids.ts';
import type { Cli } from './cli.ts';
import { Failure } from './failure.ts';
import { duration } from './units.ts';

const HOUR_MS = 3_600_000;

export interface TokenWanted {
  readonly user: string;
  readonly rooms: readonly string[];
  readonly ttlMs: number;
  readonly secret: string;
  readonly audience?: string | undefined;
  readonly issuer?: string | undefined;
  /** Unix ms. */
  readonly now: number;
}

export function tokenCommand(cli: Cli): Command {
  return new Command('token')
    .description('makes an access token for a client (HS256, as --jwt-secret of the routers wants it)')
    .requiredOption('--user <user>', 'who the client is')
    .requiredOption('--rooms <pattern,…>', 'rooms it may enter, e.g. lobby,chess:*')
    .option('--ttl <time>', 'how long it is valid', duration, HOUR_MS)
    .option('--jwt-secret <secret>', 'secret of the routers; seen by others on this machine [BELLHOP_JWT_SECRET]')
    .option('--jwt-audience <text>', 'audience that the routers want [BELLHOP_JWT_AUDIENCE]')
    .option('--jwt-issuer <text>', 'issuer that the routers want [BELLHOP_JWT_ISSUER]')
    .option('--json', 'the answer as JSON')
    .action(async ({ json, user, rooms, ttl, ...given }) => {
      const flags = [
        ...(given.jwtSecret === undefined ? [] : [`--jwt-secret=${given.jwtSecret}`]),
        ...(given.jwtAudience === undefined ? [] : [`--jwt-audience=${given.jwtAudience}`]),
        ...(given.jwtIssuer === undefined ? [] : [`--jwt-issuer=${given.jwtIssuer}`]),
      ];
      const { jwtSecret: secret, jwtAudience: audience, jwtIssuer: issuer } = routerSettings(flags);
      if (secret === undefined) {
        throw new Failure(
          'wrong',
          'a token is signed with the routers’ secret: set BELLHOP_JWT_SECRET or give --jwt-secret.',
        );
      }
      const patterns = rooms.split(',').map((room) => room.trim());
      const wanted = { user, rooms: patterns, ttlMs: ttl, secret, audience, issuer, now: cli.now() };
      const token = await makeToken(wanted);
      const expiresAt = expiryOf(wanted) * 1_000;
      if (json === true) cli.out.json({ token, user, rooms: patterns, expiresAt });
      else cli.out.line(token);
    }) as unknown as Command;
}

/** @throws Failure `wrong` where user or a pattern is not one */
export async function makeToken(wanted: TokenWanted): Promise<string> {
  const { user, rooms, secret, audience, issuer, now } = wanted;
  if (!isUserId(user)) throw new Failure('wrong', `${JSON.stringify(user)} is not a user id.`);
  const wrong = rooms.find((room) => !isRoomPattern(room));
  if (wrong !== undefined) throw new Failure('wrong', `${JSON.stringify(wrong)} is not a pattern of room ids.`);
  const { SignJWT } = await import('jose');
  let jwt = new SignJWT({ rooms: [...rooms] })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(user)
    .setIssuedAt(Math.floor(now / 1_000))
    .setExpirationTime(expiryOf(wanted));
  if (audience !== undefined) jwt = jwt.setAudience(audience);
  if (issuer !== undefined) jwt = jwt.setIssuer(issuer);
  return await jwt.sign(new TextEncoder().encode(secret));
}

function expiryOf({ now, ttlMs }: TokenWanted): number {
  return Math.floor((now + ttlMs) / 1_000);
}
