import { expect, it } from 'vitest';
import { ScriptedDirectory } from '../shared/testing/scripted-directory.ts';
import { Standings } from './standings.ts';

const lives = { runId: 'run', gen: 'gen', standing: 'living' } as const;
const dead = { runId: 'run', gen: 'gen', standing: 'certified' } as const;

it('asks once for all who want to know at the same time, and anew for whoever comes later', () => {
  const directory = new ScriptedDirectory();
  const standings = new Standings(directory.call);
  const heard: string[] = [];
  const ask = (incarnation: string, who: string) =>
    standings.ask({ node: 'n', incarnation }, (answer) =>
      heard.push(`${who} ${answer instanceof Error ? 'fault' : answer.standing}`),
    );
  ask('a', 'one');
  ask('a', 'two');
  ask('b', 'three');
  expect(directory.waiting).toEqual(['standing', 'standing']);
  directory.answer('standing', lives);
  directory.answer('standing', dead);
  expect(heard).toEqual(['one living', 'two living', 'three certified']);
  ask('a', 'four');
  directory.take('standing').fail();
  expect(heard.at(-1)).toBe('four fault');
  expect(directory.waiting).toEqual([]);
});
