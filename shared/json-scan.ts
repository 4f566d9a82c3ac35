/** One pass over a JSON text before it is parsed. Owns: what JSON allows and Bellhop does not (deep nesting, numbers that
 *  overflow, halves of surrogate pairs), how many keys the outermost object is written with, and where the text of its field `data`
 *  lies.
 *  Does not know: whether the text is JSON at all; JSON.parse judges that afterwards, and only then the range means anything.
 *  Invariant: constant stack and memory, linear time, whatever the text. */

export type ScanFault = 'deep' | 'overflow' | 'surrogate';

export interface JsonScan {
  /** `deep` where the text is that, and the scan ended there; otherwise the first fault found. */
  readonly fault: ScanFault | undefined;
  /** Where the value of the last top-level `data` begins and ends (blanks around it included); equal when there is none or when
   *  a key written with escapes makes it uncertain. */
  readonly dataStart: number;
  readonly dataEnd: number;
  /** Keys of the outermost object as they are written. Parsed it has as many, unless one of them occurs twice. */
  readonly keys: number;
}

/** Whether a key occurs twice in what `text` was parsed to, however it is written; not within the values.
 *  @param scan  of the same text, which is an object's */
export function hasRepeatedKey(scan: JsonScan, value: object): boolean {
  return Object.keys(value).length !== scan.keys;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const LOWER_U = 0x75;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** A number of fewer characters and without an exponent is below 1e300, so it is finite. */
const PLAIN_NUMBER_CHARS_MAX = 300;

/** Scans `text`, refusing more than `depthMax` arrays and objects within each other. */
export function scanJson(text: string, depthMax: number): JsonScan {
  let fault: ScanFault | undefined = isWellFormed(text) ? undefined : 'surrogate';
  const length = text.length;
  let depth = 0;
  let keyNext = false;
  let escapedKey = false;
  let keys = 0;
  let inData = false;
  let valueStart = 0;
  let dataStart = 0;
  let dataEnd = 0;
  // Where the next backslash is: most strings have none and are skipped as fast as their quote is found.
  let backslash = indexOrEnd(text, '\\', 0);
  let i = 0;
  while (i < length) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      const start = i + 1;
      if (backslash < start) backslash = indexOrEnd(text, '\\', start);
      let end = indexOrEnd(text, '"', start);
      const escaped = backslash < end;
      if (escaped) {
        end = endOfEscapedString(text, backslash);
        if (end < 0) {
          fault ??= 'surrogate';
          end = ~end;
        }
      }
      if (depth === 1 && keyNext) {
        keyNext = false;
        keys++;
        inData = end - start === 4 && text.startsWith('data', start);
        if (escaped) escapedKey = true;
      }
      i = end + 1;
    } else if (c >= DIGIT_0 && c <= DIGIT_9) {
      const start = i;
      let exponent = false;
      for (i++; i < length; i++) {
        const d = text.charCodeAt(i);
        if (d >= DIGIT_0 && d <= DIGIT_9) continue;
        if (d === 0x65 || d === 0x45) exponent = true;
        else if (d !== 0x2e && d !== 0x2b && d !== 0x2d) break;
      }
      if ((exponent || i - start > PLAIN_NUMBER_CHARS_MAX) && Math.abs(Number(text.slice(start, i))) === Infinity) {
        fault ??= 'overflow';
      }
    } else {
      if (c === BRACE_OPEN || c === BRACKET_OPEN) {
        depth++;
        if (depth > depthMax) return { fault: 'deep', dataStart: 0, dataEnd: 0, keys };
        if (depth === 1) keyNext = true;
      } else if (c === BRACE_CLOSE || c === BRACKET_CLOSE) {
        if (depth === 1 && inData) {
          dataStart = valueStart;
          dataEnd = i;
          inData = false;
        }
        depth--;
      } else if (depth === 1 && c === COLON) {
        valueStart = i + 1;
      } else if (depth === 1 && c === COMMA) {
        if (inData) {
          dataStart = valueStart;
          dataEnd = i;
          inData = false;
        }
        keyNext = true;
      }
      i++;
    }
  }
  return escapedKey ? { fault, dataStart: 0, dataEnd: 0, keys } : { fault, dataStart, dataEnd, keys };
}

function indexOrEnd(text: string, wanted: string, from: number): number {
  const index = text.indexOf(wanted, from);
  return index < 0 ? text.length : index;
}

/** Index of the quote that ends the string in which a backslash stands at `from` (the text's length if none does); its
 *  complement `~index`, which is negative, if an escape of half a surrogate pair stands in the string. */
function endOfEscapedString(text: string, from: number): number {
  const length = text.length;
  let halved = false;
  let i = from;
  while (i < length) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) break;
    if (c !== BACKSLASH) {
      i++;
    } else if (text.charCodeAt(i + 1) !== LOWER_U) {
      i += 2;
    } else {
      const unit = escapedUnit(text, i);
      const paired = isHigh(unit) && isLow(escapedUnit(text, i + 6));
      if (!paired && (isHigh(unit) || isLow(unit))) halved = true;
      // An escape cut short may hold the quote that ends the string; JSON.parse refuses it wherever the scan goes on.
      i += paired ? 12 : 6;
    }
  }
  const end = Math.min(i, length);
  return halved ? ~end : end;
}

/** String.prototype.isWellFormed: in V8 since Node 20, in TypeScript's library only since es2024. */
function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

/** The UTF-16 unit that `\uXXXX` at `at` stands for, or NaN if none stands there. */
function escapedUnit(text: string, at: number): number {
  if (text.charCodeAt(at) !== BACKSLASH || text.charCodeAt(at + 1) !== LOWER_U) return Number.NaN;
  const hex = text.slice(at + 2, at + 6);
  return /^[0-9a-fA-F]{4}$/.test(hex) ? Number.parseInt(hex, 16) : Number.NaN;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
