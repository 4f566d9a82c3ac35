import { describe, expect, test } from 'vitest';
import { Reading } from './reading.ts';
import { type Holder, newRoute, type Route } from './route.ts';
import { ClientSession } from './session.ts';

const N1: Holder = { node: 'n1', incarnation: '1' };
const N2: Holder = { node: 'n2', incarnation: '2' };

class Bench {
  readonly told: string[] = [];
  readonly reading = new Reading({ setReading: (handle, reading) => void this.told.push(`${handle} ${reading}`) });
  #handles = 0;

  session(): ClientSession {
    const session = new ClientSession(
      ++this.#handles,
      { room: 'r', user: 'u', session: 's', seat: 1, since: 1, kind: 'join', cursor: undefined, history: 0 },
      0,
    );
    session.state = 'seated';
    return session;
  }

  route(at: Holder, ...sessions: ClientSession[]): Route {
    const route = newRoute('r');
    route.state = { kind: 'bound', at, handle: 1, group: 1 };
    for (const session of sessions) route.sessions.set(session.handle, session);
    return route;
  }
}

function fill(session: ClientSession, bench: Bench): void {
  for (let frames = 0; frames < 64; frames++) session.take(Buffer.alloc(1));
  bench.reading.taken(session);
}

describe('Reading', () => {
  test('holds the clients of a pressed node alone, until it eases', () => {
    const bench = new Bench();
    const [one, two] = [bench.session(), bench.session()];
    bench.reading.pressed(N1, [bench.route(N1, one), bench.route(N2, two)]);
    expect(bench.told).toEqual(['1 false']);
    bench.reading.eased(N2);
    bench.reading.eased(N1);
    expect(bench.told).toEqual(['1 false', '1 true']);
  });

  test('reads again only once neither reason holds, in either order', () => {
    const bench = new Bench();
    const session = bench.session();
    fill(session, bench);
    bench.reading.pressed(N1, [bench.route(N1, session)]);
    session.acked(64);
    bench.reading.acked(session);
    expect(bench.told).toEqual(['1 false']);
    bench.reading.eased(N1);
    expect(bench.told).toEqual(['1 false', '1 true']);

    bench.reading.pressed(N1, [bench.route(N1, session)]);
    fill(session, bench);
    bench.reading.eased(N1);
    expect(bench.told.at(-1)).toBe('1 false');
    session.acked(128);
    bench.reading.acked(session);
    expect(bench.told.at(-1)).toBe('1 true');
  });

  test('who is seated at a pressed node is held, and let go when seated elsewhere', () => {
    const bench = new Bench();
    const session = bench.session();
    bench.reading.pressed(N1, []);
    bench.reading.seated(session, N1);
    expect(bench.told).toEqual(['1 false']);
    bench.reading.seated(session, N2);
    expect(bench.told).toEqual(['1 false', '1 true']);
    bench.reading.eased(N1);
    expect(bench.told).toHaveLength(2);
  });

  test('who went is not told of', () => {
    const bench = new Bench();
    const session = bench.session();
    bench.reading.pressed(N1, [bench.route(N1, session)]);
    bench.reading.forget(session);
    bench.reading.eased(N1);
    expect(bench.told).toEqual(['1 false']);
  });
});
