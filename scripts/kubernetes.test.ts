/** deploy/kubernetes: every manifest is what Kubernetes would take, fits the others, and starts our processes with settings they accept. */
import { readdirSync, readFileSync } from 'node:fs';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import { Ingress } from 'kubernetes-models/networking.k8s.io/v1/Ingress';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Secret } from 'kubernetes-models/v1/Secret';
import { Service } from 'kubernetes-models/v1/Service';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ConfigError, loadConfig } from '../shared/config.ts';
import { envNameOf, OPTION_NAMES } from '../shared/config-options.ts';
import { DRAIN_SLACK_MS } from './node-command.ts';

type Labels = Readonly<Record<string, string>>;

interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef?: KeyRef; readonly fieldRef?: { readonly fieldPath: string } };
}

interface KeyRef {
  readonly name: string;
  readonly key: string;
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
}

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly EnvVar[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly startupProbe: Probe;
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  readonly volumeMounts?: readonly { readonly name: string }[];
}

interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Labels };
  readonly spec: {
    readonly serviceName?: string;
    readonly replicas: number;
    readonly selector: { readonly matchLabels: Labels };
    readonly strategy?: { readonly rollingUpdate: { readonly maxUnavailable: number } };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: { readonly terminationGracePeriodSeconds: number; readonly containers: readonly Container[] };
    };
  };
}

interface Manifest {
  readonly file: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Labels };
}

const folder = new URL('../deploy/kubernetes/', import.meta.url);
const manifests: Manifest[] = readdirSync(folder).flatMap((file) =>
  parseAllDocuments(readFileSync(new URL(file, folder), 'utf8')).map((document) => {
    expect(document.errors, file).toEqual([]);
    return { ...(document.toJS() as Omit<Manifest, 'file'>), file };
  }),
);

const KINDS = { Deployment, StatefulSet, Ingress, NetworkPolicy, PodDisruptionBudget, Secret, Service } as const;

function ofKind<T>(kind: keyof typeof KINDS): (Manifest & T)[] {
  return manifests.filter((one) => one.kind === kind) as (Manifest & T)[];
}

