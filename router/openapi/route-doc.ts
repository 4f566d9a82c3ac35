/** What a route says of itself. Owns: that shape, and what is alike for all routes: parameters of paths, errors, common schemas.
 *
 *  How to describe a route: give it a `doc` beside its `answer`, as those in http-routes/ have; without one it does not compile.
 *    doc: {
 *      tag: 'Rooms',                                         one of TAGS
 *      summary: 'The room, as its owner has it',             a phrase; `text` for what more there is to say
 *      query: { limit: { doc: 'at most so many', schema: integer() } },
 *      answers: { 200: { doc: 'the room', schema: ROOM } },  every status of success, with the schema of its body
 *      errors: ['not_found', 'settling'],                    codes of shared/errors.ts beyond COMMON_ERRORS
 *    }
 *  A parameter of the path (`:room`) is described in PATH_PARAMETERS, once for all routes. Then `npm run http-api-docs` writes
 *  docs/http-api.md anew. Tests hold every answer of the API against its description, unknown fields and undeclared errors included. */
import { ERRORS, type ErrorCode } from '../../shared/errors.ts';
import { count, flag, integer, list, named, object, oneOf, type Schema, text } from './schema.ts';

export const TAGS = {
  Rooms: 'Where rooms are, who is in them, what was said.',
  Users: 'Users wherever they are.',
  Cluster: 'Nodes, routers, and what goes on between them.',
  Process: 'This router itself. These need no token.',
} as const satisfies Record<string, string>;

export interface ParameterDoc {
  readonly doc: string;
  readonly schema: Schema;
}

export interface AnswerDoc {
  readonly doc: string;
  /** Of a JSON body; absent where there is none, or it is not JSON. */
  readonly schema?: Schema;
  /** Where it is not `application/json`. */
  readonly contentType?: string;
}

export interface RouteDoc {
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly text?: string;
  readonly query?: Readonly<Record<string, ParameterDoc>>;
  readonly headers?: Readonly<Record<string, ParameterDoc>>;
  /** Of a JSON body, which is then required. */
  readonly body?: Schema;
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  readonly errors?: readonly ErrorCode[];
}

/** Segments of paths. */
export const PATH_PARAMETERS: Readonly<Record<string, ParameterDoc>> = {
  room: {
    doc: 'Id of a room, percent-encoded.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._~:@-]{0,127}$' },
  },
  user: { doc: 'Id of a user, percent-encoded.', schema: { type: 'string', minLength: 1, maxLength: 256 } },
  node: { doc: 'Id of a node.', schema: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' } },
};

/** What any question to /api may end in. */
export const COMMON_ERRORS: readonly ErrorCode[] = [
  'not_authenticated',
  'not_allowed',
  'too_many',
  'rate_limited',
  'timeout',
  'redis_unavailable',
  'internal',
];
/** Of routes that ask nodes. */
export const NODE_ERRORS: readonly ErrorCode[] = ['link_lost', 'unavailable', 'not_owner', 'draining'];
/** Of routes with a body. */
export const BODY_ERRORS: readonly ErrorCode[] = [
  'bad_request',
  'bad_json',
  'bad_message',
  'unsupported_data',
  'payload_too_large',
];

export const ERROR = named(
  'Error',
  object({
    error: object(
      {
        code: oneOf(Object.keys(ERRORS), 'stable; tell errors apart by it'),
        message: text('for people'),
        retryable: flag('the same request may succeed later, without a risk of taking effect twice'),
      },
      { retryAfterMs: count('how long to wait before that') },
    ),
  }),
);

/** Of routes whose orders are written down. */
export const OPERATOR: NonNullable<RouteDoc['headers']> = {
  'X-Bellhop-Operator': {
    doc: 'Who gives the order, for the audit log: 1–64 printable ASCII characters; `api` without it.',
    schema: { type: 'string', pattern: '^[\\x20-\\x7e]{1,64}$' },
  },
};

export const NEXT: Readonly<Record<string, Schema>> = {
  next: text('`cursor` of the next page; absent on the last one'),
};
export const INCOMPLETE: Readonly<Record<string, Schema>> = {
  incomplete: list(text(), 'nodes that should have answered and did not; absent where all did'),
};
export const PAGE = (limit: number, max: number): Readonly<Record<string, ParameterDoc>> => ({
  limit: {
    doc: `At most so many, ${limit} where it is not given; more than ${max} means ${max}.`,
    schema: { ...integer(), minimum: 1 },
  },
  cursor: { doc: '`next` of the page before.', schema: text() },
});
