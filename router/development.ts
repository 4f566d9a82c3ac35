/** What only a cluster for trying out can be asked: to kill a node of itself. Owns: who may ask. Does not know: how it is done; whoever
 *  started the node does it.
 *  Invariant: it is there only where `npm start` runs everything on loopback under the development secret (config.ts checks that), and
 *  only for this machine's own programs and the pages of this very router: the connection must have come from and to a loopback
 *  address, not through a proxy, be meant for one, and name this origin or none. */
import type { IncomingMessage } from 'node:http';
import { BellhopError } from '../shared/errors.ts';
import { isNodeId } from '../shared/ids.ts';
import { isForwarded, isLoopbackAddress, isLoopbackHost } from './access.ts';
import { type Answer, readBody } from './http-answer.ts';
import { isOriginAllowed } from './upgrade.ts';

export const KILL_PATH = '/development/kill';

/** Answers `POST /development/kill {node}`: the node is killed as by `kill -9`, a moment later.
 *  @param isLiving  whether there is such a node now
 *  @throws BellhopError method_not_allowed, not_allowed, bad_request, not_found */
export async function answerKill(
  request: IncomingMessage,
  kill: (node: string) => void,
  isLiving: (node: string) => boolean,
): Promise<Answer> {
  if (request.method !== 'POST') throw new BellhopError('method_not_allowed');
  const { remoteAddress, localAddress } = request.socket;
  const { host = '', origin } = request.headers;
  const isLocal =
    !isForwarded(request) && isLoopbackAddress(remoteAddress ?? '') && isLoopbackAddress(localAddress ?? '');
  if (!isLocal || !isLoopbackHost(host) || (origin !== undefined && !isOriginAllowed(origin, host, undefined))) {
    throw new BellhopError('not_allowed', 'only this machine, and the pages of this router, may do this');
  }
  const { node } = await readBody(request);
  if (typeof node !== 'string' || !isNodeId(node)) throw new BellhopError('bad_request', 'node must name a node');
  if (!isLiving(node)) throw new BellhopError('not_found', 'there is no living node of this name');
  kill(node);
  return { status: 202, body: { node, killed: true } };
}
