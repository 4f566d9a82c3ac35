import { expect, it } from 'vitest';
import { Authenticator } from '../../router/authenticate.ts';
import { ManualClock } from '../../shared/clock.ts';
import { makeToken } from './token.ts';

const secret = 'a secret of thirty-two characters';

it('opens the rooms it names to a router, until it has expired', async () => {
  const clock = new ManualClock();
  const now = clock.now().wallMs;
  const jwt = { keys: { secret }, audience: 'bellhop', issuer: 'ops' };
  const authenticator = new Authenticator({ clock, jwt });
  const wanted = {
    user: 'ada',
    rooms: ['lobby', 'chess:*'],
    ttlMs: 60_000,
    secret,
    audience: 'bellhop',
    issuer: 'ops',
    now,
  };
  const bearer = await makeToken(wanted);
  const enter = (room: string) => authenticator.identify({ room, bearer, user: undefined, guest: 'guest' });
  const grant = { issuedAtMs: now, expiresAtMs: now + 60_000, mayPublish: true };
  expect(await enter('lobby')).toEqual({ ok: true, user: 'ada', grant });
  expect(await enter('chess:1')).toMatchObject({ ok: true, user: 'ada' });
  expect(await enter('other')).toMatchObject({ ok: false, code: 'not_allowed' });
  clock.advance(70_000);
  expect(await enter('lobby')).toMatchObject({ ok: false, code: 'not_authenticated' });
});
