import { describe, expect, it } from 'vitest';
import { ConfigError, DEVELOPMENT_SECRET, loadConfig, operatorEnvironment, type Role } from './config.ts';
import { envNameOf, OPTION_NAMES, optionsOf, specOf } from './config-options.ts';
import { handOn } from './config-parse.ts';
import { placementKeyFrom } from './placement.ts';
import { SeededRandom } from './random.ts';
import { DEFAULT_TIMINGS } from './timing.ts';

const SECRET = 'a-secret-of-sixteen-characters';

function complaint(role: Role, argv: readonly string[], env: Record<string, string> = {}): string {
  const load = { start: () => loadConfig('start', argv, env), router: () => loadConfig('router', argv, env) };
  try {
    if (role === 'node') loadConfig('node', argv, env);
    else load[role]();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('loadConfig', () => {
  it('gives each role its defaults', () => {
    const router = loadConfig('router', [], {}, new SeededRandom(1));
    expect(router).toMatchObject({ role: 'router', port: 8_080, payloadBytesMax: 65_536, timings: DEFAULT_TIMINGS });
    expect(router.id).toMatch(/^router-[0-9a-f]{6}$/);
    expect(loadConfig('start', [], {})).toMatchObject({ nodes: 3, routers: 1, restart: true, redisUrl: undefined });
    const node = loadConfig('node', [], {});
    expect(node).toMatchObject({ linkPort: 0, weight: 1, programs: [], bootstrap: undefined, httpPort: undefined });
    expect(node.incarnation).toMatch(/^[0-9a-f]{32}$/);
  });

  it('has a valid default for every option, in every role', () => {
    for (const role of ['start', 'router', 'node'] as const) {
      const argv = optionsOf(role).flatMap((name) => {
        const { type, default: value } = specOf(name);
        if (value === undefined || type === 'list' || type === 'boolean') return [];
        return [`--${name}=${String(value)}`];
      });
      expect(() => loadConfig(role as 'start', argv, {})).not.toThrow();
    }
  });

  it('takes how many replicas must confirm, of a Redis that may have some', () => {
    const env = { BELLHOP_REPLICAS: '1' };
    expect(loadConfig('node', [], {}).replicas).toBe(0);
    for (const role of ['node', 'router'] as const) expect(loadConfig(role as 'node', [], env).replicas).toBe(1);
    const start = loadConfig('start', ['--redis-url=redis://db:6379', '--replicas=2'], env);
    expect(start.replicas).toBe(2);
    for (const role of ['node', 'router'] as const) expect(handOn(start.parsed, role).argv).toContain('--replicas=2');
    expect(complaint('start', [], env)).toMatch(/--replicas needs --redis-url/);
    expect(complaint('node', ['--replicas=-1'])).toMatch(/--replicas/);
  });

  it('lets a flag outweigh the environment, and takes an empty variable as not set', () => {
    const env = { BELLHOP_PORT: '9000', BELLHOP_PING_INTERVAL_MS: '5000', BELLHOP_API_TOKEN: '' };
    const config = loadConfig('router', ['--port', '9001'], env);
    expect(config).toMatchObject({ port: 9_001, pingIntervalMs: 5_000, apiTokens: [] });
  });

  it('is for development only on loopback, with nothing to protect', () => {
    expect(loadConfig('router', ['--development'], {}).development).toBe(true);
    expect(loadConfig('router', [], {}).development).toBe(false);
    for (const more of [
      '--secret=a-secret-of-their-own',
      '--api-token=an-api-token-of-some-length',
      `--jwt-secret=${'k'.repeat(32)}`,
    ]) {
      expect(complaint('router', ['--development', more])).toContain('--development');
    }
    const open = ['--host=0.0.0.0', '--insecure', '--secret=bellhop-development-secret'];
    expect(complaint('router', ['--development', ...open])).toContain('--development');
  });

  it('makes a worker’s place and its share of what a router may hold', () => {
    const whole = ['--id=edge', '--workers=3', '--connections-max=1000', '--backlog-total-bytes-max=3145728'];
    expect(loadConfig('router', whole, {})).toMatchObject({ worker: undefined, connectionsMax: 1_000 });
    const incarnation = '0123456789abcdef0123456789abcdef';
    const part = [...whole, '--worker=2', `--router-incarnation=${incarnation}`];
    expect(loadConfig('router', part, {})).toMatchObject({
      worker: { position: 2, routerIncarnation: incarnation },
      connectionsMax: 334,
      backlogTotalBytesMax: 1_048_576,
    });
    expect(loadConfig('start', [], { BELLHOP_WORKERS: '4' }).workers).toBe(4);
    expect(complaint('router', ['--workers=2', '--worker=3'])).toContain('beyond');
    expect(complaint('router', ['--workers=2', '--worker=2'])).toContain('--router-incarnation');
    expect(complaint('router', ['--trusted-proxies=10.0.0.0/8,example.org'])).toContain('example.org');
    expect(complaint('router', ['--workers=64', `--id=${'r'.repeat(61)}`])).toContain('60 characters');
    expect(loadConfig('router', [`--id=${'r'.repeat(64)}`], {}).workers).toBe(1);
  });

  it('reads lists repeated and with commas, and switches with no-', () => {
    const argv = ['--allow-origins', 'https://a.example, https://b.example', '--allow-origins=https://c.example'];
    expect(loadConfig('router', argv, {}).allowOrigins).toEqual([
      'https://a.example',
      'https://b.example',
      'https://c.example',
    ]);
    expect(loadConfig('start', ['--no-restart'], {}).restart).toBe(false);
    expect(loadConfig('start', [], { BELLHOP_RESTART: 'off' }).restart).toBe(false);
  });

  it('refuses what no option takes, and says what was meant', () => {
    expect(complaint('router', ['--prot', '1'])).toBe('Unknown option --prot: did you mean --port?');
    expect(complaint('router', ['--nodes', '1'])).toBe('--nodes is not an option of router, but of start.');
    expect(complaint('node', ['--frobnicate'])).toContain('Unknown option --frobnicate');
    expect(complaint('node', ['surplus'])).toContain('"surplus"');
    expect(complaint('router', ['--port', '--insecure'])).toBe('--port needs a value.');
    expect(complaint('router', ['--no-port'])).toContain('there is no --no-port');
    expect(complaint('start', ['--restart=perhaps'])).toContain('true or false');
  });

  it.each(['', '1e3', '0x10', ' 1', '-1', '65536', '8080.5', 'NaN', '9'.repeat(30)])('refuses %j as a port', (text) => {
    expect(complaint('router', [`--port=${text}`])).toMatch(/^--port must be a whole number from 0 to 65535/);
  });

  it('names the variable that is wrong, and never shows a secret', () => {
    expect(complaint('router', [], { BELLHOP_POLL_MS: 'soon' })).toMatch(/^BELLHOP_POLL_MS must be/);
    const told = complaint('router', ['--secret', 'hunter2'], {});
    expect(told).toContain('16 to 1024 characters');
    expect(told).not.toContain('hunter2');
    expect(complaint('router', ['--redis-url', 'redis://u:hunter2@'])).not.toContain('hunter2');
  });

  it('cannot be made to write a terminal escape', () => {
    expect(complaint('router', ['--log-level', '\u001b[2J\u009b\n'])).not.toMatch(/\p{Cc}/u);
  });

  it('checks the relations between the periods', () => {
    expect(complaint('node', ['--dead-ms', '2000'])).toContain('a node must be silent before it can be declared dead');
    expect(loadConfig('node', ['--dead-ms=9000', '--grace-ms=9000'], {}).timings.deadMs).toBe(9_000);
  });

  it('warns of a misspelt variable and lets others alone', () => {
    const env = {
      BELLHOP_PROT: '1',
      BELLHOP_TEST_SEED: '1',
      BELLHOP_SERVICE_PORT: '80',
      BELLHOP_NODES: '5',
      BELLHOP_URL: 'x',
      PATH: '',
    };
    const { warnings } = loadConfig('router', [], { ...env, BELLHOP_SECRET: SECRET });
    expect(warnings).toEqual([
      'The environment has "BELLHOP_PROT", which is not an option: did you mean BELLHOP_PORT?',
    ]);
  });
});

describe('an operator', () => {
  it('is known by the environment, in which what is empty is not set', () => {
    const env = { BELLHOP_URL: 'http://a', BELLHOP_API_TOKEN: '', NO_COLOR: '1', TERM: 'xterm' };
    const unset = { apiToken: undefined, apiTokenFile: undefined, operator: undefined };
    expect(operatorEnvironment(env)).toEqual({ ...unset, url: 'http://a', noColor: true, term: 'xterm' });
    expect(operatorEnvironment({ NO_COLOR: '' }).noColor).toBe(false);
  });
});

describe('secrets', () => {
  it('are required of whoever can be reached, and are well known on the loopback, with a warning', () => {
    expect(complaint('node', ['--host', '10.0.0.1'])).toContain('BELLHOP_SECRET');
    expect(complaint('node', ['--advertise', 'n1.example'])).toContain('BELLHOP_SECRET');
    const config = loadConfig('node', [], {});
    expect(config.secrets).toEqual([DEVELOPMENT_SECRET]);
    expect(config.warnings.join()).toContain('development secret');
    expect(loadConfig('node', ['--host', '::1', '--advertise', 'localhost'], {}).secrets).toEqual([DEVELOPMENT_SECRET]);
  });

  it('can be rotated without moving a room', () => {
    const other = 'another-secret-of-some-length';
    const before = loadConfig('node', [], { BELLHOP_SECRET: SECRET });
    const after = loadConfig('node', [], { BELLHOP_SECRET: `${other},${SECRET}`, BELLHOP_PLACEMENT_KEY: SECRET });
    expect(before.placementKey).toEqual(placementKeyFrom(SECRET));
    expect(after.secrets).toEqual([other, SECRET]);
    expect(after.placementKey).toEqual(before.placementKey);
  });
});

describe('authentication', () => {
  const env = { BELLHOP_SECRET: SECRET };

  it.each(['router', 'start'] as const)(
    '31 and an API token are required of a %s that listens beyond this machine',
    (role) => {
      expect(complaint(role, ['--host', '0.0.0.0'], env)).toContain('--insecure');
      expect(complaint(role, ['--host', '127.0.0.1.example'], env)).toContain('--insecure');
      const jwt = ['--host', '0.0.0.0', '--jwt-secret', 'k'.repeat(32)];
      expect(complaint(role, jwt, env)).toContain('BELLHOP_API_TOKEN');
      for (const none of ['', ',', ' , ']) {
        expect(complaint(role, [...jwt, '--api-token', none], env)).toContain('BELLHOP_API_TOKEN');
        expect(complaint(role, jwt, { ...env, BELLHOP_API_TOKEN: none })).toContain('BELLHOP_API_TOKEN');
      }
      expect(() => loadConfig(role as 'router', [...jwt, '--api-token', 'a'.repeat(16)], env)).not.toThrow();
      const open = ['--host', '0.0.0.0', '--insecure'];
      expect(() => loadConfig(role as 'router', open, env)).not.toThrow();
    },
  );

  it('is there with a key', () => {
    const argv = ['--host=0.0.0.0', '--api-token=read:0123456789abcdef'];
    expect(loadConfig('router', [...argv, `--jwt-secret=${'k'.repeat(32)}`], env).authenticates).toBe(true);
    expect(loadConfig('router', [...argv, '--tickets'], env).authenticates).toBe(true);
    expect(loadConfig('router', [], env).authenticates).toBe(false);
    for (const url of [
      'file:///etc/passwd',
      'https://id.example:99999/',
      'https://u:hunter2@id.example/',
      'https://u@x/',
    ]) {
      expect(complaint('router', ['--jwks-url', url])).toMatch(/^--jwks-url (?!.*hunter2)/);
    }
    const both = ['--jwks-url=https://id.example/', `--jwt-secret=${'k'.repeat(32)}`];
    expect(complaint('router', both)).toContain('either --jwt-secret or --jwks-url');
  });
});

describe('API tokens', () => {
  it('bear scopes, or may do everything', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(16));
    const argv = ['--api-token', `read:${a}`, '--api-token', `publish+read:${b},${c}`];
    expect(loadConfig('router', argv, {}).apiTokens).toEqual([
      { scopes: ['read'], token: a },
      { scopes: ['read', 'publish'], token: b },
      { scopes: ['read', 'publish', 'operate'], token: c },
    ]);
    const short = complaint('router', ['--api-token', 'operate:hunter2-hunter']);
    expect(short).toContain('16 visible ASCII characters');
    expect(short).not.toContain('hunter2');
  });

  it('31 with scopes that there are not are refused, rather than taken for tokens that may do everything', () => {
    for (const scopes of ['admin', 'read+', '+', '', 'READ', 'read+write', 'reed']) {
      const said = complaint('router', ['--api-token', `${scopes}:hunter2-hunter2-hunter2`]);
      expect([scopes, said]).toEqual([scopes, expect.stringContaining('read, publish, operate')]);
      expect(said).not.toContain('hunter2');
    }
    expect(loadConfig('router', ['--api-token', 'read:mine:0123456789abcdef'], {}).apiTokens).toEqual([
      { scopes: ['read'], token: 'mine:0123456789abcdef' },
    ]);
  });
});

