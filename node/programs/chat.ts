/** The built-in program: what one says, all hear, in one order. */
import type { Program, ProgramFactory } from '../program.ts';

const CHAT: Program = {
  message: (publish, room) => room.relay(publish),
};

export const chat: ProgramFactory = () => CHAT;
