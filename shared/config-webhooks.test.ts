import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './config.ts';

const SECRET = 'a-secret-of-sixteen';
const load = (...flags: string[]) => loadConfig('node', flags, {});

describe('webhooks', () => {
  it('are off unless a receiver is named', () => {
    expect(load().webhookUrl).toEqual([]);
    expect(load('--webhook-secret', SECRET).webhookUrl).toEqual([]);
  });

  it('take several receivers, two secrets, and what is to be told', () => {
    const config = load(
      ...['--webhook-url', 'https://a.example/h', '--webhook-url', 'http://127.0.0.1:9/h'],
      ...['--webhook-secret', `${SECRET},${SECRET}-2`, '--webhook-events', 'room.occupied,room.vacated'],
      ...['--webhook-rooms', 'game:*'],
    );
    expect(config.webhookUrl).toEqual(['https://a.example/h', 'http://127.0.0.1:9/h']);
    expect(config.webhookSecret).toEqual([SECRET, `${SECRET}-2`]);
    expect(config.webhookEvents).toEqual(['room.occupied', 'room.vacated']);
    expect(config.webhookRooms).toEqual(['game:*']);
  });

  it.each([
    [['--webhook-url', 'https://a.example/h'], 'needs --webhook-secret'],
    [['--webhook-url', 'ftp://a.example/h', '--webhook-secret', SECRET], 'http:// or https://'],
    [['--webhook-url', 'https://', '--webhook-secret', SECRET], 'http:// or https://'],
    [['--webhook-url', 'https://a.example/h', '--webhook-secret', 'short'], '16'],
    [['--webhook-url', 'https://a.example/h', '--webhook-secret', 'whsec_c2hvcnQgc2VjcmV0'], 'base64'],
    [
      ['--webhook-url', 'https://a.example/h', '--webhook-secret', [1, 2, 3].map((n) => `${SECRET}-${n}`).join()],
      'two',
    ],
    [['--webhook-url', 'https://a.example/h', '--webhook-secret', SECRET, '--webhook-rooms', 'a b'], 'pattern'],
    [
      ['--webhook-url', 'https://a.example/h', '--webhook-secret', SECRET, '--webhook-events', 'room.renamed'],
      'room.occupied',
    ],
  ])('refuse %j in one sentence that shows no secret', (flags, why) => {
    expect(() => load(...flags)).toThrow(ConfigError);
    expect(() => load(...flags)).toThrow(why);
    expect(() => load(...flags)).not.toThrow(SECRET);
  });
});
