import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clientAddress } from './client-address.ts';

const PROXIES = ['10.0.0.0/8', '2001:db8:1::/48'];
const seen = (remoteAddress: string | undefined, values: readonly string[], trusted: readonly string[] = PROXIES) =>
  clientAddress(trusted)({
    rawHeaders: values.flatMap((value) => ['X-Forwarded-For', value]),
    socket: { remoteAddress },
  });

describe('19 X-Forwarded-For', () => {
  test('19 is not believed from whoever is not a configured proxy', () => {
    expect(seen('192.0.2.1', ['198.51.100.7'])).toBe('192.0.2.1');
    expect(seen('127.0.0.1', ['198.51.100.7'], [])).toBe('127.0.0.1');
    expect(seen('::ffff:192.0.2.1', ['10.0.0.1'])).toBe('192.0.2.1');
  });

  test('19 of a proxy names the rightmost address that is not a proxy, whatever the client wrote before it', () => {
    expect(seen('10.0.0.1', ['198.51.100.7'])).toBe('198.51.100.7');
    expect(seen('::ffff:10.0.0.1', ['1.1.1.1, 198.51.100.7, 10.2.3.4'])).toBe('198.51.100.7');
    expect(seen('10.0.0.1', ['1.1.1.1', '198.51.100.7', '10.2.3.4,2001:db8:1::9'])).toBe('198.51.100.7');
    expect(seen('2001:db8:1::1', ['10.9.9.9, 198.51.100.7:4711'])).toBe('198.51.100.7');
    expect(seen('10.0.0.1', ['[2001:DB8:2::1]:4711'])).toBe('2001:db8:2::1');
  });

  test('19 with proxies alone names the first of them; what is no address ends the list', () => {
    expect(seen('10.0.0.1', [])).toBe('10.0.0.1');
    expect(seen('10.0.0.1', ['10.0.0.3, 10.0.0.2'])).toBe('10.0.0.3');
    expect(seen('10.0.0.1', ['198.51.100.7, unknown'])).toBe('10.0.0.1');
    expect(seen('10.0.0.1', ['198.51.100.7, , 10.0.0.2'])).toBe('10.0.0.2');
    expect(seen(undefined, ['198.51.100.7'])).toBe('');
  });

  test('19 cannot be forged through a proxy, whatever the client sends', () => {
    const text = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constantFrom('10.0.0.1', ',', '127.0.0.1, '));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 5 }), (written) => {
        expect(seen('10.0.0.1', [...written, '198.51.100.7'])).toBe('198.51.100.7');
        expect(seen('10.0.0.1', [[...written, '198.51.100.7'].join(',')])).toBe('198.51.100.7');
      }),
    );
  });
});
