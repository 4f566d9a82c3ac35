import { describe, expect, it } from 'vitest';
import type { ClientFrame } from '../shared/link/messages.ts';
import { ClientSession, UNACKED_BYTES_MAX, UNACKED_FRAMES_MAX } from './session.ts';

const CLIENT = {
  room: 'r',
  user: 'u',
  session: 's',
  seat: 3,
  since: 5,
  kind: 'resume' as const,
  cursor: { seq: 4, tag: '1.1111111111111111' },
  history: 0,
};

function session(frames = 0): ClientSession {
  const one = new ClientSession(9, CLIENT, 0);
  for (let n = 1; n <= frames; n++) one.take(Buffer.from(String(n)));
  return one;
}

/** Takes `most` frames, then refuses. */
function link(most = Number.POSITIVE_INFINITY) {
  const sent: string[] = [];
  const send = (frame: ClientFrame) => {
    if (sent.length >= most) return false;
    sent.push(`${frame.cseq}${frame.resent ? '*' : ''}`);
    return true;
  };
  return { sent, send };
}

const AT = { node: 'n1', incarnation: 'a'.repeat(32) };

describe('frames', () => {
  it('leave once, in order', () => {
    const one = session(2);
    const { sent, send } = link();
    one.sendUnsent(send, AT);
    one.take(Buffer.from('3'));
    one.sendUnsent(send, AT);
    one.sendUnsent(send, AT);
    expect(sent).toEqual(['1', '2', '3']);
  });

  it('are sent again to another owner, flagged, and none that is acked', () => {
    const one = session(3);
    one.sendUnsent(link(2).send, AT);
    one.acked(1);
    const { sent, send } = link();
    one.sendAll(send, AT);
    expect(sent).toEqual(['2*', '3']);
    expect(one.unacked).toBe(2);
  });

  it('are not overtaken when the new owner’s link takes only some of them', () => {
    const one = session(4);
    one.sendUnsent(link().send, AT);
    const first = link(2);
    one.sendAll(first.send, AT);
    one.take(Buffer.from('5'));
    const drained = link();
    one.sendUnsent(drained.send, AT);
    expect([...first.sent, ...drained.sent]).toEqual(['1*', '2*', '3*', '4*', '5']);
  });

  it('are not lost when the new owner’s link takes none at first', () => {
    const one = session(2);
    one.sendUnsent(link().send, AT);
    one.sendAll(link(0).send, AT);
    one.take(Buffer.from('3'));
    const { sent, send } = link();
    one.sendUnsent(send, AT);
    expect(sent).toEqual(['1*', '2*', '3']);
  });

  it('are kept until they are acked', () => {
    const one = session(3);
    one.acked(0);
    expect(one.unacked).toBe(3);
    one.acked(2);
    expect(one.unacked).toBe(1);
    one.acked(99);
    expect(one.unacked).toBe(0);
  });
});

describe('the bound', () => {
  it('is reached by frames, and left at half of it', () => {
    const one = session(UNACKED_FRAMES_MAX - 1);
    expect(one.full).toBe(false);
    one.take(Buffer.alloc(1));
    expect(one.full).toBe(true);
    one.acked(UNACKED_FRAMES_MAX / 2 - 1);
    expect(one.low).toBe(false);
    one.acked(UNACKED_FRAMES_MAX / 2);
    expect(one.low).toBe(true);
  });

  it('is reached by bytes', () => {
    const one = session();
    one.take(Buffer.alloc(UNACKED_BYTES_MAX));
    expect([one.full, one.low]).toEqual([true, false]);
    one.acked(1);
    expect([one.full, one.low]).toEqual([false, true]);
  });
});

it('is named as it came until it was seated, then as a rebind', () => {
  const one = session();
  expect(one.opening()).toEqual({
    handle: 9,
    session: 's',
    user: 'u',
    seat: 3,
    since: 5,
    kind: 'resume',
    cursor: CLIENT.cursor,
  });
  one.everSeated = true;
  expect(one.opening()).toEqual({ handle: 9, session: 's', user: 'u', seat: 3, since: 5, kind: 'rebind' });
});