function named<T>(kind: keyof typeof KINDS, name: string): Manifest & T {
  const found = ofKind<T>(kind).find((one) => one.metadata.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

const workloads = [...ofKind<Workload>('Deployment'), ...ofKind<Workload>('StatefulSet')];
const containerOf = ({ spec }: Workload): Container => {
  const [container] = spec.template.spec.containers;
  if (container === undefined) throw new Error('no container');
  return container;
};
const router = named<Workload>('Deployment', 'bellhop-router');
const node = named<Workload>('StatefulSet', 'bellhop-node');
const redis = named<Workload>('StatefulSet', 'bellhop-redis');

const matches = (selector: Labels, labels: Labels) =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);

/** A copy that remembers which fields were looked at: the schemas' validators name every field they know, and let others pass. */
function watched(value: unknown, path: string, unseen: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [] : {};
  for (const [key, inner] of Object.entries(value)) {
    const at = `${path}.${key}`;
    if (!Array.isArray(value)) unseen.add(at);
    (copy as Record<string, unknown>)[key] = watched(inner, at, unseen);
  }
  if (Array.isArray(copy)) return copy;
  return new Proxy(copy, {
    get: (target, key) => {
      unseen.delete(`${path}.${String(key)}`);
      return target[String(key)];
    },
    // A map of any names: whoever asks for all of them knows all of them.
    ownKeys: (target) => {
      for (const key of Object.keys(target)) unseen.delete(`${path}.${key}`);
      return Reflect.ownKeys(target);
    },
  });
}

/** Names of fields that the schema does not know.
 *  @throws Error where a field that it knows does not fit */
function unknownFields({ file: _file, ...manifest }: Manifest): string[] {
  const unseen = new Set<string>();
  const { prototype } = KINDS[manifest.kind as keyof typeof KINDS];
  // Not through the constructor, which copies and so looks at everything.
  prototype.validate.call(watched(manifest, '', unseen));
  return [...unseen];
}

describe('the schemas of Kubernetes', () => {
  it.each(manifests.map((one) => [`${one.file} ${one.kind} ${one.metadata.name}`, one] as const))(
    'take %s, every field of it',
    (_name, manifest) => {
      expect(Object.keys(KINDS)).toContain(manifest.kind);
      expect(manifest.apiVersion).toBe(
        (KINDS[manifest.kind as keyof typeof KINDS] as { apiVersion: string }).apiVersion,
      );
      expect(unknownFields(manifest)).toEqual([]);
    },
  );

  it('would tell what is wrong', () => {
    const broken = structuredClone(router) as unknown as { spec: { replicas: unknown; template: { spec: object } } };
    broken.spec.replicas = 'two';
    expect(() => unknownFields(broken as unknown as Manifest)).toThrow(/replicas/);
    broken.spec.replicas = 2;
    Object.assign(broken.spec.template.spec, { terminationGracePeriod: 3 });
    expect(unknownFields(broken as unknown as Manifest)).toEqual(['.spec.template.spec.terminationGracePeriod']);
  });
});

describe('what refers to something', () => {
  it('selects its own pods, and no others', () => {
    for (const one of workloads) {
      expect(matches(one.spec.selector.matchLabels, one.spec.template.metadata.labels)).toBe(true);
      const others = workloads.filter((other) =>
        matches(one.spec.selector.matchLabels, other.spec.template.metadata.labels),
      );
      expect(others).toEqual([one]);
    }
    for (const one of ofKind<Workload>('PodDisruptionBudget')) {
      const [pods, ...more] = workloads.filter((other) =>
        matches(one.spec.selector.matchLabels, other.spec.template.metadata.labels),
      );
      expect([pods?.metadata.name, more]).toEqual([one.metadata.name, []]);
      expect(pods?.spec.replicas).toBeGreaterThan(1);
    }
  });

  it('is a service whose ports its pods have', () => {
    interface Spec {
      readonly spec: { readonly selector: Labels; readonly ports: readonly { readonly targetPort: string }[] };
    }
    for (const { metadata, spec } of ofKind<Spec>('Service')) {
      const pods = workloads.find((one) => matches(spec.selector, one.spec.template.metadata.labels));
      if (pods === undefined) throw new Error(`${metadata.name} selects nothing`);
      const names = containerOf(pods).ports.map(({ name }) => name);
      for (const { targetPort } of spec.ports) expect(names).toContain(targetPort);
    }
    for (const { spec } of ofKind<Workload>('StatefulSet'))
      expect(named('Service', spec.serviceName ?? '')).toBeDefined();
  });

  it('is a network policy whose pods exist and listen there', () => {
    interface Rule {
      readonly from?: readonly Peer[];
      readonly to?: readonly Peer[];
      readonly ports: readonly { readonly port: number }[];
    }
    interface Peer {
      readonly podSelector?: { readonly matchLabels: Labels };
    }
    interface Spec {
      readonly spec: {
        readonly podSelector: { readonly matchLabels: Labels };
        readonly ingress: readonly Rule[];
        readonly egress?: readonly Rule[];
      };
    }
    const podsOf = (selector: Labels) =>
      workloads.filter((one) => matches(selector, one.spec.template.metadata.labels));
    const portsOf = (pods: readonly Workload[]) =>
      pods.flatMap((one) => containerOf(one).ports.map(({ containerPort }) => containerPort));
    const policies = ofKind<Spec>('NetworkPolicy');
    expect(policies.flatMap(({ spec }) => podsOf(spec.podSelector.matchLabels))).toHaveLength(workloads.length);
    for (const { spec } of policies) {
      const own = podsOf(spec.podSelector.matchLabels);
      const opened = spec.ingress.flatMap(({ ports }) => ports.map(({ port }) => port));
      expect(opened.sort()).toEqual(portsOf(own).sort());
      for (const { to = [], from = [], ports } of [...spec.ingress, ...(spec.egress ?? [])]) {
        for (const { podSelector } of [...to, ...from]) {
          if (podSelector !== undefined) expect(podsOf(podSelector.matchLabels)).toHaveLength(1);
        }
        for (const { podSelector } of to) {
          if (podSelector === undefined) continue;
          expect(portsOf(podsOf(podSelector.matchLabels))).toEqual(
            expect.arrayContaining(ports.map(({ port }) => port)),
          );
        }
      }
    }
  });

  it('is an ingress to a service that is there', () => {
    interface Spec {
      readonly spec: {
        readonly rules: readonly {
          readonly http: {
            readonly paths: readonly {
              readonly path: string;
              readonly backend: {
                readonly service: { readonly name: string; readonly port: { readonly name: string } };
              };
            }[];
          };
        }[];
      };
    }
    const paths = ofKind<Spec>('Ingress').flatMap(({ spec }) => spec.rules.flatMap(({ http }) => http.paths));
    expect(paths.map(({ path }) => path)).toEqual(['/rooms', '/api']);
    for (const { backend } of paths) {
      const service = named<{ spec: { ports: { name: string }[] } }>('Service', backend.service.name);
      expect(service.spec.ports.map(({ name }) => name)).toContain(backend.service.port.name);
    }
  });

  it('is a key that the secret has, and a volume that is claimed', () => {
    const { stringData } = named<{ stringData: Labels }>('Secret', 'bellhop');
    const refs = workloads.flatMap((one) =>
      containerOf(one).env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []),
    );
    expect(new Set(refs.map(({ key }) => key))).toEqual(new Set(Object.keys(stringData)));
    expect(refs.every(({ name }) => name === 'bellhop')).toBe(true);
    const claims = redis.spec.volumeClaimTemplates?.map(({ metadata }) => metadata.name);
    expect(containerOf(redis).volumeMounts?.map(({ name }) => name)).toEqual(claims);
  });

  it('is alike in name, part and cluster for all', () => {
    for (const { metadata } of manifests) {
      expect(metadata.labels).toMatchObject({
        'app.kubernetes.io/name': 'bellhop',
        'app.kubernetes.io/instance': 'bellhop',
      });
    }
  });
});

