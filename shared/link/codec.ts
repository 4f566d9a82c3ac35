/** The codec of a link, in one place to import from: `encode` and FrameDecoder for whole messages, `prepare` and `writeFrame` for
 *  batches. Owns nothing: the header and the table of types are frame-header.ts, payloads encode.ts and decode.ts, the JSON
 *  ones json-shapes.ts. golden.json holds every message as bytes. */
export { FrameDecoder } from './decode.ts';
export { encode, prepare } from './encode.ts';
export { LinkEncodeError, LinkProtocolError } from './protocol-error.ts';
export { splitMessage, splitOpen } from './split.ts';
