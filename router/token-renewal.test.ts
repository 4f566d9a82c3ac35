import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { issueResume, RESUME_TOKEN_LIFE_MS } from '../shared/token.ts';
import { admit } from './admit.ts';
import { Authenticator } from './authenticate.ts';
import type { AcceptedClient } from './ports.ts';
import { ClientSession } from './session.ts';
import { TokenRenewal } from './token-renewal.ts';

const SECRETS = ['a secret of the cluster'];
const HOUR_MS = 3_600_000;
const TICK_MS = HOUR_MS / 4;

function bench(count: number, more: Partial<AcceptedClient> = {}) {
  const clock = new ManualClock();
  const told: { handle: number; resume: string }[] = [];
  const sessions = new Map<number, { session: ClientSession }>();
  const open = () => {
    const handle = sessions.size + 1;
    const client: AcceptedClient = {
      ...{ room: 'lobby', user: 'ann', session: `s${handle}`, seat: 3, since: 42, kind: 'join' },
      ...{ cursor: undefined, history: 0, ...more },
    };
    const session = new ClientSession(handle, client, 0);
    session.seat();
    sessions.set(handle, { session });
  };
  for (let n = 0; n < count; n++) open();
  const renewal = new TokenRenewal(SECRETS, {
    direct: (handle, frame) => {
      const text = frame.subarray(frame.indexOf('{')).toString('utf8');
      told.push({ handle, ...(JSON.parse(text) as { type: 'resume'; resume: string }) });
    },
  });
  const pass = (ms: number) => {
    for (let left = ms; left > 0; left -= TICK_MS) {
      clock.advance(TICK_MS);
      renewal.tick(sessions, clock.now());
    }
  };
  renewal.tick(sessions, clock.now());
  return { clock, told, sessions, renewal, pass, open };
}

describe('new resume tokens', () => {
  it('let a client back to its seat whose socket breaks after more than a day', async () => {
    const { clock, told, pass } = bench(1);
    const { wallMs } = clock.now();
    const seat = { room: 'lobby', user: 'ann', session: 's1', seat: 3, since: 42 };
    const first = issueResume(SECRETS, { ...seat, expiresAtMs: wallMs + RESUME_TOKEN_LIFE_MS });
    pass(49 * HOUR_MS);
    const comeBack = async (token: string) =>
      await admit(
        {
          ...{ room: 'lobby', user: 'ann', bearer: undefined, history: 0 },
          resume: { session: 's1', token, cursor: undefined },
        },
        { authenticator: new Authenticator({ clock }), secrets: SECRETS, clock, random: new SeededRandom(1) },
      );
    expect(await comeBack(first)).toMatchObject({ ok: true, client: { kind: 'join', seat: 1 } });
    expect(await comeBack(told.at(-1)?.resume ?? '')).toMatchObject({
      client: { kind: 'resume', session: 's1', seat: 4, since: 42 },
    });
    expect(told.length).toBeLessThan(12);
  });

  it('are made a few at a time, for everybody in a round', () => {
    const { clock, told, sessions, renewal, pass } = bench(50);
    pass(6 * HOUR_MS);
    expect(told).toHaveLength(20);
    for (let tick = 0; tick < 5; tick++) renewal.tick(sessions, clock.now());
    expect(told.map(({ handle }) => handle)).toEqual([...sessions.keys()]);
  });

  it('come again to whoever stays, however many others come meanwhile', () => {
    const { told, pass, open } = bench(1);
    for (let hour = 0; hour < 15; hour++) {
      for (let n = 0; n < 100; n++) open();
      pass(HOUR_MS);
    }
    expect(told.filter(({ handle }) => handle === 1)).toHaveLength(2);
  });

  it('are for seats that are held, and not for sockets that another server has', () => {
    const attended = bench(1, { attended: true });
    attended.pass(13 * HOUR_MS);
    expect(attended.told).toEqual([]);
    const waiting = bench(2);
    const one = waiting.sessions.get(1)?.session;
    one?.asked(1, { node: 'n1', incarnation: 'i1' });
    waiting.pass(7 * HOUR_MS);
    expect(waiting.told.map(({ handle }) => handle)).toEqual([2]);
    one?.seat();
    waiting.pass(6 * HOUR_MS);
    expect(waiting.told.map(({ handle }) => handle)).toEqual([2, 1, 2]);
  });
});
