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
