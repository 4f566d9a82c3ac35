/** The description of the HTTP API, made from its routes. Owns: how a route's `doc` becomes OpenAPI. Does not know: any one route.
 *  Invariant: every route is in it, and nothing that no route answers.
 *  @see OpenAPI 3.1.1 */
import { type ErrorCode, errorRow } from '../../shared/errors.ts';
import { VERSION } from '../../shared/version.ts';
import { COMMON_ERRORS, ERROR, PATH_PARAMETERS, type ParameterDoc, type RouteDoc, TAGS } from './route-doc.ts';
import type { Schema } from './schema.ts';

/** What of a route is described. */
export interface DescribedRoute {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'PUT' | 'PATCH';
  readonly path: string;
  readonly doc: RouteDoc;
}

type Json = Readonly<Record<string, unknown>>;

export interface OpenApiDocument extends Json {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>>; readonly securitySchemes: Json };
}

const INFO = `The HTTP API of a Bellhop router. Any router answers for the whole cluster.

Errors have one shape, a real status, and a stable code. With \`--api-token\` every path under /api needs it as a bearer token; without
one the API answers requests from the router's own machine only. WebSockets are taken at /rooms/{room}: see the protocol's page.`;

/** Which error codes a route may answer, by status. */
export function errorsOf({ path, doc }: DescribedRoute): ReadonlyMap<number, readonly ErrorCode[]> {
  const codes = [...new Set([...(path.startsWith('/api/') ? COMMON_ERRORS : []), ...(doc.errors ?? [])])];
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = errorRow(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return new Map([...byStatus].sort(([a], [b]) => a - b));
}

/** `/rooms/:room` as OpenAPI writes it. */
export function templateOf(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}');
}

/** @throws RangeError where two schemas have one title, or a path's parameter is not described */
export function describeApi(routes: readonly DescribedRoute[]): OpenApiDocument {
  const named = new Map<string, { readonly from: Schema; readonly as: Json }>();
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const template = templateOf(route.path);
    paths[template] = { ...paths[template], [route.method.toLowerCase()]: operation(route, named) };
  }
  return {
    openapi: '3.1.1',
    info: { title: 'Bellhop', version: VERSION, description: INFO, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: Object.fromEntries([...named].map(([title, { as }]) => [title, as])),
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'The `--api-token` of the routers.' } },
    },
  };
}

type Named = Map<string, { readonly from: Schema; readonly as: Json }>;

function operation(route: DescribedRoute, named: Named): Json {
  const { method, path, doc } = route;
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => {
    const described = PATH_PARAMETERS[name];
    if (described === undefined) throw new RangeError(`the parameter ${name} of ${path} is not described`);
    return parameter('path', name, described, named);
  });
  const others = (where: 'query' | 'header', given: RouteDoc['query']) =>
    Object.entries(given ?? {}).map(([name, described]) => parameter(where, name, described, named));
  const parameters = [...inPath, ...others('query', doc.query), ...others('header', doc.headers)];
  const body = doc.body && { required: true, content: { 'application/json': { schema: lift(doc.body, named) } } };
  return {
    operationId: idOf(method, path),
    tags: [doc.tag],
    summary: doc.summary,
    ...(doc.text === undefined ? {} : { description: doc.text }),
    ...(path.startsWith('/api/') ? { security: [{ token: [] }, {}] } : { security: [] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: responses(route, named),
  };
}

function responses(route: DescribedRoute, named: Named): Json {
  const answers: Record<string, Json> = {};
  for (const [status, { doc, schema, contentType = 'application/json' }] of Object.entries(route.doc.answers)) {
    const content =
      schema === undefined && contentType === 'application/json'
        ? undefined
        : {
            [contentType]: schema === undefined ? {} : { schema: lift(schema, named) },
          };
    answers[status] = { description: doc, ...(content === undefined ? {} : { content }) };
  }
  for (const [status, codes] of errorsOf(route)) {
    const description = codes.map((code) => `\`${code}\`: ${errorRow(code).doc}`).join(' ');
    answers[status] ??= { description, content: { 'application/json': { schema: lift(ERROR, named) } } };
  }
  return answers;
}

function parameter(
  where: 'path' | 'query' | 'header',
  name: string,
  { doc, schema }: ParameterDoc,
  named: Named,
): Json {
  const required = where === 'path' ? { required: true } : {};
  return { name, in: where, ...required, description: doc, schema: lift(schema, named) };
}

/** Puts what has a title among the named schemas, and a reference in its place. */
function lift(schema: Schema, named: Named): Json {
  const inner: Record<string, unknown> = { ...schema };
  delete inner['title'];
  if (schema.properties !== undefined) {
    inner['properties'] = Object.fromEntries(
      Object.entries(schema.properties).map(([name, one]) => [name, lift(one, named)]),
    );
  }
  if (schema.items !== undefined) inner['items'] = lift(schema.items, named);
  if (schema.anyOf !== undefined) inner['anyOf'] = schema.anyOf.map((one) => lift(one, named));
  if (typeof schema.additionalProperties === 'object') {
    inner['additionalProperties'] = lift(schema.additionalProperties, named);
  }
  const { title } = schema;
  if (title === undefined) return inner;
  const other = named.get(title);
  if (other !== undefined && other.from !== schema) throw new RangeError(`two schemas are called ${title}`);
  named.set(title, { from: schema, as: inner });
  return { $ref: `#/components/schemas/${title}` };
}

/** `get_rooms_room_presence`: what generators of clients call an operation. */
function idOf(method: string, path: string): string {
  const words = path
    .replace(/^\/api\/v1/, '')
    .split(/[/:.-]+/)
    .filter((word) => word !== '');
  return [method.toLowerCase(), ...words].join('_');
}
