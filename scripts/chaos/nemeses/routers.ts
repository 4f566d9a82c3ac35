/** What befalls routers. Owns: these acts. */
import { pause } from '../../scenarios/wait.ts';
import { LONGEST_SILENCE, type Nemesis } from './nemesis.ts';

/** SIGKILL of a router: its clients come back at the others with their sessions and cursors. */
export const killRouter: Nemesis = {
  name: 'router kill',
  says: 'SIGKILL of a router: its clients resume at others',
  measures: 'a client’s socket closes → it has its seat at another router',
  async strike(stage) {
    const { id } = stage.pick(stage.load.routers);
    const what = `kill -9 ${id}`;
    stage.begin(what, [id]);
    stage.avoid(id);
    stage.signal(stage.cluster.router(id).process, 'SIGKILL');
    return { what, rooms: [], by: 'clients', routers: [id], repair: () => stage.startRouter(id) };
  },
};

/** SIGSTOP of a router, then SIGCONT: its clients may stay or go. */
export function freezeRouter(fromMs: number, toMs: number): Nemesis {
  return {
    name: 'router stop',
    says: `SIGSTOP of a router for ${fromMs / 1_000} to ${toMs / 1_000} s, then SIGCONT`,
    measures: LONGEST_SILENCE,
    async strike(stage) {
      const { id } = stage.pick(stage.load.routers);
      const { process } = stage.cluster.router(id);
      const ms = stage.between(fromMs, toMs);
      const what = `SIGSTOP ${id} for ${ms} ms`;
      stage.begin(what, [id]);
      stage.signal(process, 'SIGSTOP');
      await pause(ms);
      stage.signal(process, 'SIGCONT');
      return { what, rooms: stage.load.rooms, by: 'silence', routers: [id] };
    },
  };
}
