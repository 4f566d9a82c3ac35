/** The names of all keys. Owns: prefix, cluster name, and the hash tags that put all keys of one room, and all keys of the
 *  cluster's membership, into one slot. Does not know: what the keys hold.
 *  Invariant: no id can leave its own hash tag, since a brace or a control character never gets into a key.
 *  @see DESIGN §3; Redis Cluster specification, "Hash tags" */
import { ROOM_ID } from '../ids.ts';

/** Ids of rooms, nodes and routers, and the name of a cluster: whatever may name a room may name those. */
export const ID_PATTERN = ROOM_ID;
/** Users come from tokens of other systems: any printable text of at most 256 characters without braces. */
export const USER_PATTERN = /^[^\p{C}\p{Zl}\p{Zp}{}]{1,256}$/u;
/** Sessions are fields of a hash; `*` is taken by the head of a presence. */
export const SESSION_PATTERN = /^[A-Za-z0-9_-][A-Za-z0-9._~:@-]{0,127}$/;
/** SHA-256 in hexadecimal. */
export const HASH_PATTERN = /^[0-9a-f]{64}$/;
const PREFIX_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

export const DEFAULT_PREFIX = 'bh';

export interface ClusterKeys {
  readonly meta: string;
  readonly nodes: string;
  readonly beats: string;
  readonly certs: string;
  readonly routers: string;
  readonly pins: string;
  readonly audit: string;
  /** Of webhooks: which incarnation tells of which room. */
  readonly tellers: string;
  readonly revoked: string;
}

export interface RoomKeys {
  readonly owner: string;
  readonly log: string;
  readonly senders: string;
  readonly order: string;
  readonly state: string;
  readonly presence: string;
  /** Of webhooks: who is there as far as was told, and what is still to be told. */
  readonly told: string;
  readonly outbox: string;
}

export interface Keys {
  readonly cluster: ClusterKeys;
  /** What the keys of all owner records match, for SCAN. */
  readonly ownersPattern: string;
  /** The room whose owner record has this key; undefined if it is none's. */
  roomOf(key: string): string | undefined;
  /** @throws RangeError if `room` is not a room id */
  room(room: string): RoomKeys;
  /** @throws RangeError if `user` is not a user id */
  user(user: string): string;
  /** @param hash  of the ticket: no key shows one
   *  @throws RangeError if `hash` is not hexadecimal */
  ticket(hash: string): string;
}

/** Builds the key names of one cluster.
 *  @throws RangeError if the prefix or the cluster's name could change a key's slot or run into another key */
export function buildKeys(options: { readonly cluster: string; readonly prefix?: string | undefined }): Keys {
  const prefix = checked(PREFIX_PATTERN, options.prefix ?? DEFAULT_PREFIX, 'key prefix');
  const cluster = `${prefix}:{${checked(ID_PATTERN, options.cluster, 'cluster name')}}`;
  return {
    cluster: {
      meta: `${cluster}:meta`,
      nodes: `${cluster}:nodes`,
      beats: `${cluster}:beats`,
      certs: `${cluster}:certs`,
      routers: `${cluster}:routers`,
      pins: `${cluster}:pins`,
      audit: `${cluster}:audit`,
      tellers: `${cluster}:tellers`,
      revoked: `${cluster}:revoked`,
    },
    ownersPattern: `${prefix}:room:{*}:owner`,
    roomOf(key) {
      const [before, after] = [`${prefix}:room:{`, '}:owner'];
      const room = key.slice(before.length, -after.length);
      return key === `${before}${room}${after}` && ID_PATTERN.test(room) ? room : undefined;
    },
    room(room) {
      const base = `${prefix}:room:{${checked(ID_PATTERN, room, 'room id')}}`;
      return {
        owner: `${base}:owner`,
        log: `${base}:log`,
        senders: `${base}:senders`,
        order: `${base}:order`,
        state: `${base}:state`,
        presence: `${base}:presence`,
        told: `${base}:told`,
        outbox: `${base}:outbox`,
      };
    },
    user: (user) => `${prefix}:user:{${checked(USER_PATTERN, user, 'user id')}}`,
    ticket: (hash) => `${prefix}:ticket:{${checked(HASH_PATTERN, hash, 'hash')}}`,
  };
}

function checked(pattern: RegExp, text: string, what: string): string {
  if (!pattern.test(text)) throw new RangeError(`Not a valid ${what}: ${JSON.stringify(text.slice(0, 300))}`);
  return text;
}

/** The cluster slot of a key: CRC16 (XMODEM) of its hash tag, or of the whole key if it has none, modulo 16,384.
 *  @see Redis Cluster specification, "Key distribution model" */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc % 16_384;
}
