/** The page of the HTTP API, made from its routes. Owns: how a route is shown to people. Does not know: any one route. */
import { errorRow } from '../../shared/errors.ts';
import { type DescribedRoute, errorsOf, templateOf } from './document.ts';
import { COMMON_ERRORS, PATH_PARAMETERS, type ParameterDoc, TAGS } from './route-doc.ts';
import type { Schema } from './schema.ts';

const HEAD = `<!-- Made from the routes by "npm run http-api-docs": change them, not this page. -->

# HTTP API

Any router answers for the whole cluster. The same description for programs, as OpenAPI 3.1, is served at \`/api/v1/openapi.json\`.

- **Access**: with \`--api-token\` every path under \`/api\` needs \`Authorization: Bearer <token>\`. Without one the API answers requests
  from the router's own machine only, or from anywhere under \`--insecure\`. Paths outside of \`/api\` need no token.
- **Errors** have a real status and one shape: \`{"error":{"code","message","retryable","retryAfterMs?"}}\`. Codes are stable. Any path
  under \`/api\` may answer ${COMMON_ERRORS.map((code) => `\`${code}\``).join(', ')}; each route names what else it may.
- **HEAD** is answered like GET. Bodies are JSON objects, sent as \`application/json\`. Nothing may be cached.
- **Pages**: \`next\` of an answer is the \`cursor\` of the next one. New fields may come at any time: ignore what you do not know.
`;

export function apiPage(routes: readonly DescribedRoute[]): string {
  const parts = Object.entries(TAGS).flatMap(([tag, about]) => {
    const own = routes.filter(({ doc }) => doc.tag === tag);
    return own.length === 0 ? [] : [`## ${tag}\n\n${about}\n`, ...own.map(section)];
  });
  const used = new Set(routes.flatMap((route) => [...errorsOf(route).values()].flat()));
  const errors = [...used]
    .sort()
    .map(
      (code) =>
        `| \`${code}\` | ${errorRow(code).status} | ${errorRow(code).retryable ? 'yes' : ''} | ${errorRow(code).doc} |`,
    );
  const named = namedSchemas(routes).map(([title, schema]) => `### ${title}\n\n${fields(schema)}\n`);
  return [
    HEAD,
    ...parts,
    `## Shapes\n`,
    ...named,
    `## Errors\n\n| code | status | retryable | meaning |\n| --- | --- | --- | --- |\n${errors.join('\n')}\n`,
  ].join('\n');
}

function section(route: DescribedRoute): string {
  const { method, path, doc } = route;
  const lines = [
    `### ${method} ${templateOf(path)}`,
    '',
    `${doc.summary}.${doc.text === undefined ? '' : ` ${doc.text}`}`,
    '',
  ];
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].flatMap(([, name = '']) => row(name, 'path', PATH_PARAMETERS[name])),
    ...Object.entries(doc.query ?? {}).flatMap(([name, one]) => row(name, 'query', one)),
    ...Object.entries(doc.headers ?? {}).flatMap(([name, one]) => row(name, 'header', one)),
  ];
  if (parameters.length > 0) lines.push('| parameter | in | |', '| --- | --- | --- |', ...parameters, '');
  if (doc.body !== undefined) lines.push('Body:', '', fields(doc.body), '');
  for (const [status, answer] of Object.entries(doc.answers)) {
    const { schema, contentType } = answer;
    const shape = schema === undefined ? (contentType ?? 'no body') : typeOf(schema);
    lines.push(`**${status}** ${answer.doc} (${shape})`, '');
    if (schema?.properties !== undefined && schema.title === undefined && Object.keys(schema.properties).length > 0)
      lines.push(fields(schema), '');
  }
  const own = (doc.errors ?? []).map((code) => `\`${code}\``);
  if (own.length > 0) lines.push(`Errors: ${[...new Set(own)].join(', ')}`, '');
  return lines.join('\n');
}

function row(name: string, where: string, parameter: ParameterDoc | undefined): string[] {
  return parameter === undefined ? [] : [`| \`${name}\` | ${where} | ${cell(parameter.doc)} |`];
}

/** A list of an object's fields, those of objects in it below them. */
function fields(schema: Schema, indent = ''): string {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {})
    .map(([name, one]) => {
      const may = required.has(name) ? '' : ', optional';
      const doc = one.description === undefined ? '' : `: ${one.description}`;
      const line = `${indent}- \`${name}\` (${typeOf(one)}${may})${doc}`;
      const inner = objectIn(one);
      return inner === undefined ? line : `${line}\n${fields(inner, `${indent}  `)}`;
    })
    .join('\n');
}

/** The object without a name of its own that a field holds, or holds a list of. */
function objectIn(schema: Schema): Schema | undefined {
  const held = schema.items ?? schema.anyOf?.[0] ?? schema;
  return held.title === undefined && Object.keys(held.properties ?? {}).length > 0 ? held : undefined;
}

function typeOf(schema: Schema): string {
  const { title, items, anyOf, type } = schema;
  if (title !== undefined) return `[${title}](#${title.toLowerCase()})`;
  if (items !== undefined) return `list of ${typeOf(items)}`;
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ');
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if ('const' in schema) return `\`${JSON.stringify(schema.const)}\``;
  if (typeof schema.additionalProperties === 'object') return `map to ${typeOf(schema.additionalProperties)}`;
  return type === undefined ? 'any JSON' : String(type);
}

function namedSchemas(routes: readonly DescribedRoute[]): [string, Schema][] {
  const found = new Map<string, Schema>();
  const look = (schema: Schema): void => {
    if (schema.title !== undefined) found.set(schema.title, schema);
    for (const one of Object.values(schema.properties ?? {})) look(one);
    if (schema.items !== undefined) look(schema.items);
    for (const one of schema.anyOf ?? []) look(one);
    if (typeof schema.additionalProperties === 'object') look(schema.additionalProperties);
  };
  for (const { doc } of routes) {
    if (doc.body !== undefined) look(doc.body);
    for (const { schema } of Object.values(doc.answers)) if (schema !== undefined) look(schema);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
