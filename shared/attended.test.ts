import { describe, expect, it } from 'vitest';
import { addressOf, attendedProgram, isAttendedProgram, isService, targetTemplate } from './attended.ts';

describe('a target', () => {
  it.each([
    ['ws://127.0.0.1:1234', 'ws://127.0.0.1:1234/{room}'],
    ['ws://127.0.0.1:1234/', 'ws://127.0.0.1:1234/{room}'],
    ['ws://y.local/app/', 'ws://y.local/app/{room}'],
    ['ws://[::1]:90/a?doc={room}', 'ws://[::1]:90/a?doc={room}'],
    ['ws://y.local/{room}/sync', 'ws://y.local/{room}/sync'],
  ])('%s is in full %s', (given, template) => expect(targetTemplate(given)).toBe(template));

  it.each([
    'http://y.local',
    'wss://y.local',
    'ws://',
    'ws://user:pass@y.local',
    'ws://y.local/#a',
    'ws://y.local/a b',
    'ws://y.local/\r\nX: 1',
    'ws://y.local/{other}',
    'ws://y.local/a?b=1',
    'ws://y.local:99999/',
  ])('%s is none', (given) => expect(() => targetTemplate(given)).toThrow(RangeError));

  it.each([
    ['ws://y.local:90/{room}', 'a:b@c~1', '', { host: 'y.local', port: 90, path: '/a:b@c~1' }],
    ['ws://y.local/{room}', 'a', 'x=1', { host: 'y.local', port: 80, path: '/a?x=1' }],
    ['ws://[::1]/s?doc={room}', 'a', 'x=1', { host: '::1', port: 80, path: '/s?doc=a&x=1' }],
    ['ws://y.local/{room}/{room}', 'a', '', { host: 'y.local', port: 80, path: '/a/a' }],
  ])('%s leads room %s to its place', (template, room, query, address) => {
    expect(addressOf(template, room, query)).toEqual(address);
  });

  it('that a record names and that is none leads nowhere', () => {
    expect(() => addressOf('http://y.local/{room}', 'a', '')).toThrow(RangeError);
    expect(() => addressOf('ws://y.local/{room}', 'a', 'x=\r\n')).toThrow(RangeError);
    expect(() => addressOf('nonsense', 'a', '')).toThrow();
  });
});

describe('a program', () => {
  it('says by its name that its rooms are attended', () => {
    expect(isAttendedProgram(attendedProgram('yjs'))).toBe(true);
    expect(isAttendedProgram('chat')).toBe(false);
    expect([isService('yjs.v1'), isService(''), isService('a b'), isService('-a')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
