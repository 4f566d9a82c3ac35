import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { isSessionId, isUserId } from '../shared/ids.ts';
import { SeededRandom } from '../shared/random.ts';
import { issueResume } from '../shared/token.ts';
import { type Admission, admit, guestName } from './admit.ts';
import { Authenticator } from './authenticate.ts';
import type { UpgradeRequest } from './upgrade.ts';

const clock = new ManualClock();
const nowMs = clock.now().wallMs;
const secrets = ['new secret', 'old secret'];
const SESSION = 'abcdefghijklmnopqrstuv';
const CURSOR = { seq: 7, tag: '5.0123456789abcdef' };

const admitted = async (changes: Partial<UpgradeRequest>): Promise<Admission> =>
  await admit(
    { room: 'lobby', user: 'ann', bearer: undefined, resume: undefined, history: 0, ...changes },
    { authenticator: new Authenticator({ clock }), secrets, clock, random: new SeededRandom(1) },
  );

const tokenFor = (user: string, expiresAtMs = nowMs + 1, secret = secrets) =>
  issueResume(secret, { session: SESSION, user, room: 'lobby', seat: 3, since: 42, expiresAtMs });

const resumeWith = (token: string) => ({ session: SESSION, token, cursor: CURSOR });

describe('a client', () => {
  it('that comes for the first time gets a session', async () => {
    const admission = await admitted({ history: 20 });
    expect(admission).toMatchObject({
      ok: true,
      client: { room: 'lobby', user: 'ann', seat: 1, since: nowMs, kind: 'join', cursor: undefined, history: 20 },
    });
    expect(admission.ok && isSessionId(admission.client.session)).toBe(true);
  });

  it('that comes back gets its seat, one higher', async () => {
    for (const signing of [secrets, ['old secret']]) {
      expect(await admitted({ resume: resumeWith(tokenFor('ann', nowMs + 1, signing)), history: 9 })).toEqual({
        ok: true,
        client: {
          room: 'lobby',
          user: 'ann',
          session: SESSION,
          seat: 4,
          since: 42,
          kind: 'resume',
          cursor: CURSOR,
          history: 0,
        },
      });
    }
  });

  it('without a name is the same guest when it comes back', async () => {
    const guest = guestName(SESSION);
    expect(isUserId(guest)).toBe(true);
    const admission = await admitted({ user: undefined, resume: resumeWith(tokenFor(guest)) });
    expect(admission).toMatchObject({ ok: true, client: { user: guest, kind: 'resume' } });
  });

  it('29 that shows what is not its own is refused', async () => {
    const own = tokenFor('ann');
    const refused = [
      { user: 'bob', resume: resumeWith(own) },
      { room: 'other', resume: resumeWith(own) },
      { resume: { ...resumeWith(own), session: SESSION.toUpperCase() } },
      { resume: resumeWith(tokenFor('ann', nowMs + 1, ['foreign'])) },
      { resume: resumeWith('nonsense') },
    ];
    for (const changes of refused) expect(await admitted(changes)).toMatchObject({ ok: false, code: 'not_allowed' });
  });

  it('30 that guesses a cursor learns nothing of the room: it is refused before any owner is asked, in one sentence', async () => {
    const cursors = [CURSOR, { seq: 0, tag: CURSOR.tag }, { seq: 2 ** 53 - 1, tag: '1.ffffffffffffffff' }];
    const answers = await Promise.all(
      cursors.flatMap((cursor) => [
        admitted({ user: 'bob', resume: { ...resumeWith(tokenFor('ann')), cursor } }),
        admitted({ resume: { ...resumeWith(tokenFor('ann', nowMs + 1, ['foreign'])), cursor } }),
      ]),
    );
    const message = 'this session cannot be resumed by this user in this room';
    for (const answer of answers) expect(answer).toEqual({ ok: false, code: 'not_allowed', message });
  });

  it('that comes back too late begins anew, under another session', async () => {
    const admission = await admitted({ resume: resumeWith(tokenFor('ann', nowMs)), history: 5 });
    expect(admission).toMatchObject({ ok: true, client: { kind: 'join', seat: 1, cursor: undefined, history: 5 } });
    expect(admission.ok && admission.client.session).not.toBe(SESSION);
  });

  it('that may not be here is refused before its token is looked at', async () => {
    expect(await admitted({ user: 'a b', resume: resumeWith(tokenFor('ann')) })).toMatchObject({ code: 'bad_user' });
  });
});
