/** JSON Schemas, written shortly. Owns: the constructors that routes describe their answers with. Does not know: routes, HTTP.
 *  A schema with a `title` is named in the description: it stands there once, however many routes use it.
 *  @see JSON Schema 2020-12; OpenAPI 3.1 §4.8.24 */

export interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

const withDoc = (doc: string | undefined): { readonly description?: string } =>
  doc === undefined ? {} : { description: doc };

export const text = (doc?: string): Schema => ({ type: 'string', ...withDoc(doc) });
export const integer = (doc?: string): Schema => ({ type: 'integer', ...withDoc(doc) });
export const count = (doc?: string): Schema => ({ type: 'integer', minimum: 0, ...withDoc(doc) });
export const decimal = (doc?: string): Schema => ({ type: 'number', ...withDoc(doc) });
export const flag = (doc?: string): Schema => ({ type: 'boolean', ...withDoc(doc) });
export const always = (value: unknown, doc?: string): Schema => ({ const: value, ...withDoc(doc) });
export const oneOf = (values: readonly string[], doc?: string): Schema => ({
  type: 'string',
  enum: values,
  ...withDoc(doc),
});
/** Any JSON. */
export const anything = (doc?: string): Schema => withDoc(doc);
export const list = (items: Schema, doc?: string): Schema => ({ type: 'array', items, ...withDoc(doc) });
export const record = (values: Schema, doc?: string): Schema => ({
  type: 'object',
  additionalProperties: values,
  ...withDoc(doc),
});
export const nullable = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });
/** Unix milliseconds. */
export const moment = (doc: string): Schema => ({ type: 'integer', minimum: 0, description: `${doc}, Unix ms` });

/** An object that has all of `always`, and may have `sometimes`. */
export function object(
  always: Readonly<Record<string, Schema>>,
  sometimes: Readonly<Record<string, Schema>> = {},
  doc?: string,
): Schema {
  return { type: 'object', properties: { ...always, ...sometimes }, required: Object.keys(always), ...withDoc(doc) };
}

/** A schema under a name of its own. */
export function named(title: string, schema: Schema): Schema {
  return { title, ...schema };
}
