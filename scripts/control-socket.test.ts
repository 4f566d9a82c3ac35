import { existsSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ControlSocket, giveOrder, type Order, type Reply } from './control-socket.ts';

describe('orders to a supervisor', () => {
  let control: ControlSocket | undefined;
  afterEach(async () => {
    await control?.close();
    control = undefined;
  });
  const open = async (carryOut: (order: Order) => Promise<Reply>) => {
    control = await ControlSocket.open(carryOut);
    return control.path;
  };

  it('are carried out and answered, by their owner alone, and nothing is left', async () => {
    const orders: Order[] = [];
    const path = await open(async (order) => {
      orders.push(order);
      return order.order === 'nodes' ? { ok: true, nodes: ['n1'] } : { ok: false, why: 'not now' };
    });
    expect(statSync(dirname(path)).mode & 0o077).toBe(0);
    expect(await giveOrder(path, { order: 'nodes' }, 5_000)).toEqual({ ok: true, nodes: ['n1'] });
    expect(await giveOrder(path, { order: 'renew', node: 'n1' }, 5_000)).toEqual({ ok: false, why: 'not now' });
    expect(orders).toEqual([{ order: 'nodes' }, { order: 'renew', node: 'n1' }]);
    await control?.close();
    expect(existsSync(dirname(path))).toBe(false);
    control = undefined;
    await expect(giveOrder(path, { order: 'nodes' }, 5_000)).rejects.toThrow('ENOENT');
  });

  it('that are none are refused, and faults are told', async () => {
    const path = await open(() => Promise.reject(new Error('a fault')));
    expect(await giveOrder(path, { order: 'renew', node: 'n1' }, 5_000)).toEqual({ ok: false, why: 'a fault' });
    const ask = (text: string) =>
      new Promise<string>((resolve, reject) => {
        let heard = '';
        const socket = createConnection(path, () => socket.write(text));
        socket.on('data', (chunk) => {
          heard += String(chunk);
        });
        socket.on('error', reject).on('close', () => resolve(heard));
      });
    expect(JSON.parse(await ask('{"order":"stop"}\n'))).toEqual({ ok: false, why: 'this is no order' });
    expect(JSON.parse(await ask('nonsense\n'))).toEqual({ ok: false, why: 'this is no order' });
    // A line without an end is not kept.
    expect(await ask('x'.repeat(10_000))).toBe('');
  });

  it('end with the supervisor that was to carry them out', async () => {
    const path = await open(() => new Promise(() => undefined));
    const order = giveOrder(path, { order: 'renew', node: 'n1' }, 5_000);
    const ended = expect(order).rejects.toThrow(/closed the connection|ECONNRESET/);
    await giveOrder(path, { order: 'renew', node: 'n2' }, 1).catch(() => undefined);
    await control?.close();
    control = undefined;
    await ended;
  });
});
