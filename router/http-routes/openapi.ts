/** The API's description of itself. Owns: where it is served. It is made once, when it is first asked for. */
import { ok } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { describeApi, type OpenApiDocument } from '../openapi/document.ts';
import { object, text } from '../openapi/schema.ts';

/** @param routes  all there are, these included */
export function openApiRoutes(routes: () => readonly Route[]): readonly Route[] {
  let made: OpenApiDocument | undefined;
  return [
    {
      method: 'GET',
      path: '/api/v1/openapi.json',
      doc: {
        tag: 'Cluster',
        summary: 'This description, as OpenAPI 3.1',
        answers: {
          200: {
            doc: 'The document.',
            schema: object({
              openapi: text(),
              info: object({}),
              servers: { type: 'array' },
              tags: { type: 'array' },
              paths: object({}),
              components: object({}),
            }),
          },
        },
      },
      answer: () => {
        made ??= describeApi(routes());
        return ok(made);
      },
    },
  ];
}
