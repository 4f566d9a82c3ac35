/** The Lua scripts. Owns: reading them from the files beside this module, their includes, and the SHA-1 that Redis knows each by.
 *  Does not know: connections. `--@include name` stands for the file lua/lib/name.lua, so that what two scripts share is
 *  written once; the files are read once, when first asked for. Redis makes a script's functions anew each time it runs: a script that runs
 *  often includes what it seldom needs where it needs it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface Script {
  readonly name: string;
  readonly source: string;
  /** What EVALSHA names it by. */
  readonly sha: string;
}

/** What is put before a script that a Redis beyond its `maxmemory` is to run all the same. Redis 7 and later read it; for those before,
 *  it is no Lua. @see Redis, "Lua API": script flags */
const EVEN_IF_FULL = '#!lua flags=allow-oom\n';

const loaded = new Map<string, Script>();
const tolerant = new Map<string, Script>();

/** Loads `lua/<name>.lua`.
 *  @throws Error if the file or one of its includes is missing: a broken installation */
export function loadScript(name: string): Script {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const source = read(name).replace(/^ *--@include ([a-z-]+)$/gm, (_line, part: string) => read(`lib/${part}`));
  const script = scriptOf(name, source);
  loaded.set(name, script);
  return script;
}

/** The same script for a Redis that may be full. */
export function evenIfFull({ name, source }: Script): Script {
  const known = tolerant.get(name);
  if (known !== undefined) return known;
  const script = scriptOf(name, EVEN_IF_FULL + source);
  tolerant.set(name, script);
  return script;
}

function scriptOf(name: string, source: string): Script {
  return { name, source, sha: createHash('sha1').update(source).digest('hex') };
}

function read(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8').trimEnd();
}