/** Values of a container's environment as a pod would see them. */
function environmentOf(container: Container, secrets: Labels): Record<string, string> {
  const fields: Labels = { 'metadata.name': 'bellhop-node-0', 'status.podIP': '10.1.2.3' };
  const values: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env) {
    const given = value ?? secrets[valueFrom?.secretKeyRef?.key ?? ''] ?? fields[valueFrom?.fieldRef?.fieldPath ?? ''];
    // `$(NAME)` is replaced by what stands before it.
    values[name] = (given ?? '').replace(/\$\((\w+)\)/g, (_all, other: string) => values[other] ?? `$(${other})`);
  }
  return values;
}

const SECRETS: Labels = {
  'cluster-secret': 's'.repeat(48),
  'placement-key': 'p'.repeat(48),
  'jwt-secret': 'j'.repeat(64),
  'api-token': 'a'.repeat(32),
  'redis-password': 'r'.repeat(24),
};

describe('routers and nodes', () => {
  const env = (workload: Workload, secrets = SECRETS) => environmentOf(containerOf(workload), secrets);
  const routerConfig = loadConfig('router', [], env(router));
  const nodeConfig = loadConfig('node', [], env(node));

  it('are given options that there are, and accept them without a warning', () => {
    const known = new Set<string>(OPTION_NAMES.map(envNameOf));
    for (const workload of [router, node]) {
      const names = containerOf(workload).env.map(({ name }) => name);
      expect(names.filter((name) => name !== 'REDIS_PASSWORD' && !known.has(name))).toEqual([]);
    }
    expect([containerOf(router).args, containerOf(node).args]).toEqual([['router'], ['node']]);
    for (const config of [routerConfig, nodeConfig]) {
      expect(config.warnings).toEqual([]);
      expect(config).toMatchObject({ host: '0.0.0.0', advertise: '10.1.2.3', id: 'bellhop-node-0' });
      expect(config.redisUrl).toBe(`redis://:${SECRETS['redis-password']}@bellhop-redis:6379`);
    }
  });

  it('refuse to start with the secrets that the repository holds', () => {
    const { stringData } = named<{ stringData: Labels }>('Secret', 'bellhop');
    expect(() => loadConfig('router', [], env(router, stringData))).toThrow(ConfigError);
    expect(() => loadConfig('node', [], env(node, stringData))).toThrow(ConfigError);
  });

  it('listen where their ports are, and are probed there by paths that do not ask Redis', () => {
    const portsOf = (workload: Workload) =>
      Object.fromEntries(containerOf(workload).ports.map(({ name, containerPort }) => [name, containerPort]));
    expect(portsOf(router)).toEqual({ http: routerConfig.port });
    expect(portsOf(node)).toEqual({ link: nodeConfig.linkPort, http: nodeConfig.httpPort });
    for (const workload of [router, node]) {
      const { startupProbe, readinessProbe, livenessProbe } = containerOf(workload);
      const asked = [startupProbe, readinessProbe, livenessProbe].map(
        ({ httpGet }) => `${httpGet?.port} ${httpGet?.path}`,
      );
      expect(asked).toEqual(['http /livez', 'http /readyz', 'http /livez']);
    }
  });

  it('have time to end: the hook, then what the process itself may take', () => {
    const graceMs = ({ spec }: Workload) => spec.template.spec.terminationGracePeriodSeconds * 1_000;
    const hookMs = (workload: Workload) => {
      const [program, seconds] = containerOf(workload).lifecycle?.preStop.exec.command ?? [];
      expect(program).toBe('sleep');
      return Number(seconds) * 1_000;
    };
    expect(graceMs(node)).toBeGreaterThan(hookMs(node) + nodeConfig.drainDeadlineMs + DRAIN_SLACK_MS);
    // Close handshakes are bounded by 5 s.
    expect(graceMs(router)).toBeGreaterThan(hookMs(router) + routerConfig.stopSpreadMs + 5_000);
    // Clients of a router on the same machine are seated elsewhere before rooms move.
    expect(hookMs(node)).toBeGreaterThanOrEqual(hookMs(router) + routerConfig.stopSpreadMs);
    expect(router.spec.strategy?.rollingUpdate.maxUnavailable).toBe(0);
  });
});

it('keeps Redis durable, bounded, and evicts nothing', () => {
  const args = containerOf(redis).args.join(' ');
  for (const part of [
    '--appendonly yes',
    '--maxmemory-policy noeviction',
    '--maxmemory ',
    '--requirepass $(REDIS_PASSWORD)',
  ]) {
    expect(args).toContain(part);
  }
});
