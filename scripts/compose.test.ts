/** What docker-compose.yml, the Dockerfile and nginx's configuration say must fit the programs they run. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, type NodeConfig, type RouterConfig } from '../shared/config.ts';
import { envNameOf, OPTION_NAMES } from '../shared/config-options.ts';

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly ports?: readonly string[];
  readonly networks: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const text = read('docker-compose.yml');
const compose: { services: Record<string, Service>; networks: Record<string, { internal?: boolean } | null> } = parse(
  text,
  { merge: true },
);
const services = Object.entries(compose.services);
const GIVEN: Readonly<Record<string, string>> = {
  BELLHOP_SECRET: 's'.repeat(32),
  BELLHOP_JWT_SECRET: 'j'.repeat(32),
  BELLHOP_API_TOKEN: 'a'.repeat(32),
};

/** Substitutes `${NAME}`, `${NAME:-default}` and `${NAME:?message}` as compose does. */
function substituted(value: string | number): string {
  return String(value).replace(
    /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (_all, name: string, kind?: string, rest?: string) => {
      const given = GIVEN[name];
      if (given !== undefined) return given;
      if (kind === '-') return rest ?? '';
      throw new Error(`${name} is required`);
    },
  );
}

function ofRole(role: string): [string, Service][] {
  return services.filter(([, { command, build }]) => build !== undefined && command?.[0] === role);
}

function configOf(service: Service): RouterConfig | NodeConfig {
  const [role, ...argv] = service.command ?? [];
  const env = Object.fromEntries(
    Object.entries(service.environment ?? {}).map(([name, value]) => [name, substituted(value)]),
  );
  return role === 'router' ? loadConfig('router', argv, env) : loadConfig('node', argv, env);
}

describe('docker-compose.yml', () => {
  it('has two routers, three nodes, Redis and nginx, each with a health check', () => {
    expect(ofRole('router')).toHaveLength(2);
    expect(ofRole('node')).toHaveLength(3);
    expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(['redis', 'nginx']));
    for (const [name, service] of services) expect(service.healthcheck.test[0], name).toBe('CMD');
  });

  it('gives every process settings that it accepts without a warning, under its own service’s name', () => {
    for (const [name, service] of [...ofRole('router'), ...ofRole('node')]) {
      const config = configOf(service);
      expect(config.warnings, name).toEqual([]);
      expect(config).toMatchObject({ id: name, advertise: name, host: '0.0.0.0', secrets: [GIVEN['BELLHOP_SECRET']] });
      expect(config.redisUrl).toBe('redis://redis:6379');
    }
  });

  it('uses no variable that is not an option', () => {
    const known = new Set(OPTION_NAMES.map(envNameOf));
    const used = [...ofRole('router'), ...ofRole('node')].flatMap(([, { environment }]) =>
      Object.keys(environment ?? {}),
    );
    expect(used.filter((name) => !known.has(name as ReturnType<typeof envNameOf>))).toEqual([]);
  });

  it('commits no secret', () => {
    for (const name of ['BELLHOP_SECRET', 'BELLHOP_JWT_SECRET', 'BELLHOP_API_TOKEN']) {
      for (const [, value] of text.matchAll(new RegExp(`^ +${name}: (.*)$`, 'gm'))) {
        expect(value).toMatch(/^\$\{\w+:(\?.+|-)\}$/);
      }
    }
  });

  it('lets a node drain before it is killed', () => {
    for (const [, service] of ofRole('node')) {
      const config = configOf(service);
      if (config.role !== 'node') throw new Error('not a node');
      expect(Number.parseInt(service.stop_grace_period ?? '0', 10) * 1_000).toBeGreaterThan(config.drainDeadlineMs);
    }
  });

  it('keeps Redis durable, and evicts nothing', () => {
    const command = compose.services['redis']?.command?.join(' ');
    expect(command).toContain('--appendonly yes');
    expect(command).toContain('--maxmemory-policy noeviction');
  });

  it('publishes nginx alone, and that on this machine; Redis and links are not reached from outside', () => {
    const published = services.filter(([, { ports }]) => ports !== undefined);
    expect(published.map(([name]) => name)).toEqual(['nginx']);
    expect(published[0]?.[1].ports?.[0]).toMatch(/^127\.0\.0\.1:/);
    expect(compose.networks['inner']?.internal).toBe(true);
    for (const [, { networks }] of [...ofRole('node'), ...services.filter(([name]) => name === 'redis')]) {
      expect(networks).toEqual(['inner']);
    }
  });
});

describe('deploy/nginx/bellhop.conf', () => {
  const conf = read('deploy/nginx/bellhop.conf');

  it('names every router with its port, without stickiness', () => {
    const upstreams = [...conf.matchAll(/^ +server ([\w-]+):(\d+)/gm)].map(([, host, port]) => `${host}:${port}`);
    const routers = ofRole('router').map(([name, service]) => {
      const config = configOf(service);
      return `${name}:${config.role === 'router' ? config.port : 'none'}`;
    });
    expect(upstreams).toEqual(routers);
    expect(conf).not.toMatch(/ip_hash|sticky|\bhash /);
  });

  it('waits longer for a silent client than the routers do', () => {
    const [, seconds] = /proxy_read_timeout (\d+)s/.exec(conf) ?? [];
    const config = loadConfig('router', [], {});
    expect(Number(seconds) * 1_000).toBeGreaterThan(config.pingIntervalMs + config.pongTimeoutMs);
  });
});

describe('Dockerfile', () => {
  const dockerfile = read('Dockerfile');

  it('runs as another than root, is told signals directly and checks its health', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    for (const [, form] of dockerfile.matchAll(/^(?:ENTRYPOINT|CMD) (.*)$/gm))
      expect(() => JSON.parse(form ?? '')).not.toThrow();
    expect(dockerfile).toMatch(/^HEALTHCHECK .*CMD \["node"/m);
    expect(dockerfile).toContain('npm ci --omit=dev');
  });
});
