import { expect, test } from 'vitest';
import { ManualClock } from '../../shared/clock.ts';
import { MemoryDirectory } from '../../shared/directory/memory-directory.ts';
import { Authenticator, type Credentials } from '../authenticate.ts';
import { issueTicket, takeTicketsFrom } from './tickets.ts';

const ORIGIN = 'https://app.example';
const GRANT = { user: 'ann', rooms: ['team-*'], publish: ['team-1'], origin: ORIGIN };

function world(isRevoked: (user: string, issuedAtMs: number) => boolean = () => false) {
  const clock = new ManualClock();
  const directory = new MemoryDirectory({ runId: 'a' }).connect(clock);
  const authenticator = new Authenticator({ clock, tickets: takeTicketsFrom(directory), isRevoked });
  const show = async (ticket: string | undefined, changes: Partial<Credentials> = {}) =>
    authenticator.identify({
      ...{ room: 'team-1', user: 'mallory', bearer: undefined, ticket, origin: ORIGIN, guest: 'guest-1' },
      ...changes,
    });
  return { clock, show, issue: (grant = GRANT, lifeMs = 30_000) => issueTicket(directory, grant, lifeMs) };
}

test('22 a ticket has 256 bits, and of 100 concurrent uses exactly one succeeds', async () => {
  const { show, issue, clock } = world();
  const ticket = await issue();
  expect(Buffer.from(ticket, 'base64url')).toHaveLength(32);
  expect(await issue()).not.toBe(ticket);
  const uses = await Promise.all(Array.from({ length: 100 }, () => show(ticket)));
  const issuedAtMs = clock.now().wallMs;
  expect(uses.filter(({ ok }) => ok)).toEqual([
    { ok: true, user: 'ann', grant: { issuedAtMs, expiresAtMs: undefined, mayPublish: true } },
  ]);
  expect(uses.filter((use) => !use.ok && use.code === 'not_authenticated')).toHaveLength(99);
});

test('23 a ticket that has expired, or is shown for another room or from another origin, is refused, and is spent', async () => {
  const { show, issue, clock } = world();
  const old = await issue();
  clock.advance(30_001);
  expect(await show(old)).toMatchObject({ ok: false, code: 'not_authenticated' });
  for (const elsewhere of [{ room: 'secret' }, { origin: 'https://app.example.evil' }, { origin: undefined }]) {
    const ticket = await issue();
    expect(await show(ticket, elsewhere)).toMatchObject({ ok: false, code: 'not_allowed' });
    expect(await show(ticket)).toMatchObject({ ok: false, code: 'not_authenticated' });
  }
  for (const nonsense of [undefined, '', 'a'.repeat(43), 'a'.repeat(4_000), '../../x']) {
    expect(await show(nonsense)).toMatchObject({ ok: false, code: 'not_authenticated' });
  }
});

test('27 a ticket may give the right to enter and not to publish', async () => {
  const { show, issue } = world();
  expect(await show(await issue(), { room: 'team-2' })).toMatchObject({ ok: true, grant: { mayPublish: false } });
});

test('28 a ticket that was issued before its user was revoked is refused', async () => {
  const { show, issue } = world((user) => user === 'ann');
  expect(await show(await issue())).toMatchObject({ ok: false, code: 'not_authenticated' });
});
