/** A proven peer that then says whatever an input says, over a real socket. Owns: the valid handshake before it, and the wait for the
 *  other side's end of the link. */
import type { Socket } from 'node:net';
import { UNPROVEN_PAYLOAD_MAX } from '../../shared/link/frame-header.ts';
import { FrameSplitter } from '../../shared/link/frame-splitter.ts';
import { Handshake, type HandshakeOptions } from '../../shared/link/handshake.ts';
import { turns } from './memory-socket.ts';
import { helloOf } from './records.ts';
import { Broken } from './target.ts';

/** Shakes hands. What comes behind the handshake is read and thrown away, so that the other side can go on writing.
 *  @throws Broken where the other side does not accept */
export function shake(socket: Socket, options: HandshakeOptions): Promise<void> {
  const handshake = new Handshake({ ...options, self: helloOf(options.self) });
  const splitter = new FrameSplitter(UNPROVEN_PAYLOAD_MAX);
  let isOver = false;
  return new Promise((resolve, reject) => {
    socket.on('error', () => {});
    socket.once('close', () => reject(new Broken('handshake', 'the socket closed')));
    socket.on('data', (chunk: Buffer) => {
      if (isOver) return;
      splitter.push(chunk);
      for (let frame = splitter.next(); frame !== undefined && !isOver; frame = splitter.next()) {
        const step = handshake.receive(frame);
        for (const bytes of step.send) socket.write(bytes);
        isOver = step.kind !== 'wait';
        if (step.kind === 'done') resolve();
        else if (step.kind === 'failed') reject(new Broken('handshake', step.error.message));
      }
    });
    for (const bytes of handshake.start().send) socket.write(bytes);
  });
}

/** Writes the pieces, each in a turn of its own, then ends the stream; returns when the socket is closed. */
export async function pour(socket: Socket, steps: readonly Buffer[]): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
  for (const step of steps) {
    if (!socket.writable) break;
    socket.write(step);
    await turns(1);
  }
  // What the other side says to it leaves before it hears of the end.
  await turns(2);
  if (socket.writable) socket.end();
  await closed;
}
