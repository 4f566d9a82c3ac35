/** Numbers and times as people read them, and as they type them. Owns: these formats. Does not know: clocks. */
import { InvalidArgumentError } from '@commander-js/extra-typings';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: MINUTE, min: MINUTE, h: HOUR, d: DAY };

/** 1,234,567 */
export function count(value: number | undefined): string {
  return value === undefined ? '–' : value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

/** 1 room, 1,234 rooms */
export function many(value: number | undefined, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** 250 ms, 3.2 s, 5 min, 2 h, 4 d */
export function span(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return '–';
  const size = Math.abs(ms);
  if (size < 10) return `${Number(ms.toFixed(1))} ms`;
  if (size < SECOND) return `${Math.round(ms)} ms`;
  if (size < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (size < 2 * MINUTE) return `${Math.round(ms / SECOND)} s`;
  if (size < HOUR) return `${Math.round(ms / MINUTE)} min`;
  if (size < 2 * DAY) return `${Math.round(ms / HOUR)} h`;
  return `${Math.round(ms / DAY)} d`;
}

/** 3 min ago */
export function ago(at: number | undefined, now: number): string {
  return at === undefined ? '–' : `${span(Math.max(0, now - at))} ago`;
}

/** 14:03:07.250, in UTC as logs have it; with its date where that is not today's. */
export function timeOfDay(at: number | undefined, now: number): string {
  if (at === undefined || !Number.isFinite(at) || Math.abs(at) > 8.64e15) return '–';
  const iso = new Date(at).toISOString();
  return iso.slice(0, 10) === new Date(now).toISOString().slice(0, 10)
    ? iso.slice(11, 23)
    : iso.slice(0, 19).replace('T', ' ');
}

/** 1.5 MiB */
export function bytes(value: number | undefined): string {
  if (value === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let unit = 0;
  while (size >= 1_024 && unit < units.length - 1) {
    size /= 1_024;
    unit++;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** Reads a whole number from `min` to `max`. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** Reads a number above 0. */
export function rate(text: string): number {
  const value = Number(text);
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(text) || value <= 0) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

/** Reads `30s`, `5m`, `1h`, `250ms`; a bare number means seconds. */
export function duration(text: string): number {
  const [, digits = '', unit = 's'] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|min|m|h|d)?$/.exec(text) ?? [];
  if (digits === '') throw new InvalidArgumentError('It must be a time such as 30s, 5m or 1h.');
  const ms = Math.round(Number(digits) * (UNITS[unit] ?? SECOND));
  if (ms > 30 * DAY) throw new InvalidArgumentError('It must be 30 days at most.');
  return ms;
}
