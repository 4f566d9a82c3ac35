/** One user: the sessions, wherever they are. */
import { pathOf, type UserAnswer } from './api.ts';
import { ago } from './format.ts';
import { hrefOf } from './route.ts';
import { useAnswer } from './use-answer.ts';

export function UserPage({ user }: { readonly user: string }) {
  const { answer, fault } = useAnswer<UserAnswer>(`${pathOf('users', user)}?empty=1`, 2_000);
  const now = Date.now();
  return (
    <>
      <header class="page-head">
        <h1>{user}</h1>
      </header>
      {fault !== undefined && answer === undefined && <p class="panel empty">{fault.message}</p>}
      {answer?.sessions.length === 0 && <p class="panel empty">{user} has no session now.</p>}
      {answer !== undefined && answer.sessions.length > 0 && (
        <section class="panel" aria-labelledby="sessions-title">
          <header class="panel-head">
            <h2 id="sessions-title">Sessions</h2>
          </header>
          <table>
            <thead>
              <tr>
                <th scope="col">Room</th>
                <th scope="col">Node</th>
                <th scope="col">Router</th>
                <th scope="col" class="number">
                  For
                </th>
                <th scope="col" class="wide">
                  Session
                </th>
              </tr>
            </thead>
            <tbody>
              {answer.sessions.map(({ session, room, node, router, since, confirmed }) => (
                <tr key={session}>
                  <th scope="row">
                    <a href={hrefOf({ kind: 'room', room })}>{room}</a>
                  </th>
                  <td>
                    <a href={hrefOf({ kind: 'node', node })}>{node}</a>
                    {confirmed === false && <span class="muted"> (not confirmed)</span>}
                  </td>
                  <td>{router}</td>
                  <td class="number">{ago(since, now)}</td>
                  <td class="wide mono">{session}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}
