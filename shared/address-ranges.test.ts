import { expect, test } from 'vitest';
import { addressRanges, plainAddress } from './address-ranges.ts';

test('ranges of both families hold their addresses, however those are written', () => {
  const ranges = addressRanges(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '2001:db8::1']);
  const inside = ['10.255.0.1', '192.0.2.7', 'fd12::1', '2001:DB8:0:0::1', '::ffff:10.1.2.3', '::ffff:0a01:0203'];
  for (const address of inside) expect(ranges.has(address), address).toBe(true);
  const outside = ['11.0.0.1', '192.0.2.8', 'fe80::1', '2001:db8::2', '::ffff:11.0.0.1', '', 'unknown', '10.0.0.1.'];
  for (const address of outside) expect(ranges.has(address), address).toBe(false);
});

test('what is neither an address nor a range is refused', () => {
  for (const text of [
    '',
    'example.org',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'fe80::1%eth0',
    '10.0.0.0/-1',
    '::/129',
  ]) {
    expect(() => addressRanges([text]), text).toThrow(RangeError);
  }
});

test('an address has one spelling', () => {
  expect(plainAddress('2001:0DB8:0:0:0:0:0:1')).toBe('2001:db8::1');
  expect(plainAddress('::FFFF:192.0.2.1')).toBe('192.0.2.1');
  expect(plainAddress('fe80::1%eth0')).toBe('fe80::1');
  expect(plainAddress('192.0.2.256')).toBeUndefined();
});
