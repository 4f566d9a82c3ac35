import { describe, expect, test } from 'vitest';
import { encode } from './codec.ts';
import type { Frame } from './frame-header.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { Handshake, type HandshakeOptions, type HandshakeStep } from './handshake.ts';
import { LinkProtocolError } from './protocol-error.ts';

const router: HandshakeOptions = {
  side: 'dialer',
  self: { role: 'router', cluster: 'blue', id: 'r1', incarnation: 'a'.repeat(32), features: ['one', 'two'] },
  secrets: ['s3cret'],
  nonce: '1'.repeat(32),
  accepts: ['node'],
};
const node: HandshakeOptions = {
  side: 'acceptor',
  self: { role: 'node', cluster: 'blue', id: 'n1', incarnation: 'b'.repeat(32), features: ['two', 'three'] },
  secrets: ['s3cret'],
  nonce: '2'.repeat(32),
  accepts: ['router', 'node'],
};

function frames(step: HandshakeStep): Frame[] {
  const splitter = new FrameSplitter();
  splitter.push(Buffer.concat(step.send));
  const result: Frame[] = [];
  for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) result.push(frame);
  return result;
}

function only(step: HandshakeStep): Frame {
  const [frame, ...more] = frames(step);
  if (frame === undefined || more.length > 0) throw new Error('one frame was expected');
  return frame;
}

/** Lets both talk until nobody has anything to say. */
function talk(dialerOptions: HandshakeOptions, acceptorOptions: HandshakeOptions) {
  const dialer = new Handshake(dialerOptions);
  const acceptor = new Handshake(acceptorOptions);
  const told = { dialer: dialer.start(), acceptor: acceptor.start() };
  let toAcceptor = frames(told.dialer);
  const order: string[] = [];
  while (toAcceptor.length > 0) {
    const toDialer: Frame[] = [];
    for (const frame of toAcceptor) {
      order.push(`dialer ${frame.type}`);
      if (told.acceptor.kind !== 'wait') continue;
      told.acceptor = acceptor.receive(frame);
      toDialer.push(...frames(told.acceptor));
    }
    toAcceptor = [];
    for (const frame of toDialer) {
      order.push(`acceptor ${frame.type}`);
      if (told.dialer.kind !== 'wait') continue;
      told.dialer = dialer.receive(frame);
      toAcceptor.push(...frames(told.dialer));
    }
  }
  return { ...told, order };
}

function faultOf(step: HandshakeStep): string {
  return step.kind === 'failed' ? step.error.code : step.kind;
}

describe('two of one cluster', () => {
  test('come up, and the acceptor proves itself last', () => {
    const { dialer, acceptor, order } = talk(router, node);
    expect(order).toEqual(['dialer hello', 'acceptor hello', 'dialer proof', 'acceptor proof']);
    expect(dialer).toMatchObject({
      kind: 'done',
      peer: { role: 'node', id: 'n1', incarnation: 'b'.repeat(32), version: 1, features: ['two'] },
    });
    expect(acceptor).toMatchObject({ kind: 'done', peer: { role: 'router', id: 'r1', version: 1, features: ['two'] } });
  });

  test('agree on the highest version that both speak', () => {
    const newer = { ...node, self: { ...node.self, versionMin: 1, versionMax: 7 } };
    const { dialer } = talk({ ...router, self: { ...router.self, versionMax: 4 } }, newer);
    expect(dialer).toMatchObject({ kind: 'done', peer: { version: 4 } });
  });

  test('47 come up at every stage of a rotation of the secret', () => {
    const stages = [['old'], ['old', 'new'], ['new', 'old'], ['new']];
    for (const [at, secrets] of stages.entries()) {
      // At any moment, processes of two neighbouring stages live together.
      for (const others of [secrets, stages[at + 1] ?? secrets]) {
        expect(talk({ ...router, secrets }, { ...node, secrets: others }).acceptor.kind).toBe('done');
        expect(talk({ ...router, secrets: others }, { ...node, secrets }).dialer.kind).toBe('done');
      }
    }
  });
});

describe('those who do not belong together', () => {
  test('47 with another secret: the acceptor proves nothing', () => {
    const { dialer, acceptor, order } = talk({ ...router, secrets: ['guess'] }, node);
    expect(faultOf(acceptor)).toBe('proof');
    expect(faultOf(dialer)).toBe('proof');
    expect(order).toEqual(['dialer hello', 'acceptor hello', 'dialer proof', 'acceptor goaway']);
  });

  test('52 of another cluster', () => {
    const { dialer, acceptor } = talk({ ...router, self: { ...router.self, cluster: 'green' } }, node);
    expect(faultOf(acceptor)).toBe('cluster');
    expect(faultOf(dialer)).toBe('cluster');
  });

  test('52 without a version in common: both ranges are named', () => {
    const newer = { ...node, self: { ...node.self, versionMin: 2, versionMax: 3 } };
    const { dialer, acceptor } = talk(router, newer);
    expect(faultOf(acceptor)).toBe('version');
    expect(acceptor).toMatchObject({
      error: { message: 'no version of the link in common: node n1 speaks 2 to 3, router r1 speaks 1 to 1' },
    });
    expect(faultOf(dialer)).toBe('version');
    expect(dialer).toMatchObject({ error: { message: expect.stringContaining('node n1 speaks 2 to 3') } });
  });

  test('a router that dials a router, a node that takes no nodes', () => {
    const { acceptor } = talk(router, { ...node, accepts: ['node'] });
    expect(faultOf(acceptor)).toBe('role');
    const { dialer } = talk(router, { ...node, self: { ...node.self, role: 'router' } });
    expect(faultOf(dialer)).toBe('role');
  });

  test('another node, or another life of it, than was dialed', () => {
    expect(faultOf(talk({ ...router, expect: { id: 'n2' } }, node).dialer)).toBe('identity');
    expect(faultOf(talk({ ...router, expect: { incarnation: 'c'.repeat(32) } }, node).dialer)).toBe('identity');
    expect(talk({ ...router, expect: { id: 'n1', incarnation: 'b'.repeat(32) } }, node).dialer.kind).toBe('done');
  });
});

