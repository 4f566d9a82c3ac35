/** Metrics as text, for whoever asks and however often. Owns: how long a text counts as the present one. Does not know: what is counted.
 *  Making it takes some milliseconds of the event loop, and no token is needed to ask: so it is shared by all who ask while it is made,
 *  and shown for nine times as long as it took, which leaves nine tenths of the time to everything else. */
import type { MetricsText } from './http-api.ts';

const REST_SHARE = 9;
/** A text that others had to be asked for took long for another reason. */
const REST_MS_MAX = 250;

export function restedMetrics(of: MetricsText, nowMs: () => number): MetricsText {
  let made: Promise<string> | undefined;
  let untilMs = Number.POSITIVE_INFINITY;
  const make = async (): Promise<string> => {
    const beganMs = nowMs();
    untilMs = Number.POSITIVE_INFINITY;
    try {
      return await of.metrics();
    } finally {
      const endedMs = nowMs();
      untilMs = endedMs + Math.min(REST_MS_MAX, REST_SHARE * (endedMs - beganMs));
    }
  };
  return {
    contentType: of.contentType,
    metrics: () => {
      if (made === undefined || nowMs() >= untilMs) made = make();
      return made;
    },
  };
}
