import { describe, expect, it } from 'vitest';
import { plainOf } from './text.ts';
import { renderWhere } from './where.ts';

const NOW = Date.UTC(2026, 0, 2, 12);
const record = {
  owner: { node: 'n1', incarnation: '790d353d0c967af6048e18ae36b3d399' },
  ownerLives: true,
  epoch: 1_795_635_082_284,
  head: 1_234,
};
const holder = { node: 'n1', epoch: 1_795_635_082_284, head: 1_234, sessions: 3, since: NOW - 65_000, program: 'chat' };
const body = {
  room: 'lobby',
  record,
  placement: [
    { node: 'n1', weight: 1 },
    { node: 'n2', weight: 0.5 },
  ],
  heldBy: [holder],
  recentMoves: [{ at: NOW - 3_000, from: 'n2', to: 'n1', epoch: 1_795_635_082_284, why: 'takeover' }],
  cachedRoute: { node: 'n1', incarnation: 'x' },
};
const screen = (explained: unknown) => renderWhere(explained, NOW).map(plainOf);
const why = (explained: unknown) =>
  screen(explained)
    .find((line) => line.startsWith('why'))
    ?.slice(11);

describe('where a room is', () => {
  it('is one screen', () => {
    expect(screen(body)).toEqual([
      'lobby',
      '',
      'why        n1 owns it, and placement wants it there.',
      'record     n1 (incarnation 790d353d…, lives), epoch 1795635082284, head 1,234',
      'placement  1. n1  2. n2 (weight 0.5)',
      'holder     n1: 3 sessions, head 1,234, program chat, epoch 1795635082284, held for 65 s',
      'moves      11:59:57.000  n2 → n1  epoch 1795635082284 (takeover)',
      'route      this router would send the next client to n1',
    ]);
  });

  it('says what the router says of why, of a pin and of a move under way', () => {
    const lines = screen({
      ...body,
      why: 'It is pinned there.',
      pinned: { node: 'n1', by: 'ops\u001b[2J', at: NOW - 60_000 },
      moving: { to: 'n2', step: 'state', sinceMs: 120 },
    });
    expect(lines).toContain('why        It is pinned there.');
    expect(lines).toContain('pinned     to n1 by ops\\u{1b}[2J, 60 s ago');
    expect(lines).toContain('moving     to n2: state for 120 ms');
  });

  it('has a reason for each state of a takeover', () => {
    expect(why({ ...body, record: null, heldBy: [] })).toMatch(/^Nobody has ever opened it/);
    expect(why({ ...body, record: { ...record, owner: null }, heldBy: [] })).toMatch(/^Nobody owns it: it was empty/);
    expect(why({ ...body, record: { ...record, ownerLives: false }, heldBy: [] })).toMatch(/^n1 owned it and is dead/);
    expect(why({ ...body, heldBy: [] })).toMatch(/it is being claimed or released/);
    expect(why({ ...body, heldBy: [], incomplete: ['n1'] })).toMatch(/does not answer/);
    expect(why({ ...body, placement: [{ node: 'n2' }, { node: 'n1' }] })).toMatch(
      /^n1 owns it. Placement would choose n2/,
    );
    expect(why({ ...body, record: null, recordError: 'timeout' })).toBe('Redis cannot be read now (timeout).');
  });

  it('shows an answer of another shape as far as it goes', () => {
    for (const odd of [null, [], 'x', { record: 7, heldBy: 'n1', placement: [null], recentMoves: [{}] }]) {
      expect(screen(odd).length).toBeGreaterThan(4);
    }
  });
});
