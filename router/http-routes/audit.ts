/** The audit log: who ordered what. Owns: how an order is written down, and the reading of it. Does not know: what an order does.
 *  An order that was carried out and cannot be written down stands: the answer says so in a header, rather than that it failed. */
import type { Order } from '../../shared/directory/orders.ts';
import { BellhopError } from '../../shared/errors.ts';
import { QUESTION_MS, within } from '../ask.ts';
import { numberFrom, ok } from '../http-answer.ts';
import type { Route, RouteRequest } from '../http-api.ts';
import { count, integer, list, moment, object, text } from '../openapi/schema.ts';

const LIMIT = 100;
const LIMIT_MAX = 1_000;
const WRITE_MS = 1_000;
/** Printable ASCII. */
const OPERATOR = /^[\x20-\x7e]{1,64}$/;

export const auditRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/audit',
    doc: {
      tag: 'Cluster',
      summary: 'Who ordered what',
      text: 'Drains, moves, disconnections and the like; the last 1,000.',
      query: {
        after: { doc: 'Entries with a higher id only; without it the last ones.', schema: count() },
        limit: {
          doc: 'At most so many, 100 where it is not given, 1,000 at most.',
          schema: { ...integer(), minimum: 1 },
        },
      },
      answers: {
        200: {
          doc: 'In order.',
          schema: object({
            entries: list(
              object(
                { id: count(), at: moment('by Redis’ clock'), by: text('who'), action: text('what') },
                { node: text(), room: text(), user: text(), detail: text() },
              ),
            ),
            next: count('`after` of the next page'),
          }),
        },
      },
      errors: ['bad_request'],
    },
    answer: async ({ ports, query }) => {
      const limit = numberFrom(query, 'limit', LIMIT, 1, LIMIT_MAX);
      const after = query.has('after') ? numberFrom(query, 'after', 0, 0, Number.MAX_SAFE_INTEGER) : undefined;
      const { entries } = await within(QUESTION_MS, ports.directory.call('readAudit', { after, limit }));
      return ok({ entries, next: entries.at(-1)?.id ?? after ?? 0 });
    },
  },
];

/** Who gives the order, as the request says.
 *  @throws BellhopError bad_request */
export function operatorOf({ header }: Pick<RouteRequest, 'header'>): string {
  const given = header('x-bellhop-operator');
  if (given === undefined) return 'api';
  if (!OPERATOR.test(given))
    throw new BellhopError('bad_request', 'X-Bellhop-Operator has 1–64 printable ASCII characters');
  return given;
}

/** Writes an order down. @returns the headers of its answer */
export async function audited(
  { ports }: Pick<RouteRequest, 'ports'>,
  order: Order,
): Promise<Readonly<Record<string, string>>> {
  try {
    await within(WRITE_MS, ports.directory.call('appendAudit', { entry: order }));
    return {};
  } catch {
    return { 'X-Bellhop-Audit': 'not-written' };
  }
}
