/** Tokens of the HTTP API as an operator writes them: `scope+scope:token`, or a token alone, which may do everything. Owns: that
 *  spelling. Does not know: routes, requests. */

/** `read`: every GET. `publish`: to say something in rooms and to users. `operate`: whatever else changes something. */
export type Scope = 'read' | 'publish' | 'operate';

export const SCOPES: readonly Scope[] = ['read', 'publish', 'operate'];

export interface ApiToken {
  readonly scopes: readonly Scope[];
  readonly token: string;
}

const TOKEN_CHARS_MIN = 16;
/** Looks like scopes in front of a token. What is none of ours is no token for everything, which a slip of the pen would make of it. */
const SCOPED = /^[a-z+]*:/i;
const SPELLING = /^(?:((?:read|publish|operate)(?:\+(?:read|publish|operate))*):)?([\x21-\x7e]+)$/;

/** @throws RangeError with a sentence that shows nothing of the token */
export function parseApiToken(text: string): ApiToken {
  const match = SPELLING.exec(text);
  const token = match?.[2] ?? '';
  if (token.length < TOKEN_CHARS_MIN) {
    throw new RangeError(`a token has ${TOKEN_CHARS_MIN} visible ASCII characters or more behind its scopes`);
  }
  const named = match?.[1]?.split('+');
  if (named === undefined && SCOPED.test(text)) {
    throw new RangeError('before a colon stand scopes: read, publish, operate, with + between them');
  }
  return { scopes: named === undefined ? SCOPES : SCOPES.filter((scope) => named.includes(scope)), token };
}

/** What a caller shows: the token without the scopes that routers were told with it, and the first where they were given several. */
export function withoutScopes(text: string): string {
  const [first = ''] = text.split(',');
  return SPELLING.exec(first)?.[2] ?? first;
}
