/** Holds answers of the API against its description, for tests. Owns: the validators, stricter than the description: a field that it
 *  does not name is a fault here, so that none is answered undescribed. Does not know: how answers were got. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { type DescribedRoute, describeApi, errorsOf, templateOf } from './document.ts';

export interface SeenAnswer {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

const ID = 'https://bellhop.invalid/api';

export class AnswerChecker {
  readonly #routes: readonly DescribedRoute[];
  readonly #ajv = new Ajv2020({ strict: false, validateSchema: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();
  /** `GET /api/v1/rooms 200`, of what was seen. */
  readonly seen = new Set<string>();

  constructor(routes: readonly DescribedRoute[]) {
    this.#routes = routes;
    this.#ajv.addSchema({ ...(closed(describeApi(routes)) as object), $id: ID });
  }

  /** What is wrong with an answer, in sentences; none where it is as described. */
  faultsOf(answer: SeenAnswer): string[] {
    const { status, text, contentType } = answer;
    const method = answer.method === 'HEAD' ? 'GET' : answer.method;
    const path = answer.path.split('?')[0] ?? '';
    const route = this.#routes.find((one) => one.method === method && isMatch(one.path, path));
    const what = `${answer.method} ${path} → ${status}`;
    if (route === undefined) {
      return [404, 405, 426, 401, 403].includes(status) ? [] : [`${what}: there is no such route`];
    }
    this.seen.add(`${method} ${route.path} ${status}`);
    const described = route.doc.answers[status];
    if (described === undefined) return this.#errorFaults(route, status, text).map((fault) => `${what}: ${fault}`);
    const wanted = described.contentType ?? 'application/json';
    if (!contentType.startsWith(wanted)) return [`${what}: it is ${contentType}, not ${wanted}`];
    if (described.schema === undefined || answer.method === 'HEAD') return [];
    const pointer = ['paths', templateOf(route.path), method.toLowerCase(), 'responses', String(status)];
    return this.#faultsIn([...pointer, 'content', wanted, 'schema'], text).map((fault) => `${what}: ${fault}`);
  }

  #errorFaults(route: DescribedRoute, status: number, text: string): string[] {
    if (text === '') return [];
    const faults = this.#faultsIn(['components', 'schemas', 'Error'], text);
    if (faults.length > 0) return faults;
    const { code } = (JSON.parse(text) as { readonly error: { readonly code: string } }).error;
    const declared: readonly string[] = errorsOf(route).get(status) ?? [];
    return declared.includes(code) ? [] : [`the error ${code} is not among those that the route declares`];
  }

  #faultsIn(pointer: readonly string[], text: string): string[] {
    const ref = `${ID}#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
    let validate = this.#validators.get(ref);
    if (validate === undefined) {
      validate = this.#ajv.compile({ $ref: ref });
      this.#validators.set(ref, validate);
    }
    if (validate(JSON.parse(text))) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`,
    );
  }
}

function isMatch(pattern: string, path: string): boolean {
  const [parts, segments] = [pattern.split('/'), path.split('/')];
  return parts.length === segments.length && parts.every((part, i) => part.startsWith(':') || part === segments[i]);
}

/** The same with every object that names its fields shut to others. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, closed(one)]));
  const { type, properties } = fields;
  const isShut = type === 'object' && typeof properties === 'object' && Object.keys(properties ?? {}).length > 0;
  return isShut && !('additionalProperties' in fields) ? { ...fields, additionalProperties: false } : fields;
}
