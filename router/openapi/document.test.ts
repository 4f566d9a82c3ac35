import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { ROUTES } from '../http-api.ts';
import { AnswerChecker } from './answers-fixture.ts';
import { describeApi, errorsOf, templateOf } from './document.ts';
import { apiPage } from './page.ts';
import { PATH_PARAMETERS, TAGS } from './route-doc.ts';
import { count, list, named, object, text } from './schema.ts';

const document = describeApi(ROUTES);

describe('the description of the API', () => {
  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(JSON.parse(JSON.stringify(document)) as Record<string, unknown>);
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
  });

  it('has every route, and nothing else', () => {
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(ROUTES.map(({ method, path }) => `${method} ${templateOf(path)}`).sort());
  });

  it('names operations apart', () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map((one) => one['operationId']),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const))(
    'says of %s what it is',
    (_name, route) => {
      const { doc, path } = route;
      expect(Object.keys(TAGS)).toContain(doc.tag);
      expect(doc.summary).toMatch(/^[A-Z].*[^.]$/);
      const successes = Object.keys(doc.answers).filter((status) => status.startsWith('2'));
      expect(successes.length).toBeGreaterThan(0);
      for (const [, name = ''] of path.matchAll(/:(\w+)/g)) expect(Object.keys(PATH_PARAMETERS)).toContain(name);
      // A status is either an answer or an error, never both.
      for (const status of errorsOf(route).keys()) expect(Object.keys(doc.answers)).not.toContain(String(status));
      expect(route.method === 'POST' || doc.body === undefined).toBe(true);
    },
  );

  it('has schemas that are valid, each named once', () => {
    const ajv = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true });
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      expect([name, ajv.validateSchema(schema), ajv.errorsText()]).toEqual([name, true, 'No errors']);
    }
    const route = (title: string, path: string) => ({
      method: 'GET' as const,
      path,
      doc: { tag: 'Rooms' as const, summary: 'x', answers: { 200: { doc: 'x', schema: named(title, object({})) } } },
    });
    expect(() => describeApi([route('A', '/a'), route('A', '/b')])).toThrow('two schemas are called A');
    expect(() => describeApi([route('A', '/a/:nobody')])).toThrow('nobody');
  });

  it('stands in the docs as it is now (npm run http-api-docs)', () => {
    expect(readFileSync(new URL('../../docs/http-api.md', import.meta.url), 'utf8')).toBe(apiPage(ROUTES));
  });
});

describe('the check of answers', () => {
  const inner = named('Inner', object({ n: count() }, { note: text() }));
  const checker = new AnswerChecker([
    {
      method: 'GET',
      path: '/api/v1/things/:room',
      doc: {
        tag: 'Rooms',
        summary: 'Things',
        answers: { 200: { doc: 'x', schema: object({ list: list(inner) }) } },
        errors: ['bad_room'],
      },
    },
  ]);
  const check = (status: number, body: unknown) =>
    checker.faultsOf({
      method: 'GET',
      path: '/api/v1/things/a?x=1',
      status,
      contentType: 'application/json; charset=utf-8',
      text: JSON.stringify(body),
    });

  it('takes what is described, and finds what is missing, wrong or more', () => {
    expect(check(200, { list: [{ n: 1 }, { n: 2, note: 'x' }] })).toEqual([]);
    expect(check(200, {}).join()).toContain("must have required property 'list'");
    expect(check(200, { list: [{ n: -1 }] }).join()).toContain('must be >= 0');
    expect(check(200, { list: [{ n: 1, more: 2 }] }).join()).toContain('additional');
    expect(check(200, { list: [], more: 2 }).join()).toContain('additional');
  });

  it('takes errors that are declared, in their one shape', () => {
    const error = { code: 'bad_room', message: 'x', retryable: false };
    expect(check(400, { error })).toEqual([]);
    expect(check(400, { error: { ...error, code: 'bad_user' } }).join()).toContain('bad_user');
    expect(check(418, { error }).join()).toContain('bad_room');
    expect(check(400, { error: { code: 'bad_room' } }).join()).toContain('required');
  });
});
