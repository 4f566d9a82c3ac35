import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { AddressBuckets, addressKey } from './address-buckets.ts';

const clock = new ManualClock();
const allowed = (buckets: AddressBuckets, addresses: readonly string[]): number =>
  addresses.filter((address) => buckets.take(address)).length;
const times = (count: number, address: string): string[] => Array.from({ length: count }, () => address);

describe('42 what counts as one address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2::1', '2001:db8:1:2'],
    ['2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2'],
    ['2001:0db8:0001:0002::', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::', '0:0:0:0'],
    ['127.0.0.1', undefined],
    ['127.9.9.9', undefined],
    ['::1', undefined],
    ['::ffff:127.0.0.1', undefined],
    ['', undefined],
    ['unknown', undefined],
  ])('%s is %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});

describe('42 connections from one address', () => {
  it('are bounded by burst and rate, those from others are not', () => {
    const buckets = new AddressBuckets(clock, { perSecond: 5, burst: 20 });
    expect(allowed(buckets, times(50, '192.0.2.7'))).toBe(20);
    expect(allowed(buckets, times(50, '::ffff:192.0.2.7'))).toBe(0);
    expect(buckets.take('192.0.2.8')).toBe(true);
    clock.advance(2_000);
    expect(allowed(buckets, times(50, '192.0.2.7'))).toBe(10);
  });

  it('from all of one /64 count together', () => {
    const buckets = new AddressBuckets(clock, { perSecond: 5, burst: 20 });
    const hosts = Array.from({ length: 50 }, (_, i) => `2001:db8:1:2::${i.toString(16)}`);
    expect(allowed(buckets, hosts)).toBe(20);
    expect(buckets.take('2001:db8:1:3::1')).toBe(true);
  });

  it('on loopback are not limited', () => {
    const buckets = new AddressBuckets(clock, { perSecond: 1, burst: 1 });
    expect(allowed(buckets, [...times(100, '127.0.0.1'), ...times(100, '::1')])).toBe(200);
    expect(buckets.size).toBe(0);
  });

  it('are remembered in bounded memory, whoever comes', () => {
    const buckets = new AddressBuckets(clock, { perSecond: 5, burst: 20 }, 1_000);
    for (let i = 0; i < 20_000; i++) buckets.take(`2001:db8:${(i >> 8).toString(16)}:${(i & 0xff).toString(16)}::1`);
    expect(buckets.size).toBeLessThanOrEqual(1_000);
    clock.advance(4_000);
    // All are full again, and each question forgets more than it adds.
    for (let i = 0; i < 1_000; i++) buckets.take('192.0.2.7');
    expect(buckets.size).toBe(1);
  });
});
