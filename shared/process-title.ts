/** What other users of the machine see of this process. Owns: hiding secrets that were given as flags. Does not know: what they are for.
 *  A command line is public; the environment is not, and is where secrets belong. */
import { OPTION_NAMES, specOf } from './config-options.ts';

/** Replaces the command line that `ps` shows where it holds a secret: from here on, not from the start of the process. */
export function hideSecrets(title: string, argv: readonly string[]): void {
  if (argv.some(isSecret)) process.title = title;
}

function isSecret(arg: string): boolean {
  const flag = /^--([a-z-]+)/.exec(arg)?.[1];
  return OPTION_NAMES.some((name) => {
    const { secret, alias } = specOf(name);
    return secret === true && (flag === name || (alias !== undefined && flag === alias));
  });
}
