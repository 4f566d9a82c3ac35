/** Exit codes of the command line. Owns: the one table; `--help` and docs/cli.md show it. Does not know: which command ends how. */

export const EXIT_CODES = {
  done: { code: 0, doc: 'Done; for doctor: nothing must change.' },
  failed: {
    code: 1,
    doc: 'It failed, the cluster refused it, a drain passed its deadline, or doctor found something that must change.',
  },
  wrong: {
    code: 2,
    doc: 'One sentence on stderr says what to change: an argument, a setting, the API token; or no router answers.',
  },
  dead: { code: 3, doc: 'A node that was declared dead (router, node and attend only).' },
  absent: { code: 4, doc: 'There is no such room, user or node, or nobody owns the room.' },
  interrupted: { code: 130, doc: 'Ctrl-C while waiting; what was begun in the cluster goes on.' },
} as const satisfies Record<string, { readonly code: number; readonly doc: string }>;

export type Ending = keyof typeof EXIT_CODES;

/** The same as Markdown. */
export function exitCodesTable(): string {
  const rows = Object.values(EXIT_CODES).map(({ code, doc }) => `| ${code} | ${doc} |`);
  return ['| code | meaning |', '|---|---|', ...rows, ''].join('\n');
}
