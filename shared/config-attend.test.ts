import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './config.ts';

const load = (...argv: string[]) => loadConfig('node', argv, {});

describe('the settings of an attendant', () => {
  it('follow from a target', () => {
    const { attends, programs } = load('--target', 'ws://127.0.0.1:1234', '--rooms', 'y-*', '--rooms', 'doc:*');
    expect(programs).toEqual([]);
    expect(attends).toEqual({
      target: 'ws://127.0.0.1:1234/{room}',
      service: 'default',
      rooms: ['y-*', 'doc:*'],
      health: { kind: 'tcp', host: '127.0.0.1', port: 1_234 },
    });
    const url = 'http://127.0.0.1:1234/health';
    expect(load('--target', 'ws://y', '--health', url).attends).toMatchObject({ health: { kind: 'http', url } });
    expect(load('--target', 'ws://y').attends?.rooms).toEqual(['*']);
    expect(load().attends).toBeUndefined();
  });

  it.each([
    [['--target', 'http://y'], '--target: "http://y" is not ws://host:port/path.'],
    [['--target', 'ws://y', '--program', 'chat'], 'A node has either --program or --target, not both.'],
    [['--target', 'ws://y', '--health', 'https://y'], '--health must be tcp or an http:// URL.'],
    [['--target', 'ws://y', '--service', 'a b'], '--service must be 1–64 of A–Z a–z 0–9 . _ -.'],
    [['--target', 'ws://y', '--rooms', 'a b'], '--rooms "a b" is not a pattern of room ids.'],
  ])('%s are refused in one sentence', (argv, sentence) => {
    expect(() => load(...argv)).toThrow(new ConfigError(sentence));
  });
});
