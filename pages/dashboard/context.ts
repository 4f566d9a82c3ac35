/** The one `Live` of this page, for every part of it; a part that uses it is drawn anew as it changes. */
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Live } from './live.ts';

export const LiveContext = createContext<Live | undefined>(undefined);

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === undefined) throw new Error('there is no Live around this part');
  const [, setTurn] = useState(0);
  useEffect(() => live.subscribe(() => setTurn((turn) => turn + 1)), [live]);
  return live;
}

/** Whether what is known has been on the screen for a moment: what is costly to draw waits for that. */
export function useShown(): boolean {
  const hasData = useLive().about !== undefined;
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (!hasData) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const frame = requestAnimationFrame(() => {
      timer = setTimeout(() => setShown(true));
    });
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [hasData]);
  return isShown;
}
