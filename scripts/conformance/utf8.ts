/** UTF-8 in text messages: what is well-formed arrives as it was said, everything else ends the connection with 1007, however it is
 *  cut into fragments. Owns: the table.
 *  @see RFC 6455 §8.1; The Unicode Standard, table 3-7 */
import type { Case, Category } from './cases.ts';
import { SAID_AT, say, sayInFragments, saying } from './frame.ts';

/** Edges of every length, and of the gaps between. */
const RIGHT: Readonly<Record<string, string>> = {
  'plain ASCII': 'Hello',
  DEL: '\u007f',
  'first of two bytes': '\u0080',
  'last of two bytes': '\u07ff',
  'first of three bytes': '\u0800',
  'last before the surrogates': '\ud7ff',
  'first after the surrogates': '\ue000',
  'replacement character': '\ufffd',
  'noncharacter U+FFFE': '\ufffe',
  'noncharacter U+FFFF': '\uffff',
  'noncharacter U+FDD0': '\ufdd0',
  'byte order mark in the middle': 'a\ufeffb',
  'first of four bytes': '\u{10000}',
  'noncharacter U+1FFFF': '\u{1ffff}',
  'U+3FFFF': '\u{3ffff}',
  'U+40000': '\u{40000}',
  'U+FFFFF': '\u{fffff}',
  'U+100000': '\u{100000}',
  'last of all': '\u{10ffff}',
  Greek: 'κόσμε',
  Cyrillic: 'Привет, мир',
  Arabic: 'مرحبا',
  Hebrew: 'שלום',
  Devanagari: 'नमस्ते',
  Thai: 'สวัสดี',
  Chinese: '你好,世界',
  Japanese: 'こんにちは',
  Korean: '안녕하세요',
  'combining marks': 'Ǎ̊ñ',
  'an emoji': '😀',
  'a family joined by ZWJ': '👨‍👩‍👧‍👦',
  'a flag': '🇪🇺',
  'line and paragraph separators': '\u2028\u2029',
  'right-to-left override': '\u202e',
  'all lengths in a row': 'a\u00e9\u20ac\u{1f600}a',
};

/** Bytes in hex. */
const WRONG: Readonly<Record<string, string>> = {
  'a continuation byte alone': '80',
  'the last continuation byte alone': 'bf',
  'two continuation bytes': '80bf',
  'three continuation bytes': '80bf80',
  'six continuation bytes': '80bf80bf80bf',
  'C0 alone': 'c0',
  'C1 alone': 'c1',
  'F5 alone': 'f5',
  'F8 alone': 'f8',
  'FC alone': 'fc',
  'FE alone': 'fe',
  'FF alone': 'ff',
  'FE FE FF FF': 'fefeffff',
  'two bytes, the second missing': 'c3',
  'two bytes, the second is ASCII': 'c341',
  'two bytes, the second is a leading byte': 'c3c3',
  'DF without its second': 'df',
  'three bytes, one there': 'e2',
  'three bytes, two there': 'e282',
  'three bytes, the third is ASCII': 'e28241',
  'three bytes, the second is ASCII': 'e241ac',
  'EF BF without the third': 'efbf',
  'four bytes, one there': 'f0',
  'four bytes, two there': 'f09f',
  'four bytes, three there': 'f09f98',
  'four bytes, the fourth is ASCII': 'f09f9841',
  'four bytes, the third is ASCII': 'f09f4180',
  'four bytes, the second is ASCII': 'f0419880',
  'five bytes': 'f888808080',
  'six bytes': 'fc8480808080',
  'the largest of five bytes': 'fbbfbfbfbf',
  'the largest of six bytes': 'fdbfbfbfbfbf',
  'overlong slash in two bytes': 'c0af',
  'overlong slash in three bytes': 'e080af',
  'overlong slash in four bytes': 'f08080af',
  'overlong slash in five bytes': 'f8808080af',
  'overlong slash in six bytes': 'fc80808080af',
  'overlong NUL in two bytes': 'c080',
  'overlong NUL in three bytes': 'e08080',
  'overlong NUL in four bytes': 'f0808080',
  'overlong U+007F': 'c1bf',
  'overlong U+07FF': 'e09fbf',
  'overlong U+FFFF': 'f08fbfbf',
  'high surrogate U+D800': 'eda080',
  'high surrogate U+DB7F': 'edadbf',
  'high surrogate U+DB80': 'edae80',
  'high surrogate U+DBFF': 'edafbf',
  'low surrogate U+DC00': 'edb080',
  'low surrogate U+DF80': 'edbe80',
  'low surrogate U+DFFF': 'edbfbf',
  'a pair D800 DC00': 'eda080edb080',
  'a pair D800 DFFF': 'eda080edbfbf',
  'a pair DB7F DC00': 'edadbfedb080',
  'a pair DBFF DFFF': 'edafbfedbfbf',
  'above the last: U+110000': 'f4908080',
  'above the last: U+13FFFF': 'f48fbfbff4bfbfbf',
  'F5 80 80 80': 'f5808080',
  'F7 BF BF BF': 'f7bfbfbf',
  'right text with one wrong byte in it': 'cebae1bdb9cf83ce80ff',
  'right text, then a surrogate, then right text': 'cebae1bdb9cf83ceaceda080656469746564',
};

const whole = Object.entries(RIGHT).map(
  ([name, text]): Case => ({ name, send: [say(text)], expect: { said: [text] } }),
);

const wrong = Object.entries(WRONG).map(
  ([name, hex]): Case => ({ name, send: [say(Buffer.from(hex, 'hex'))], expect: { closed: 1007 } }),
);

/** Cut at every byte of what is said, so that characters lie across fragments. */
const cut = ['all lengths in a row', 'Greek', 'an emoji', 'last of all'].map((name): Case => {
  const text = RIGHT[name] ?? '';
  const cuts = Array.from({ length: Buffer.byteLength(text) + 1 }, (_, i) => SAID_AT + i);
  return { name: `${name}, a fragment a byte`, send: sayInFragments(text, cuts), expect: { said: [text] } };
});

const cutWrong = ['f09f98', 'eda080', 'c0af', 'f4908080', 'e282', '80'].map((hex): Case => {
  const said = Buffer.from(hex, 'hex');
  const cuts = Array.from({ length: said.length + 1 }, (_, i) => SAID_AT + i);
  return { name: `${hex}, a fragment a byte`, send: sayInFragments(said, cuts), expect: { closed: 1007 } };
});

const acrossFragments: Case = {
  name: 'a character that the next message would have completed',
  send: [say(Buffer.from('f09f', 'hex')), say(Buffer.from('9880', 'hex'))],
  expect: { closed: 1007 },
};

const beforeTheText: Case = {
  name: 'a wrong byte before the first brace',
  send: [Buffer.from([0x81, 0x80 | 1, 0, 0, 0, 0, 0xff])],
  expect: { closed: 1007 },
};

const atTheEnd: Case = {
  name: 'half a character after the last brace',
  send: sayInFragments('x', [saying('x').length])
    .slice(0, 1)
    .concat(Buffer.from([0x80, 0x80 | 1, 0, 0, 0, 0, 0xc3])),
  expect: { closed: 1007 },
};

export const UTF8: Category = {
  name: 'UTF-8',
  cases: [...whole, ...wrong, ...cut, ...cutWrong, acrossFragments, beforeTheText, atTheEnd],
};
