/** What operators order, in memory. Owns: the same decisions, in the same order, as the scripts of the same names. Does not know:
 *  connections. */
import { AUDIT_MAX, type Order, PINS_MAX } from '../orders.ts';
import type { Executors } from './state.ts';

type Orders = Pick<Executors, 'setPin' | 'removePin' | 'appendAudit' | 'readAudit'>;

export const orderExecutors: Orders = {
  setPin({ pin: { room, node, by, at } }, { state }) {
    if (!state.pins.has(room) && state.pins.size >= PINS_MAX) return { kind: 'full' };
    state.pins.set(room, { room, node, by, at });
    return { kind: 'ok', ver: ++state.ver };
  },

  removePin({ pinned }, { state }) {
    if (!state.pins.delete(pinned)) return { kind: 'absent' };
    return { kind: 'ok', ver: ++state.ver };
  },

  appendAudit({ entry }, { state, nowMs }) {
    const id = ++state.audits;
    const said = JSON.parse(JSON.stringify(entry)) as Order;
    state.audit.push({ ...said, id, at: nowMs });
    if (state.audit.length > AUDIT_MAX) state.audit.shift();
    return { id };
  },

  readAudit({ after, limit }, { state }) {
    if (after !== undefined) return { entries: state.audit.filter(({ id }) => id > after).slice(0, limit) };
    return { entries: limit === 0 ? [] : state.audit.slice(-limit) };
  },
};