describe('programs', () => {
  it('are paired with rooms by order', () => {
    const argv = ['--program=./a.js', '--rooms=a-*', '--program=./b.js', '--rooms=*'];
    expect(loadConfig('node', argv, {}).programs).toEqual([
      { pattern: 'a-*', path: './a.js' },
      { pattern: '*', path: './b.js' },
    ]);
    expect(loadConfig('node', ['--program=./a.js'], {}).programs).toEqual([{ pattern: '*', path: './a.js' }]);
    expect(complaint('node', ['--program=a', '--program=b', '--rooms=c'])).toContain('come in pairs');
    expect(complaint('start', ['--program=a', '--rooms=a/b'])).toContain('not a pattern');
  });
});

describe('handOn', () => {
  const argv = ['--redis=redis://:hunter2@127.0.0.1', '--poll-ms=200', '--insecure', '--nodes=5', '--weight=2'];
  const { parsed } = loadConfig('start', argv, { BELLHOP_LOG_LEVEL: 'debug' });

  it('gives a worker its share as flags, secrets by the environment, and start’s own defaults where nothing was given', () => {
    const router = handOn(parsed, 'router');
    expect(router.argv).toEqual(['--insecure', '--log-format=text', '--poll-ms=200', '--stop-spread-ms=500']);
    expect(router.env['BELLHOP_REDIS_URL']).toBe('redis://:hunter2@127.0.0.1');
    expect(handOn(parsed, 'node').argv).toContain('--weight=2');
  });

  it('clears what may not be alike in all of them', () => {
    const { env } = handOn(parsed, 'node');
    for (const name of ['BELLHOP_ID', 'BELLHOP_LINK_PORT', 'BELLHOP_HTTP_PORT', 'BELLHOP_INCARNATION']) {
      expect(Object.hasOwn(env, name) && env[name] === undefined, name).toBe(true);
    }
  });

  it('gives the worker the same settings', () => {
    const { argv: flags, env } = handOn(parsed, 'node');
    const node = loadConfig('node', flags, { BELLHOP_LOG_LEVEL: 'debug', ...env });
    expect(node).toMatchObject({ logLevel: 'debug', logFormat: 'text', weight: 2, insecure: true });
  });
});

it('has one name for each variable', () => {
  expect(new Set(OPTION_NAMES.map(envNameOf)).size).toBe(OPTION_NAMES.length);
  expect(envNameOf('backlog-total-bytes-max')).toBe('BELLHOP_BACKLOG_TOTAL_BYTES_MAX');
});

it('a backlog has room for two of the largest messages', () => {
  const large = ['--payload-bytes-max=1048576'];
  const tooSmall = '--backlog-bytes-max must be at least twice --payload-bytes-max.';
  expect(complaint('router', large)).toBe(tooSmall);
  expect(complaint('start', large)).toBe(tooSmall);
  const roomy = [...large, '--backlog-bytes-max=2097152'];
  expect(loadConfig('router', roomy, {})).toMatchObject({ payloadBytesMax: 1_048_576 });
  expect(complaint('router', ['--payload-bytes-max=1048577', '--backlog-bytes-max=4194304'])).toContain('1048576');
});
