import { describe, expect, it } from 'vitest';
import { createLogger, type LoggerOptions, oneLine } from './log.ts';

function logged(format: 'json' | 'text', options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({
    role: 'node',
    id: 'n1',
    level: 'info',
    format,
    write: (line) => lines.push(line),
    ...options,
  });
  return { log, lines };
}

const EVIL = 'x\r\n{"level":"error","event":"forged"}\u001b[2K\u009b1A\u0085\u2028\u202e\u0000';

describe('createLogger', () => {
  it('writes one JSON object a line', () => {
    const { log, lines } = logged('json');
    log.info('claimed', { room: 'lobby', epoch: 7 });
    const [line = ''] = lines;
    expect(line.endsWith('\n')).toBe(true);
    const fields = {
      level: 'info',
      role: 'node',
      id: 'n1',
      event: 'claimed',
      room: 'lobby',
      epoch: 7,
      pid: process.pid,
    };
    expect(JSON.parse(line)).toMatchObject(fields);
    expect(JSON.parse(line).time).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it('writes nothing below its level', () => {
    const { log, lines } = logged('json', { level: 'warn' });
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(['c', 'd']);
  });

  it.each(['json', 'text'] as const)('60 cannot be made to write a second line or an escape (%s)', (format) => {
    const { log, lines } = logged(format);
    log.warn(EVIL, { [EVIL]: EVIL, nested: { deep: [EVIL] }, error: new Error(EVIL) });
    expect(lines).toHaveLength(1);
    const [line = ''] = lines;
    expect([...line].filter((char) => /\p{Cc}|\p{Zl}|\p{Zp}|\p{Bidi_C}/u.test(char))).toEqual(['\n']);
    expect(line.endsWith('\n')).toBe(true);
    if (format === 'json')
      expect(JSON.parse(line)).toMatchObject({ level: 'warn', event: EVIL, nested: { deep: [EVIL] } });
  });

  it('60 nor can a sentence that is written beside it', () => {
    const said = oneLine(`${EVIL} "quoted" C:\\path é`);
    expect(/\p{Cc}|\p{Zl}|\p{Zp}|\p{Bidi_C}/u.test(said)).toBe(false);
    expect(said.endsWith('"quoted" C:\\path é')).toBe(true);
  });

  it('keeps a field from passing for one of its own', () => {
    const { log, lines } = logged('json');
    log.info('said', { level: 'error', pid: 1, event: 'other' });
    const [line = ''] = lines;
    expect(JSON.parse(line)).toMatchObject({ level: 'info', event: 'said', level_: 'error', pid_: 1, event_: 'other' });
    expect(line.match(/"level":/g)).toHaveLength(1);
  });

  it('tells what an error was and what caused it', () => {
    const { log, lines } = logged('json');
    const cause = new Error('ECONNREFUSED');
    log.error('failed', { error: Object.assign(new Error('no Redis', { cause }), { code: 'unavailable' }) });
    const expected = { message: 'no Redis', code: 'unavailable', cause: 'Error: ECONNREFUSED' };
    expect(JSON.parse(lines[0] ?? '').error).toMatchObject(expected);
  });

  it('writes text for people', () => {
    const { log, lines } = logged('text');
    log.warn('redis away', { reason: 'timed out', tries: 3 });
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d WARN {2}redis away reason="timed out" tries=3\n$/);
  });

  it('survives a field that cannot be written', () => {
    const { log, lines } = logged('json');
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    log.info('odd', { circle, big: 1n });
    log.info('after');
    expect(lines.map((line) => JSON.parse(line).event)).toContain('after');
  });
});