describe('one without the secret', () => {
  test('47 cannot replay a proof: the acceptor’s nonce is another', () => {
    const dialer = new Handshake(router);
    const first = new Handshake(node);
    const hello = only(dialer.start());
    const proof = only(dialer.receive(only(first.receive(hello))));
    expect(first.receive(proof).kind).toBe('done');

    const second = new Handshake({ ...node, nonce: '3'.repeat(32) });
    second.receive(hello);
    expect(faultOf(second.receive(proof))).toBe('proof');
  });

  test('47 cannot reflect a proof to the one who made it', () => {
    // Two nodes may take each other’s place, so that not the role tells the reflection apart, but the label.
    const dialer = new Handshake({ ...router, self: { ...router.self, role: 'node' } });
    dialer.start();
    const proof = only(
      dialer.receive(
        only(
          new Handshake(node).receive(
            only(new Handshake({ ...router, self: { ...router.self, role: 'node' } }).start()),
          ),
        ),
      ),
    );
    expect(proof.type).toBe('proof');
    expect(faultOf(dialer.receive(proof))).toBe('proof');
  });

  test('cannot reflect a hello', () => {
    const dialer = new Handshake({ ...router, self: { ...router.self, role: 'node' } });
    expect(faultOf(dialer.receive(only(dialer.start())))).toBe('proof');
  });

  test('cannot use one node’s answer to open a link to another', () => {
    // The attacker passes the hellos of a dialer and an acceptor on, but with a hello of its own to the acceptor.
    const dialer = new Handshake(router);
    dialer.start();
    const acceptor = new Handshake(node);
    const forged = only(new Handshake({ ...router, nonce: '9'.repeat(32), secrets: ['guess'] }).start());
    const proof = only(dialer.receive(only(acceptor.receive(forged))));
    expect(faultOf(acceptor.receive(proof))).toBe('proof');
  });

  test('52 cannot talk versions or features down on the way', () => {
    const dialer = new Handshake({ ...router, self: { ...router.self, versionMax: 2 } });
    const acceptor = new Handshake({ ...node, self: { ...node.self, versionMax: 2 } });
    const weakened = only(new Handshake({ ...router, secrets: ['guess'] }).start());
    dialer.start();
    const proof = only(dialer.receive(only(acceptor.receive(weakened))));
    expect(faultOf(acceptor.receive(proof))).toBe('proof');
  });

  test('cannot come up without any proof', () => {
    const acceptor = new Handshake(node);
    acceptor.receive(only(new Handshake(router).start()));
    const [open] = frames({ kind: 'wait', send: [encode({ type: 'open', room: 'r', floor: 0, sessions: [] })] });
    expect(open !== undefined && faultOf(acceptor.receive(open))).toBe('malformed');
  });
});

describe('what is no handshake', () => {
  const frame = (step: Parameters<typeof encode>[0]) => only({ kind: 'wait', send: [encode(step)] });

  test('another frame first, or bytes that are none, are strangers', () => {
    expect(faultOf(new Handshake(node).receive(frame({ type: 'ping', seq: 1 })))).toBe('bad-magic');
    expect(faultOf(new Handshake(node).broken(new LinkProtocolError('too-long', 'GET /')))).toBe('bad-magic');
    const source = Buffer.from('HTTP{}');
    const strange: Frame = { type: 'hello', id: 0, source, start: 0, end: source.length };
    expect(faultOf(new Handshake(node).receive(strange))).toBe('bad-magic');
  });

  test('silence is told by what is missing', () => {
    const acceptor = new Handshake(node);
    expect(acceptor.expire()).toMatchObject({
      error: { code: 'timeout', message: expect.stringContaining('no hello') },
    });
    const later = new Handshake(node);
    later.receive(only(new Handshake(router).start()));
    expect(later.expire()).toMatchObject({ error: { code: 'timeout', message: expect.stringContaining('no proof') } });
  });

  test('a refusal in unknown words is passed on as text', () => {
    const dialer = new Handshake(router);
    const step = dialer.receive(frame({ type: 'goaway', reason: 'protocol', text: 'constructor: x' }));
    expect(step).toMatchObject({
      kind: 'failed',
      send: [],
      error: { code: 'refused', message: expect.stringContaining('constructor: x') },
    });
  });

  test('nothing is taken after the end', () => {
    const acceptor = new Handshake(node);
    acceptor.expire();
    expect(faultOf(acceptor.receive(only(new Handshake(router).start())))).toBe('malformed');
  });

  test('a handshake without a secret is not begun', () => {
    expect(() => new Handshake({ ...router, secrets: [] })).toThrow(RangeError);
    expect(() => new Handshake({ ...router, secrets: ['a', ''] })).toThrow(RangeError);
  });
});
