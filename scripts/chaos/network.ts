/** The ways between a cluster's processes and its Redis, and between routers and nodes, each through a proxy that can fail. Owns: the
 *  proxies. Does not know: when they fail.
 *  A node listens on 127.0.0.1 and is reached at 127.0.0.2, where its proxy listens on the same port. */
import { type Address, FaultProxy } from './fault-proxy.ts';

const HOST = '127.0.0.1';
const LINK_HOST = '127.0.0.2';

export class Network {
  /** By process: its way to Redis. */
  readonly toRedis: ReadonlyMap<string, FaultProxy>;
  /** By node: the way of routers and other nodes to it. */
  readonly toNode: ReadonlyMap<string, FaultProxy>;

  private constructor(toRedis: ReadonlyMap<string, FaultProxy>, toNode: ReadonlyMap<string, FaultProxy>) {
    this.toRedis = toRedis;
    this.toNode = toNode;
  }

  static async open(nodes: readonly string[], routers: readonly string[], redisPort: number): Promise<Network> {
    const toRedis = new Map<string, FaultProxy>();
    const toNode = new Map<string, FaultProxy>();
    for (const id of [...nodes, ...routers])
      toRedis.set(id, await FaultProxy.open(HOST, { host: HOST, port: redisPort }));
    for (const id of nodes) {
      const proxy = await FaultProxy.open(LINK_HOST, { host: HOST, port: 0 });
      proxy.retarget({ host: HOST, port: proxy.port });
      toNode.set(id, proxy);
    }
    return new Network(toRedis, toNode);
  }

  /** Flags that lead a process through its proxies. */
  argsOf(id: string): string[] {
    const redis = this.toRedis.get(id);
    const link = this.toNode.get(id);
    return [
      ...(redis === undefined ? [] : ['--redis-url', `redis://${HOST}:${redis.port}`]),
      ...(link === undefined ? [] : ['--link-port', String(link.port), '--advertise', LINK_HOST]),
    ];
  }

  /** Everyone's Redis is elsewhere from now on, behind the same addresses. */
  moveRedis(target: Address): void {
    for (const proxy of this.toRedis.values()) proxy.retarget(target);
  }

  heal(): void {
    for (const proxy of [...this.toRedis.values(), ...this.toNode.values()]) proxy.heal();
  }

  async close(): Promise<void> {
    await Promise.all([...this.toRedis.values(), ...this.toNode.values()].map((proxy) => proxy.close()));
  }
}
