import { describe, expect, test } from 'vitest';
import { ReceiveCredit, SendCredit } from './credit.ts';

describe('ReceiveCredit', () => {
  test('grants the window, and anew what was taken once that is half of it', () => {
    const credit = new ReceiveCredit(1_000, () => true);
    expect(credit.due()).toBe(1_000);
    expect(credit.due()).toBe(0);
    credit.received(499);
    expect(credit.due()).toBe(0);
    credit.received(1);
    expect(credit.due()).toBe(500);
    credit.received(1_000);
    expect(credit.due()).toBe(1_000);
  });

  test('withholds while no more can be taken, and grants all of it later', () => {
    let takes = false;
    const credit = new ReceiveCredit(1_000, () => takes);
    expect(credit.due()).toBe(0);
    expect(credit.isWithheld).toBe(true);
    takes = true;
    expect(credit.due()).toBe(1_000);
    expect(credit.isWithheld).toBe(false);
  });

  test('refuses more than was granted', () => {
    const credit = new ReceiveCredit(1_000, () => true);
    expect(() => credit.received(1)).toThrow(expect.objectContaining({ code: 'credit-exceeded' }));
    const used = new ReceiveCredit(1_000, () => true);
    used.due();
    used.received(1_000);
    expect(() => used.received(1)).toThrow('1 bytes of data more than were granted');
  });
});

test('SendCredit spends what was granted and no more', () => {
  const credit = new SendCredit();
  expect(credit.spend(1)).toBe(false);
  expect(credit.isShort).toBe(true);
  credit.grant(10);
  expect(credit.isShort).toBe(false);
  expect(credit.spend(8)).toBe(true);
  expect(credit.spend(3)).toBe(false);
  expect(credit.bytes).toBe(2);
});
