/** Log lines: one for each change of state, on stderr. Owns: their form. Does not know: what is worth a line.
 *  Invariant: one call is one line, whatever the fields hold: line breaks, control characters and terminal escapes from clients
 *  or the network are written as `\uXXXX`, in both formats, so that none can forge a line or move a cursor. */
import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino';

export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface LoggerOptions {
  readonly role: string;
  readonly id: string;
  readonly level: LogLevel;
  /** Default `json`. */
  readonly format?: 'json' | 'text' | undefined;
  /** Where finished lines go; default stderr, written at once so that the last words of a crash are not lost. */
  readonly write?: ((line: string) => void) | undefined;
}

/** What every line has; a field of the same name is written with an underscore behind it. */
const RESERVED = new Set(['level', 'time', 'pid', 'role', 'id', 'event']);
/** Controls, line separators and marks that turn the direction of text: JSON leaves them as they are, terminals do not. */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Makes a process' logger. A line never throws: what cannot be written is dropped. */
export function createLogger(options: LoggerOptions): Logger {
  const { role, id, level, format = 'json' } = options;
  const write = options.write ?? stderrWriter();
  const stream: DestinationStream = {
    write: (json) => write(format === 'json' ? escaped(json) : `${asText(json)}\n`),
  };
  const logger = pino(
    {
      level,
      base: { pid: process.pid, role, id },
      messageKey: 'event',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  const at = (name: LogLevel) => (event: string, fields?: LogFields) => logger[name](safeFields(fields), event);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function stderrWriter(): (line: string) => void {
  const stderr = destination({ fd: 2, sync: true });
  // A closed or full stderr must not end the process.
  stderr.on('error', () => undefined);
  return (line) => void stderr.write(line);
}

function safeFields(fields: LogFields | undefined): Record<string, unknown> {
  if (fields === undefined) return {};
  const entries = Object.entries(fields).map(([name, value]): [string, unknown] => [
    RESERVED.has(name) ? `${name}_` : name,
    value instanceof Error ? describeError(value) : value,
  ]);
  return Object.fromEntries(entries);
}

function describeError(error: Error): Record<string, unknown> {
  const { name, message, stack } = error;
  const cause = error.cause instanceof Error ? { cause: `${error.cause.name}: ${error.cause.message}` } : {};
  return { name, message, ...('code' in error ? { code: error.code } : {}), ...cause, stack };
}

function escaped(text: string): string {
  return text.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A sentence that is written as it is and not logged, e.g. why a process may not start: what others had a part in must not write a
 *  second line or an escape there either. */
export function oneLine(sentence: string): string {
  return escaped(JSON.stringify(sentence).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\'));
}

/** `12:00:01 WARN redis away reason="…" node="n1"` */
function asText(json: string): string {
  const { level, time, pid: _pid, role: _role, id: _id, event, ...fields }: Record<string, unknown> = JSON.parse(json);
  const words = Object.entries(fields).map(([name, value]) => `${plain(name)}=${JSON.stringify(value)}`);
  const clock = String(time).slice(11, 19);
  return escaped([clock, String(level).toUpperCase().padEnd(5), plain(String(event)), ...words].join(' '));
}

/** Without quotes where nothing in it needs them. */
function plain(text: string): string {
  const quoted = JSON.stringify(text);
  return quoted === `"${text}"` ? text : quoted;
}
