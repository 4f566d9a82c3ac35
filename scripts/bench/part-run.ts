/** Runs a part by its name. Owns: what each part takes from the command line, and how long it is by default. */
import { GOALS_OF_ALL, PART_IDS, type PartId, type PartResult, type PartTools } from './part.ts';
import { measureDurable } from './parts/durable.ts';
import { measureMembers } from './parts/members.ts';
import { measurePlacement } from './parts/placement.ts';
import { measureScale } from './parts/scale.ts';
import { measureSecurity } from './parts/security.ts';
import { measureStalled } from './parts/stalled.ts';
import { measureUnread } from './parts/unread.ts';
import type { Missing, Tool } from './tools.ts';

/** What the command line gives; undefined where a part's own default counts. */
export interface PartOptions {
  readonly rounds: number | undefined;
  readonly seconds: number | undefined;
  readonly clients: number | undefined;
  readonly nodes: number | undefined;
  readonly routers: number | undefined;
  readonly rooms: number | undefined;
}

export const PART_DEFAULTS: PartOptions = {
  ...{ rounds: undefined, seconds: undefined, clients: undefined },
  ...{ nodes: undefined, routers: undefined, rooms: undefined },
};

/** Parts of the whole bench, with goals of their own; the others are run by their names. */
export const PARTS_OF_ALL = PART_IDS.filter((part) => part in GOALS_OF_ALL);

export function isPart(text: string): text is PartId {
  return (PART_IDS as readonly string[]).includes(text);
}

/** @throws Error when it fails, or needs the compiled generator and there is none */
export async function runPart(part: PartId, generator: Tool | Missing, options: PartOptions): Promise<PartResult> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  if (part === 'placement') return measurePlacement(options.nodes ?? 1_000, options.rooms ?? 1_000_000, say);
  if ('missing' in generator) throw new Error(`the compiled load generator is needed: ${generator.missing}`);
  const tools: PartTools = { generator, say };
  switch (part) {
    case 'members':
      return await measureMembers(tools, options.rounds ?? 3, options.seconds ?? 12);
    case 'stalled':
      return await measureStalled(tools, options.rounds ?? 3, options.seconds ?? 20);
    case 'durable':
      return await measureDurable(tools, options.rounds ?? 3, options.seconds ?? 8);
    case 'unread':
      return await measureUnread(tools, options.seconds ?? 60);
    case 'security':
      return await measureSecurity(tools, options.rounds ?? 5, options.seconds ?? 8);
    case 'scale':
      return await measureScale(tools, {
        clients: options.clients ?? 100_000,
        nodes: options.nodes ?? 3,
        routers: options.routers,
      });
  }
  return part satisfies never;
}
