/** The pages that a router serves: the operator's, and in development the first one. Owns: which file has which path, and what a
 *  browser may do with them. Does not know: what is on them.
 *
 *  A page is the same for everybody and holds nothing worth hiding; what it shows it asks the API for, with the token that its user
 *  gives it. The policy lets it run and show what comes from this router alone: nothing inline, no other origin, no frame around it,
 *  and (`require-trusted-types-for`) no text that a script makes markup of, so that a name or a message can never become an element.
 *  @see https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/ */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BellhopError } from '../shared/errors.ts';
import type { Answer } from './http-answer.ts';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
};

/** By path; each file's place in the build. */
const DASHBOARD: Readonly<Record<string, string>> = {
  '/dashboard': '../pages/dashboard.html',
  '/dashboard/early.js': '../pages/early.js',
  '/dashboard/dashboard.js': '../pages/dashboard.js',
  '/dashboard/dashboard.css': '../pages/dashboard.css',
  '/dashboard/parts.css': '../pages/parts.css',
  '/dashboard/base.css': '../pages/base.css',
  '/dashboard/chart.css': '../pages/chart.css',
  '/dashboard/icon.svg': '../pages/icon.svg',
  '/dashboard/licenses.txt': '../pages/licenses.txt',
};

const CHAT: Readonly<Record<string, string>> = {
  '/': '../pages/chat.html',
  '/chat/chat.js': '../pages/chat.js',
  '/chat/chat.css': '../pages/chat.css',
  '/chat/bellhop.global.js': '../client/bellhop.global.js',
};

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'Content-Security-Policy': POLICY,
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
  // Kept, but asked for each time: a router of another version has other pages.
  'Cache-Control': 'no-cache',
};

export class StaticPages {
  readonly #paths: Readonly<Record<string, string>>;
  readonly #read = new Map<string, { readonly text: string; readonly etag: string }>();

  /** @param isDevelopment  whether the first page is served, too */
  constructor(isDevelopment: boolean) {
    this.#paths = isDevelopment ? { ...DASHBOARD, ...CHAT } : DASHBOARD;
  }

  /** @param seen  the `If-None-Match` of the request
   *  @returns undefined where there is no page under this path
   *  @throws BellhopError not_found where this build has none */
  answer(path: string, seen: string | undefined): Answer | undefined {
    const file = Object.hasOwn(this.#paths, path) ? this.#paths[path] : undefined;
    if (file === undefined) return undefined;
    const { text, etag } = this.#fileOf(file);
    const headers = { ...HEADERS, ETag: etag };
    if (seen === etag) return { status: 304, headers };
    return { status: 200, text, contentType: TYPES[file.slice(file.lastIndexOf('.') + 1)] ?? 'text/plain', headers };
  }

  #fileOf(file: string): { readonly text: string; readonly etag: string } {
    const known = this.#read.get(file);
    if (known !== undefined) return known;
    let text: string;
    try {
      text = readFileSync(new URL(file, import.meta.url), 'utf8');
    } catch (error) {
      throw new BellhopError('not_found', 'this build has no pages', { cause: error });
    }
    const read = { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` };
    this.#read.set(file, read);
    return read;
  }
}
