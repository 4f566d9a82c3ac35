/** `bellhop publish ROOM JSON` and `bellhop tail ROOM`: saying something as a backend, and listening in. */
import { randomUUID } from 'node:crypto';
import type { Command } from '@commander-js/extra-typings';
import { type ApiClient, ApiFailure, segment } from './api-client.ts';
import { asking, type Cli } from './cli.ts';
import { Failure } from './failure.ts';
import { type Fields, fieldsOf, numberOf, textOf } from './fields.ts';
import { type Line, safeJson, styled } from './text.ts';
import { integer, timeOfDay } from './units.ts';

/** A stream that breaks is opened again, so often in a row. */
const ATTEMPTS_MAX = 10;
const AGAIN_MS = 1_000;

export function publishCommand(cli: Cli): Command {
  return asking('publish', 'says something in a room, as a backend')
    .argument('<room>')
    .argument('<json>', 'what to say: JSON, or with --text any text')
    .option('--from <user>', 'in the name of this user')
    .option('--text', 'the argument is a text, not JSON')
    .option('--key <key>', 'idempotency key: said again under the same key, it is said once')
    .action(async (room, said, { json, from, text, key, ...flags }) => {
      const data = text === true ? said : readJson(said);
      const router = await cli.router(flags);
      const headers = { 'idempotency-key': key ?? randomUUID() };
      const body = await router.post(
        `/rooms/${segment(room)}/messages`,
        { data, ...(from === undefined ? {} : { from }) },
        headers,
      );
      if (json === true) return cli.out.json(body);
      const { seq, epoch } = fieldsOf(body);
      cli.out.line(`Said in ${room} as message ${textOf(seq)} of epoch ${textOf(epoch)}.`);
    }) as unknown as Command;
}

export function tailCommand(cli: Cli): Command {
  return asking('tail', 'a room’s messages, as they are said; with --json one object a line')
    .argument('<room>')
    .option('-n, --limit <n>', 'end after so many', integer(1, 1_000_000_000))
    .action(async (room, { json, limit, ...flags }) => {
      const router = await cli.router(flags);
      if (cli.err.isTerminal) cli.err.line(styled('faint', `Listening to ${room}. Ctrl-C ends it.`));
      await tail(cli, router, room, limit ?? Number.POSITIVE_INFINITY, (message) => {
        if (json === true) cli.out.json(message, 0);
        else cli.out.line(renderMessage(message, cli.now()));
      });
    }) as unknown as Command;
}

/** Hears messages until `limit` of them have come or the operator has heard enough. */
async function tail(
  cli: Cli,
  router: ApiClient,
  room: string,
  limit: number,
  hear: (message: Fields) => void,
): Promise<void> {
  let heard = 0;
  let attempts = 0;
  let last = 0;
  while (!cli.signal.aborted) {
    let why = 'the stream ended';
    try {
      for await (const { event, data } of router.stream(`/rooms/${segment(room)}/tail`, cli.signal)) {
        attempts = 0;
        const told = fieldsOf(readMessage(data));
        if (event === 'end') throw new Failure('failed', `${room} cannot be listened to (${textOf(told['code'])}).`);
        if (event === 'reset') {
          last = 0;
          cli.err.line(styled('yellow', 'The numbering began anew.'));
        }
        if (event !== 'message') continue;
        const message = told;
        const seq = numberOf(message['seq']);
        if (seq !== undefined && last > 0 && seq > last + 1) {
          cli.err.line(styled('yellow', `Not seen here: ${last + 1} to ${seq - 1}.`));
        }
        last = seq ?? last;
        hear(message);
        await cli.out.taken();
        if (++heard >= limit) return;
      }
    } catch (error) {
      if (!mayPass(error)) throw error;
      why = error instanceof Error ? error.message : String(error);
    }
    if (cli.signal.aborted) return;
    if (++attempts > ATTEMPTS_MAX) throw new Failure('failed', `the tail of ${room} broke: ${why}`);
    cli.err.line(styled('yellow', `${why}: listening again.`));
    await cli.pause(AGAIN_MS);
  }
}

/** Whether it may help to listen again. */
function mayPass(error: unknown): boolean {
  if (error instanceof ApiFailure) return error.status >= 500 && error.status !== 501;
  // A router that does not answer has answered before: it may be starting again.
  return !(error instanceof Failure) || error.ending === 'wrong';
}

export function renderMessage({ seq, at, from, data }: Fields, now: number): Line {
  return [
    styled('faint', `${timeOfDay(numberOf(at), now)} #${textOf(seq)} `),
    styled('cyan', textOf(from)),
    ` ${safeJson(data)}`,
  ];
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Failure('wrong', 'what is to be said must be JSON, e.g. \'"hello"\' in quotes; or give --text.');
  }
}

function readMessage(data: string): unknown {
  try {
    return JSON.parse(data) as unknown;
  } catch {
    throw new Failure('failed', 'the tail holds something that is not JSON.');
  }
}
