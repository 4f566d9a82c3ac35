/** Which program a room's name calls for. Owns: loading a user's module and what this node lists. Does not know: rooms. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { attendedProgram } from '../shared/attended.ts';
import { ConfigError } from '../shared/config-parse.ts';
import { listingFor } from '../shared/programs.ts';
import type { ProgramFactory } from './program.ts';
import { ScopedProgram } from './program-scope.ts';
import { chat } from './programs/chat.ts';

export interface ProgramOffer {
  readonly pattern: string;
  readonly name: string;
  readonly make: ProgramFactory;
}

/** Loads the modules named, each of whose default export is a ProgramFactory. A room that no pattern matches is a chat.
 *  @param wanted  module path (relative to the working folder) and room pattern, the most specific match wins
 *  @throws ConfigError that names the module when there is none, or when it exports no factory; what the module itself throws */
export async function loadPrograms(
  wanted: readonly { readonly path: string; readonly pattern: string }[],
): Promise<ProgramOffer[]> {
  const offers: ProgramOffer[] = [];
  for (const { path, pattern } of wanted) {
    if (path === 'chat') {
      offers.push({ pattern, name: 'chat', make: chat });
      continue;
    }
    const file = resolve(path);
    if (!existsSync(file)) throw new ConfigError(`--program: there is no file ${file}.`);
    const module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
    if (typeof module.default !== 'function') {
      throw new ConfigError(`--program: ${file} has no default export that makes a program.`);
    }
    const name = path.replace(/^.*\//, '').replace(/\.[^.]*$/, '');
    const make = module.default as ProgramFactory;
    // Programs of this package start nothing that could throw by itself, and need no scope.
    offers.push({ pattern, name, make: (room, state) => new ScopedProgram(make, room, state) });
  }
  if (!offers.some((offer) => offer.pattern === '*')) offers.push({ pattern: '*', name: 'chat', make: chat });
  return offers;
}

/** What an attendant offers: rooms that are kept, and whose program says nothing, since it runs elsewhere. */
export function attendedOffers(service: string, patterns: readonly string[]): ProgramOffer[] {
  const name = attendedProgram(service);
  return patterns.map((pattern) => ({ pattern, name, make: () => ({}) }));
}

export function programFor(offers: readonly ProgramOffer[], room: string): ProgramOffer | undefined {
  const chosen = listingFor(
    offers.map((offer) => ({ pattern: offer.pattern, program: offer.name, offer })),
    room,
  );
  return chosen?.offer;
}
