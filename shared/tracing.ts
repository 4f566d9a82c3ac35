/** Spans by OpenTelemetry's API alone: whoever wants traces registers an SDK before the process begins (docs/tracing.md), and without one
 *  nothing is recorded. Owns: their names and attributes, and which directory operations have one. Does not know: any SDK.
 *  Not here: a span for each message. One that is not recorded costs 50 to 110 ns, and to encode a frame takes 170: spans stand where
 *  something changes hands, and at a batch of messages, which has Redis work for a hundred times as long. */
import { type Attributes, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { type Args, DirectoryError, type Operation, type Reply } from './directory/directory.ts';
import { VERSION } from './version.ts';

export const tracer = trace.getTracer('bellhop', VERSION);

/** Ends what was begun. @param isFault  whether it failed, rather than turned out otherwise than hoped */
export type EndSpan = (outcome: string, isFault?: boolean) => void;

const NOTHING: EndSpan = () => undefined;

/** Begins a span `bellhop.<act>`; nothing is kept of it where nobody records. */
export function beginSpan(act: string, attributes: Attributes, kind = SpanKind.INTERNAL): EndSpan {
  const span = tracer.startSpan(`bellhop.${act}`, { kind, attributes });
  return span.isRecording() ? (outcome, isFault = false) => end(span, outcome, isFault) : NOTHING;
}

function end(span: Span, outcome: string, isFault: boolean): void {
  span.setAttribute('bellhop.outcome', outcome);
  if (isFault) span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
  span.end();
}

/** Operations by which a room or a node changes hands, and the batches of a log. */
const TRACED: ReadonlySet<Operation> = new Set(['claim', 'transfer', 'release', 'append', 'certify', 'register']);

/** `done` of a directory operation, with a span from now until it is called; `done` itself where nobody records.
 *  The span is a client's: most of it is Redis' own time. */
export function tracedCall<K extends Operation>(
  operation: K,
  args: Args<K>,
  done: (result: Reply<K> | DirectoryError) => void,
): (result: Reply<K> | DirectoryError) => void {
  if (!TRACED.has(operation)) return done;
  const span = tracer.startSpan(`bellhop.${operation}`, { kind: SpanKind.CLIENT });
  if (!span.isRecording()) return done;
  span.setAttributes({ 'db.system.name': 'redis', 'db.operation.name': operation, ...described(args) });
  return (result) => {
    const isFault = result instanceof DirectoryError;
    const outcome = isFault ? result.code : 'kind' in result ? String(result.kind) : 'ok';
    end(span, outcome, isFault);
    done(result);
  };
}

function described(args: object): Attributes {
  const { room, node, items } = args as { room?: unknown; node?: unknown; items?: unknown };
  return {
    ...(typeof room === 'string' ? { 'bellhop.room': room } : {}),
    ...(typeof node === 'string' ? { 'bellhop.node': node } : {}),
    ...(Array.isArray(items) ? { 'bellhop.items': items.length } : {}),
  };
}
