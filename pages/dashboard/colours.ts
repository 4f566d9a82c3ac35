/** The page's colours for what is drawn by hand; they change with the preference for light or dark. */
import { useEffect, useState } from 'preact/hooks';

export interface Colours {
  readonly ink: string;
  readonly faint: string;
  readonly line: string;
  readonly accent: string;
  readonly soft: string;
}

function read(): Colours {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    ink: of('--ink-2'),
    faint: of('--ink-3'),
    line: of('--line'),
    accent: of('--accent'),
    soft: of('--accent-soft'),
  };
}

export function useColours(): Colours {
  const [colours, setColours] = useState(read);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const changed = () => setColours(read());
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);
  return colours;
}
