import { describe, expect, it } from 'vitest';
import {
  BellhopError,
  CLOSE_CODES,
  closeRow,
  ERRORS,
  type ErrorCode,
  errorBody,
  errorRow,
  isErrorCode,
  verdictOf,
} from './errors.ts';

const codes = Object.keys(ERRORS) as ErrorCode[];

describe('the table of errors', () => {
  it.each(codes)('%s is written in one style and is complete', (code) => {
    const row = errorRow(code);
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(row.status).toBeGreaterThanOrEqual(400);
    expect(row.status).toBeLessThan(600);
    expect(row.doc).toMatch(/^[A-Z].*\.$/);
  });

  it.each(codes.filter((code) => errorRow(code).close !== undefined))('%s agrees with its close code', (code) => {
    const { close, retryable } = errorRow(code);
    const verdict = closeRow(close ?? 0)?.verdict;
    expect(retryable).toBe(verdict === 'resume' || verdict === 'retry');
  });

  it('knows a code from another text, also from what objects inherit', () => {
    expect(isErrorCode('owner_lost')).toBe(true);
    expect(isErrorCode('owner-lost')).toBe(false);
    expect(isErrorCode('constructor')).toBe(false);
  });
});

describe('the table of close codes', () => {
  it('holds only codes that may be sent, each under a name of its own', () => {
    for (const code of Object.keys(CLOSE_CODES).map(Number)) {
      expect([1004, 1005, 1006, 1015]).not.toContain(code);
      expect((code >= 1000 && code <= 1014) || (code >= 4000 && code <= 4999)).toBe(true);
    }
    const names = Object.values(CLOSE_CODES).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('says what to do after any close', () => {
    expect(verdictOf(1012)).toBe('resume');
    expect(verdictOf(1013)).toBe('retry');
    expect(verdictOf(4401)).toBe('refresh');
    expect(verdictOf(4409)).toBe('stop');
    expect(verdictOf(1006)).toBe('resume');
    expect(verdictOf(1005)).toBe('resume');
    expect(verdictOf(4499)).toBe('stop');
    expect(verdictOf(4000)).toBe('resume');
  });
});

describe('BellhopError and errorBody', () => {
  it('take what they do not say from the table', () => {
    const cause = new Error('below');
    const error = new BellhopError('unavailable', undefined, { cause, retryAfterMs: 250 });
    expect(error).toMatchObject({
      name: 'BellhopError',
      code: 'unavailable',
      retryable: true,
      retryAfterMs: 250,
      cause,
    });
    expect(error.message).toBe(ERRORS.unavailable.doc);
    expect('cause' in new BellhopError('internal')).toBe(false);
    expect(errorBody('not_found')).toEqual({
      error: { code: 'not_found', message: ERRORS.not_found.doc, retryable: false },
    });
    expect(errorBody('rate_limited', 'slower', 99.2)).toEqual({
      error: { code: 'rate_limited', message: 'slower', retryable: true, retryAfterMs: 100 },
    });
  });
});
