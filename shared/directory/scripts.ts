/** The Lua scripts. Owns: reading them from the files beside this module, their includes, and the SHA-1 that Redis knows each by.
 *  Does not know: connections. `--@include name` stands for the file lua/lib/name.lua, so that what two scripts share is
 *  written once; the files are read once, when first asked for. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface Script {
  readonly name: string;
  readonly source: string;
  /** What EVALSHA names it by. */
  readonly sha: string;
}

const loaded = new Map<string, Script>();

/** Loads `lua/<name>.lua`.
 *  @throws Error if the file or one of its includes is missing: a broken installation */
export function loadScript(name: string): Script {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const source = read(name).replace(/^--@include ([a-z-]+)$/gm, (_line, part: string) => read(`lib/${part}`));
  const script = { name, source, sha: createHash('sha1').update(source).digest('hex') };
  loaded.set(name, script);
  return script;
}

function read(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8').trimEnd();
}
