import { describe, expect, test } from 'vitest';
import { guardedLookup, LinkAllow, neverDialled } from './allow.ts';
import { dialLink } from './dial.ts';
import { Cleanup, End, listen, NODE, ROUTER } from './link-fixture.ts';

const refusal = (list: readonly string[], host: string, port = 7_070) => new LinkAllow(list).refusal({ host, port });

describe('what is never dialled', () => {
  test.each([
    '169.254.169.254',
    '169.254.0.1',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '::169.254.169.254',
    'fe80::1',
    'fd00:ec2::254',
    'fd20:ce::254',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    'metadata.google.internal',
    'METADATA',
    'metadata.goog',
    'instance-data',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '::ffff:0.0.0.0',
    '224.0.0.1',
    '239.255.255.250',
    'ff02::1',
    '255.255.255.255',
    '240.0.0.1',
  ])('49 %s is refused, also where the list has everything', (host) => {
    expect(neverDialled(host)).toBeDefined();
    expect(refusal(['0.0.0.0/0', '::/0', '*', '*.*', '*.*.*', host.includes(':') ? `[${host}]` : host], host)).toMatch(
      / is an? /,
    );
  });
  test.each(['127.0.0.1', '::1', '10.0.0.1', '8.8.8.8', '2001:db8::1', 'node-1', '::ffff:127.0.0.1'])(
    '%s is left to the list',
    (host) => {
      expect(neverDialled(host)).toBeUndefined();
    },
  );
});

describe('without a list', () => {
  test.each([
    '127.0.0.1',
    '127.8.8.8',
    '::1',
    'localhost',
    '10.1.2.3',
    '172.31.255.1',
    '192.168.1.1',
    'fd12::1',
    '::ffff:10.0.0.1',
  ])('%s may be dialled', (host) => expect(refusal([], host)).toBeUndefined());
  test.each(['8.8.8.8', '172.32.0.1', '2001:db8::1', 'node-1', 'example.org', '2130706433', '0x7f000001', '127.1'])(
    '49 %s is refused: a public address, or a host name that nobody allowed',
    (host) => expect(refusal([], host)).toMatch(/is not allowed$/),
  );
});

test('49 a list names networks, host names and ports, and takes the place of the default', () => {
  const list = [
    '203.0.113.0/24:7000-7099',
    'node-*.internal:7070',
    '[2001:db8::]:7070',
    '[2001:db8:1::/48]',
    '198.51.100.7',
  ];
  for (const [host, port] of [
    ['203.0.113.9', 7_000],
    ['203.0.113.9', 7_099],
    ['node-12.internal', 7_070],
    ['NODE-a.Internal', 7_070],
    ['2001:db8::', 7_070],
    ['2001:db8:1::5', 1],
    ['198.51.100.7', 65_535],
  ] as const) {
    expect(refusal(list, host, port), `${host} ${port}`).toBeUndefined();
  }
  for (const [host, port, why] of [
    ['203.0.113.9', 7_100, 'port 7100 of 203.0.113.9 is not allowed'],
    ['node-12.internal', 22, 'port 22 of node-12.internal is not allowed'],
    ['node-1.evil.internal', 7_070, 'the host name node-1.evil.internal is not allowed'],
    ['node-1.internal.evil', 7_070, 'the host name node-1.internal.evil is not allowed'],
    ['2001:db8::1', 7_070, 'the address 2001:db8::1 is not allowed'],
    ['127.0.0.1', 7_070, 'the address 127.0.0.1 is not allowed'],
  ] as const) {
    expect(refusal(list, host, port)).toBe(why);
  }
  expect(refusal(['private', 'node-1'], '10.0.0.1')).toBeUndefined();
  expect(refusal(['10.0.0.0/8:7070'], '10.0.0.1', 0), 'a port that is not known yet').toBeUndefined();
});

test.each([
  '10.0.0.0/33',
  'a b',
  '10.0.0.1:0',
  '10.0.0.1:70000',
  '10.0.0.1:9-3',
  '',
  'http://x',
  '300.1.1.1',
  'node/8',
  '[x]',
])('%j is no entry', (entry) => expect(() => new LinkAllow([entry])).toThrow(RangeError));

describe('a name', () => {
  const look = (name: string, all: boolean) =>
    new Promise<{ error: NodeJS.ErrnoException | null; found: unknown }>((resolve) =>
      guardedLookup(name, { all }, (error, found) => resolve({ error, found })),
    );
  test('49 that resolves to an address that is never dialled is not dialled', async () => {
    // Resolved by the resolver's own reading of numbers, without asking anybody.
    for (const name of ['2852039166', '0xa9fea9fe', '0']) {
      for (const all of [true, false]) expect((await look(name, all)).error?.code, name).toBe('ELINKREFUSED');
    }
  });
  test('49 is held to that by a dial', async () => {
    const cleanup = new Cleanup();
    const node = new End(NODE, { takes: () => true });
    const { address } = await listen(cleanup, node);
    const router = new End(ROUTER);
    // 0.0.0.0, at which this machine would answer.
    const link = dialLink({ host: '0', port: address.port }, router.options);
    cleanup.add(() => link.destroy());
    expect(await router.events.down()).toMatchObject({ wasUp: false, code: 'unreachable' });
    expect(node.events.ups).toEqual([]);
    await cleanup.run();
  });
  test('that resolves to another is', async () => {
    expect(await look('2130706433', false)).toMatchObject({ error: null, found: '127.0.0.1' });
    expect(await look('2130706433', true)).toMatchObject({ error: null, found: [{ address: '127.0.0.1', family: 4 }] });
  });
});
