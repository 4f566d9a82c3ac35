/** The table of options as text. Owns: `--help` and the table in the docs. Does not know: what was given. */

import { envNameOf, OPTION_NAMES, type OptionName, optionsOf, specOf } from './config-options.ts';
import { defaultOf } from './config-parse.ts';
import type { Role } from './option-spec.ts';

const HELP_WIDTH = 100;

/** Lines between which a page holds the table. */
export const TABLE_BEGIN = '<!-- options: made by npm run config-table -->';
export const TABLE_END = '<!-- end of options -->';

/** The options of a role, one paragraph each, for a terminal. */
export function optionsHelp(role: Role): string {
  const paragraphs = optionsOf(role)
    .filter(isPublic)
    .map((name) => {
      const value = defaultText(name, role);
      const doc = wrapped(specOf(name).doc.replaceAll('`', ''), HELP_WIDTH - 6).map((line) => `      ${line}`);
      const head = [`  ${flagText(name)}`, `[${envNameOf(name)}]`, ...(value === '' ? [] : [`(default ${value})`])];
      return [head.join('  '), ...doc].join('\n');
    });
  return `${paragraphs.join('\n')}\n`;
}

/** All options as a Markdown table. */
export function configTable(): string {
  const rows = OPTION_NAMES.filter(isPublic).map((name) => {
    const { roles, doc, startDefault } = specOf(name);
    const value = code(defaultText(name, 'node'));
    const under = startDefault === undefined ? '' : ` (\`npm start\`: ${code(defaultText(name, 'start'))})`;
    const cells = [`\`${flagText(name)}\`<br>\`${envNameOf(name)}\``, roles.join(', '), `${value}${under}`, doc];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| option | of | default | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** `page` with the present table between its markers; undefined where it has no markers. */
export function withConfigTable(page: string): string | undefined {
  const begin = page.indexOf(TABLE_BEGIN);
  const end = page.indexOf(TABLE_END);
  if (begin < 0 || end < begin) return undefined;
  return `${page.slice(0, begin + TABLE_BEGIN.length)}\n${configTable()}${page.slice(end)}`;
}

function isPublic(name: OptionName): boolean {
  return specOf(name).internal !== true;
}

function flagText(name: OptionName): string {
  const { type, choices } = specOf(name);
  if (type === 'boolean') return `--${name}`;
  const what = { string: 'text', integer: 'n', number: 'x', list: 'item,…', duration: 'ms' }[type];
  return `--${name} <${choices === undefined ? what : choices.join(type === 'list' ? ',' : '|')}>`;
}

function defaultText(name: OptionName, role: Role): string {
  const value = defaultOf(specOf(name), role);
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.join(',');
  return String(value);
}

function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
