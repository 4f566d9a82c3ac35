/** Texts under fuzz: what is read of a request, and of the tokens and cursors in it. Owns: their oracles. An input is lines; the first
 *  character of each says who reads the rest:
 *
 *      r  segment of a path        every reader of room ids says the same
 *      u  target, TAB, headers     an upgrade is let through with checked values, or refused with a code
 *      c  cursor of a listing      a room id, or bad_request
 *      t  resume token             genuine only if it is the one that was issued
 *      j  access token             its user only if its signature is ours
 *      m  message of a client      decoded as it was written, or refused with a code; the same again when it is written anew
 *      a  method, target, type and body, separated by TABs: the API answers once, never with 500, and shows nothing of itself
 *
 *  Invariant: nothing is thrown that is not a coded refusal, and no prototype changes. */
import { IncomingMessage, type RequestListener, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { SignJWT } from 'jose';
import { Registry } from 'prom-client';
import { Authenticator } from '../../router/authenticate.ts';
import { FakeApiPorts, summary } from '../../router/fake-api-ports.ts';
import { cursorFrom, cursorTo } from '../../router/http-answer.ts';
import { httpApi } from '../../router/http-api.ts';
import { checkUpgrade } from '../../router/upgrade.ts';
import { ManualClock } from '../../shared/clock.ts';
import { BellhopError, isErrorCode } from '../../shared/errors.ts';
import { isRoomId, isSessionId, isTag } from '../../shared/ids.ts';
import { decodeClientMessage } from '../../shared/protocol-decode.ts';
import type { SeededRandom } from '../../shared/random.ts';
import { issueResume, verifyResume } from '../../shared/token.ts';
import type { FuzzInput } from './input.ts';
import { decodedOnce, readRoom } from './room-readers.ts';
import { type Grammar, insist, type Target } from './target.ts';

/** Of everybody who reads; `a` last, since its turns cost most. */
const READERS = 'ructjma';
const NEW_LINE = 0x0a;
const SESSION = 's'.repeat(22);
const SCOPE = { session: SESSION, user: 'ann', room: 'lobby' };
const SECRETS = ['a secret of the cluster, long enough'];
const JWT_SECRET = 'a secret for access tokens, long enough';
const TAG = `7.${'a'.repeat(16)}`;
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ISSUED = issueResume(SECRETS, { ...SCOPE, seat: 3, since: 1, expiresAtMs: 2 ** 52 });
const OWN_PROPERTIES = Object.getOwnPropertyNames(Object.prototype).length;
/** A stack, a path of ours, or where a module lies. */
const INSIDE = /\bat \S+ \(|node_modules|node:internal|\.(?:ts|js):[0-9]+|\/dist\//;

function linesOf(stream: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from < stream.length; ) {
    const at = stream.indexOf(NEW_LINE, from);
    const end = at < 0 ? stream.length : at + 1;
    lines.push(stream.subarray(from, end));
    from = end;
  }
  return lines;
}

/** Lines, each a frame for one of these readers. */
const lineGrammar = (readers: string): Grammar => ({
  split: linesOf,
  payload: (frame) => (frame.length < 2 ? undefined : frame.subarray(1, ending(frame))),
  withPayload: (frame, payload) =>
    Buffer.concat([frame.subarray(0, 1), payload.map((byte) => (byte === NEW_LINE ? 0x20 : byte)), Buffer.from('\n')]),
  lie: (frame, random) => Buffer.concat([Buffer.from(random.pick([...readers])), frame.subarray(1)]),
  resize(frame, random: SeededRandom) {
    const rest = frame.subarray(1, ending(frame));
    const filler = Buffer.alloc(
      random.pick([1, 76, 127, 128, 129, 384, 385, 4_096, 70_000]),
      random.pick(['a', '%41', ' ', '[']),
    );
    return Buffer.concat([frame.subarray(0, 1), rest, filler, Buffer.from('\n')]);
  },
});

export class TextTarget implements Target {
  readonly name: string;
  readonly grammar: Grammar;
  readonly #readers: string;
  readonly turn = 400;
  readonly variants = 0;
  readonly bytesMax = 100_000;
  readonly words = [
    'lobby',
    '%2e%2e',
    '%252f',
    '%00',
    '%c0%ae',
    'user',
    'resume',
    TAG,
    SESSION,
    'none',
    'HS256',
    'cursor',
  ];
  readonly #clock = new ManualClock();
  readonly #authenticator = new Authenticator({ clock: this.#clock, jwt: { keys: { secret: JWT_SECRET } } });
  #token: string | undefined;
  #api = apiOfOneNode();

  /** @param readers  who reads lines: those of all others are passed over */
  constructor(name = 'text', readers = READERS) {
    this.name = name;
    this.grammar = lineGrammar(readers);
    this.#readers = readers;
  }

  seeds(): FuzzInput[] {
    const query = `user=ann&session=${SESSION}&resume=${ISSUED}&after=7&tag=${TAG}&history=5`;
    const headers = `Host: a\tUpgrade: websocket\tConnection: Upgrade\tSec-WebSocket-Key: ${KEY}\tSec-WebSocket-Version: 13`;
    const texts = [
      'rlobby',
      'r%6cobby',
      'r%252e%2e',
      `r${'x'.repeat(128)}`,
      `u/rooms/lobby?${query}\t${headers}\tOrigin: http://a\tAuthorization: Bearer a.b.c`,
      `u/rooms/lobby\t${headers}\tSec-WebSocket-Protocol: bellhop.v1, bearer.a.b.c\tCookie: a=1`,
      `c${cursorTo('lobby')}`,
      `t${ISSUED}`,
      'jgenuine',
      `j${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"root","rooms":["*"]}').toString('base64url')}.`,
      'm{"type":"publish","id":7,"data":{"a":[1,2.50,"\\ud83d\\ude00"],"a":{}}}',
      'm {"d\\u0061ta": 1e3, "type" :"signal","__proto__":{"x":1}}',
      'm{"type":"meta","data":null}',
      'm{"type":"ping","type":"ping","new":[[]]}',
      `aGET\t/api/v1/rooms?prefix=l&cursor=${cursorTo('lobby')}&limit=3\t\t`,
      'aGET\t/api/v1/rooms/lobby/messages?after=1&limit=2\t\t',
      'aPOST\t/api/v1/rooms/lobby/messages\tapplication/json\t{"data":{"a":[1,2]},"from":"ann"}',
      'aPOST\t/api/v1/users/ann/messages\tapplication/json\t{"data":1}',
      'aPOST\t/api/v1/rooms/lobby/move\tapplication/json\t{"node":"n1"}',
      'aPOST\t/api/v1/nodes/n1/drain\tapplication/json\t{"deadlineMs":1000,"dryRun":true}',
      'aDELETE\t/api/v1/rooms/lobby\t\t',
      'aGET\t/api/v1/rooms/lobby/explain\t\t',
      'aGET\t/api/v1/rooms/lobby/presence?source=owner\t\t',
      'aGET\t/api/v1/audit?limit=5\t\t',
    ].filter(([reader = '']) => this.#readers.includes(reader));
    const all = Buffer.from(`${texts.join('\n')}\n`);
    const each = texts.map((text) => ({ target: this.name, variant: 0, links: [[Buffer.from(`${text}\n`)]] }));
    return [...each, { target: this.name, variant: 0, links: [[all]] }];
  }

  async run(input: FuzzInput): Promise<void> {
    this.#token ??= await new SignJWT({ rooms: ['*'] })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('ann')
      .sign(new TextEncoder().encode(JWT_SECRET));
    const stream = Buffer.concat(input.links.flat());
    for (const line of linesOf(stream)) await this.#line(line.toString('utf8', 0, ending(line)));
    insist(Object.getOwnPropertyNames(Object.prototype).length === OWN_PROPERTIES, 'prototypes', 'one has changed');
  }

  async reset(): Promise<void> {
    this.#api = apiOfOneNode();
  }

  async settle(): Promise<void> {}

  async #line(line: string): Promise<void> {
    const text = line.slice(1);
    const reader = line[0] ?? '';
    if (!this.#readers.includes(reader)) return;
    switch (reader) {
      case 'r':
        return checkRoom(text);
      case 'u':
        return checkUpgradeOf(text);
      case 'c':
        return checkCursor(text);
      case 't':
        return checkResume(text);
      case 'j':
        return this.#checkAccess(text);
      case 'm':
        return checkMessage(text);
      case 'a':
        return this.#checkAnswer(text);
      default:
        return;
    }
  }

  /** What is left of the line is the token, with the genuine one where it says so. */
  async #checkAccess(text: string): Promise<void> {
    const genuine = this.#token ?? '';
    const bearer = text.replaceAll('genuine', genuine);
    const identity = await this.#authenticator.identify({ room: 'lobby', user: 'root', bearer, guest: 'g' });
    if (!identity.ok) return insist(isErrorCode(identity.code), 'access token', `refused with ${identity.code}`);
    // The last character of a signature has bits that say nothing.
    insist(bearer.slice(0, -1) === genuine.slice(0, -1), 'access token', `${bearer} was taken`);
    insist(identity.user === 'ann', 'access token', `it is ${identity.user}`);
  }

  async #checkAnswer(text: string): Promise<void> {
    const [method = 'GET', url = '/', type = '', ...body] = text.split('\t');
    const { status, answer, answers } = await ask(this.#api, { method, url, type, body: body.join('\t') });
    insist(answers === 1, 'the API', `gave ${answers} answers`);
    insist(status >= 200 && status < 600 && status !== 500, 'the API', `${method} ${url} is ${status}: ${answer}`);
    if (status < 400) return;
    insist(!INSIDE.test(answer), 'an error', `shows ${answer}`);
    if (method !== 'HEAD') insist(isErrorCode(JSON.parse(answer).error.code), 'an error', `has no code: ${answer}`);
  }
}

function ending(line: Buffer): number {
  return line.at(-1) === NEW_LINE ? line.length - 1 : line.length;
}

function checkRoom(segment: string): void {
  // These end the segment.
  if (/[/?#]/.test(segment)) return;
  const readings = Object.values(readRoom(segment, decodedOnce(segment)));
  insist(new Set(readings).size === 1, 'room ids', `${JSON.stringify(segment)} is ${JSON.stringify(readings)}`);
  const [room] = readings;
  insist(room === undefined || isRoomId(room), 'room ids', `${JSON.stringify(room)} is none`);
}

function checkUpgradeOf(text: string): void {
  const [url = '', ...lines] = text.split('\t');
  const rawHeaders = lines.flatMap((line) => {
    const at = line.indexOf(':');
    return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1).trim()];
  });
  const verdict = checkUpgrade({ method: 'GET', httpVersion: '1.1', url, rawHeaders }, undefined);
  if (!verdict.ok) return insist(isErrorCode(verdict.code), 'an upgrade', `is refused with ${verdict.code}`);
  const { room, resume, history } = verdict.request;
  insist(isRoomId(room), 'an upgrade', `enters ${JSON.stringify(room)}`);
  insist(Number.isSafeInteger(history) && history >= 0 && history <= 100, 'an upgrade', `asks for ${history} messages`);
  if (resume === undefined) return;
  insist(isSessionId(resume.session), 'an upgrade', `resumes ${JSON.stringify(resume.session)}`);
  const { cursor } = resume;
  if (cursor === undefined) return;
  insist(
    Number.isSafeInteger(cursor.seq) && cursor.seq >= 0 && isTag(cursor.tag),
    'an upgrade',
    JSON.stringify(cursor),
  );
}

function checkCursor(text: string): void {
  try {
    const last = cursorFrom(new URLSearchParams({ cursor: text }), isRoomId);
    insist(last === undefined || isRoomId(last), 'a cursor', `is ${JSON.stringify(last)}`);
  } catch (error) {
    if (!(error instanceof BellhopError && error.code === 'bad_request')) throw error;
  }
}

function checkMessage(text: string): void {
  const decoded = decodeClientMessage(text);
  if (!decoded.ok) return insist(isErrorCode(decoded.code), 'a message', `is refused with ${decoded.code}`);
  const { message } = decoded;
  const read = JSON.parse(text) as Record<string, unknown>;
  insist(read['type'] === message.type, 'a message', `is ${message.type}`);
  if (message.type === 'ping') return;
  insist(isDeepStrictEqual(JSON.parse(message.dataText), message.data), 'a message', `hands on ${message.dataText}`);
  insist(isDeepStrictEqual(read['data'], message.data), 'a message', `reads ${message.dataText}`);
  insist(!('id' in message) || read['id'] === message.id, 'a message', 'has another id');
  // Put in front of it, the same field makes it two.
  const twice = decodeClientMessage(text.replace('{', `{"type":"${message.type}",`));
  insist(!twice.ok, 'a message', 'may say its type twice');
}

function checkResume(token: string): void {
  const verdict = verifyResume(SECRETS, token, SCOPE, 1);
  const isIssued = Buffer.from(token, 'base64url').equals(Buffer.from(ISSUED, 'base64url'));
  insist(!verdict.ok || (isIssued && verdict.seat === 3), 'a resume token', `${token} was taken`);
  if (token !== ISSUED) return;
  const others = [{ user: 'bob' }, { room: 'hall' }, { session: 't'.repeat(22) }];
  for (const other of others) {
    insist(!verifyResume(SECRETS, token, { ...SCOPE, ...other }, 1).ok, 'a resume token', 'is good for another');
  }
}

function apiOfOneNode(): RequestListener {
  const ports = new FakeApiPorts();
  ports.addNode('n1', [summary('lobby')]);
  ports.owners.set('lobby', 'n1');
  return httpApi({ ports, registry: new Registry(), open: true });
}

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly type: string;
  readonly body: string;
}

/** Puts one request to the API as Node's HTTP would, without a connection. */
function ask(
  api: RequestListener,
  { method, url, type, body }: Asked,
): Promise<{ readonly status: number; readonly answer: string; readonly answers: number }> {
  const request = new IncomingMessage(new Socket());
  request.method = method;
  request.url = url;
  request.rawHeaders = ['Host', '127.0.0.1', ...(type === '' ? [] : ['Content-Type', type])];
  request.headers = { host: '127.0.0.1', ...(type === '' ? {} : { 'content-type': type }) };
  request.push(body === '' ? null : body);
  if (body !== '') request.push(null);
  request.complete = true;
  const response = new ServerResponse(request);
  let answers = 0;
  return new Promise((resolve) => {
    response.end = ((text?: string) => {
      answers += 1;
      // A second answer would come within the same turn.
      if (answers === 1) setImmediate(() => resolve({ status: response.statusCode, answer: text ?? '', answers }));
      return response;
    }) as typeof response.end;
    api(request, response);
  });
}
