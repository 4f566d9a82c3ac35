/** One question to the API, asked anew every so often while its part of the page is looked at. */
import { useEffect, useState } from 'preact/hooks';
import { ApiFault, ask } from './api.ts';

export interface Asked<T> {
  readonly answer: T | undefined;
  /** Of the last time, if that failed. */
  readonly fault: ApiFault | undefined;
}

/** @param turn  a change asks at once */
export function useAnswer<T>(path: string, everyMs: number, turn: unknown = 0): Asked<T> {
  const [asked, setAsked] = useState<Asked<T> & { readonly path: string }>({
    answer: undefined,
    fault: undefined,
    path,
  });
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      if (!document.hidden) {
        const result = await ask<T>('GET', path).then(
          (answer) => ({ answer, fault: undefined }),
          (error: unknown) => ({ answer: undefined, fault: error instanceof ApiFault ? error : undefined }),
        );
        if (isOver) return;
        setAsked((before) => ({
          ...result,
          path,
          answer: result.answer ?? (before.path === path ? keep(before, result) : undefined),
        }));
      }
      timer = setTimeout(() => void look(), everyMs);
    };
    void look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [path, everyMs, turn]);
  return asked.path === path ? asked : { answer: undefined, fault: undefined };
}

/** What was known is shown on while the router has no better answer; what is not there any more is not. */
function keep<T>(before: Asked<T>, { fault }: { readonly fault: ApiFault | undefined }): T | undefined {
  return fault?.status === 404 ? undefined : before.answer;
}
