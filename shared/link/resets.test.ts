/** Links that are reset at every stage of their life: each cut falls after another byte of what one side or the other has said. */
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { dialLink } from './dial.ts';
import { Cleanup, End, listen, NODE, ROUTER, serve } from './link-fixture.ts';
import type { LinkMessage } from './messages.ts';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const CUTS = 200;
/** Byte after byte of the handshake, then further apart, far into the traffic. */
const bytesBefore = (cut: number): number => (cut < 100 ? 6 * cut : 600 + 120 * (cut - 100));
const call = (id: number): LinkMessage => ({ type: 'call', id, op: 'x', args: 'y'.repeat(400) });

type Side = 'dialer' | 'acceptor';

test.each<Side>(['dialer', 'acceptor'])(
  '17 two hundred resets of a link at every stage, counted by what the %s has said, leave no socket and no exception',
  async (side) => {
    const faults: unknown[] = [];
    const hear = (error: unknown) => void faults.push(error);
    process.on('uncaughtException', hear);
    process.on('unhandledRejection', hear);
    const node = new End(NODE, { takes: () => true });
    const { listener, address } = await listen(cleanup, node);
    let limit = Number.POSITIVE_INFINITY;
    const sockets = new Set<Socket>();
    const between = createServer((near) => {
      const far = connect(address);
      const pair = [near, far];
      let said = 0;
      const end = () => {
        for (const socket of pair) if (!socket.destroyed) socket.resetAndDestroy();
      };
      for (const socket of pair) {
        sockets.add(socket);
        socket.on('error', end);
        socket.on('close', () => {
          sockets.delete(socket);
          end();
        });
        const speaks: Side = socket === near ? 'dialer' : 'acceptor';
        socket.on('data', (chunk) => {
          const left = speaks === side ? limit - said : chunk.length;
          if (speaks === side) said += chunk.length;
          (socket === near ? far : near).write(chunk.subarray(0, Math.max(0, left)), () => {
            if (said > limit) end();
          });
        });
      }
    });
    const where = await serve(cleanup, between);
    const reached = { before: 0, after: 0 };
    for (let cut = 0; cut < CUTS; cut++) {
      limit = bytesBefore(cut);
      const router = new End(ROUTER);
      const accepted = node.events.ups.length;
      const link = dialLink(where, router.options);
      // Both speak until it is over, whichever end knows first that it is up.
      const say = () => {
        for (const one of [...router.events.ups, ...node.events.ups.slice(accepted)]) {
          if (one.isUp) for (let id = 1; id <= 40; id++) one.send(call(id));
        }
      };
      router.options.events.onUp = (up) => {
        router.events.ups.push(up);
        say();
      };
      node.options.events.onUp = (up) => {
        node.events.ups.push(up);
        say();
      };
      const { wasUp, code } = await router.events.down();
      reached[wasUp ? 'after' : 'before'] += 1;
      expect(['reset', 'ended', 'handshake', 'unreachable']).toContain(code);
      link.destroy();
      expect(router.timers.pending).toBe(0);
    }
    // Some fell into the handshake, some into the traffic.
    expect(reached.before).toBeGreaterThan(20);
    expect(reached.after).toBeGreaterThan(20);
    while (sockets.size > 0 || listener.unproven > 0 || listener.links().length > 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    // It still serves.
    limit = Number.POSITIVE_INFINITY;
    const good = new End(ROUTER);
    const heard = node.events.messages.length;
    const link = dialLink(where, good.options);
    (await good.events.link()).send(call(1));
    await node.events.until(() => node.events.messages.length > heard);
    link.destroy();
    await good.events.down();
    process.off('uncaughtException', hear);
    process.off('unhandledRejection', hear);
    expect(faults).toEqual([]);
  },
  // A machine that is busy takes its time for eight hundred sockets.
  120_000,
);
