/** Every target, cheapest first, and the compiled files that they are to reach. */
import { readdirSync } from 'node:fs';
import { ClientTarget } from './client-target.ts';
import { CodecTarget } from './codec-target.ts';
import { ConnectionTarget } from './connection-target.ts';
import { NodeTarget } from './node-target.ts';
import { RouterTarget } from './router-target.ts';
import type { Target } from './target.ts';
import { TextTarget } from './text-target.ts';

const MAKERS: readonly (() => Target)[] = [
  () => new TextTarget(),
  () => new CodecTarget(),
  () => new ConnectionTarget(),
  () => new ClientTarget(),
  () => new NodeTarget(),
  () => new RouterTarget(),
];

/** Parts of `text`, each for itself where it is named: a long run of one is not spent on the others. */
const PARTS: readonly (() => Target)[] = [
  () => new TextTarget('rooms', 'r'),
  () => new TextTarget('cursors', 'cu'),
  () => new TextTarget('tokens', 'tj'),
  () => new TextTarget('messages', 'm'),
];

/** @param only  names; all where it is empty, but for parts of another */
export function makeTargets(only: readonly string[]): Target[] {
  if (only.length === 0) return MAKERS.map((make) => make());
  return [...MAKERS, ...PARTS].map((make) => make()).filter(({ name }) => only.includes(name));
}

/** Files of which branches are counted. `goal`: the codec and both ends of the link. */
export function watchedFiles(): { readonly url: string; readonly isGoal: boolean }[] {
  const link = new URL('../../shared/link/', import.meta.url);
  const codec = readdirSync(link)
    .filter((name) => name.endsWith('.js') && !/(-vectors|-fixture|\.test)\.js$/.test(name))
    .map((name) => new URL(name, link));
  const ends = ['node/link-edge.js', 'router/link-edge.js'];
  const beside = [
    'node/links.js',
    'node/handover.js',
    'router/clients.js',
    'router/compression/inflation.js',
    'router/compression/packing.js',
    'router/fan-out.js',
    'router/upgrade.js',
    'router/authenticate.js',
    'router/http-answer.js',
    'router/http-api.js',
    'router/request-form.js',
    'shared/ids.js',
    'shared/token.js',
    'shared/protocol-decode.js',
    'shared/json-scan.js',
  ];
  const at = (path: string) => new URL(`../../${path}`, import.meta.url);
  return [
    ...[...codec, ...ends.map(at)].map(({ href }) => ({ url: href, isGoal: true })),
    ...beside.map(at).map(({ href }) => ({ url: href, isGoal: false })),
  ];
}
