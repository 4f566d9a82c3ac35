/** Draining a node: the plan, the confirmation, the progress, and taking it back. Owns: these parts of the page, and how often the
 *  progress is asked for: while a drain runs and the page is looked at. */
import { useEffect, useState } from 'preact/hooks';
import { ApiFault, ask, type DrainAnswer, pathOf } from './api.ts';
import { useLive } from './context.ts';
import { Dialog } from './dialog.tsx';
import { count, ms, plural } from './format.ts';
import type { NodeRow } from './live.ts';

const ASK_MS = 500;

const drainPath = (node: string) => `${pathOf('nodes', node)}/drain`;

/** The drain of a node: the running one, or the last. Undefined where there was none, or this router knows none. */
export function useDrain(node: string, isWanted: boolean): DrainAnswer | undefined {
  const [drain, setDrain] = useState<DrainAnswer>();
  useEffect(() => {
    if (!isWanted) return setDrain(undefined);
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      const answer = document.hidden ? drain : await ask<DrainAnswer>('GET', drainPath(node)).catch(() => undefined);
      if (isOver) return;
      if (answer !== undefined) setDrain(answer);
      const goesOn = answer === undefined || ['running', 'paused', 'planned'].includes(answer.state);
      timer = setTimeout(() => void look(), goesOn ? ASK_MS : 4 * ASK_MS);
    };
    void look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [node, isWanted]);
  return drain;
}

export function DrainProgress({ drain }: { readonly drain: DrainAnswer }) {
  const { rooms, moved, left, failed, pauseP99Ms, state, why } = drain;
  const facts = [
    `${count(moved)} of ${plural(rooms, 'room')} moved`,
    left > 0 ? `${count(left)} left` : '',
    failed > 0 ? `${count(failed)} failed` : '',
    pauseP99Ms === null ? '' : `pause p99 ${ms(pauseP99Ms)}`,
  ].filter((fact) => fact !== '');
  return (
    <div class="progress">
      <progress max={Math.max(1, rooms)} value={rooms === 0 ? 1 : moved} aria-label={`Drain of ${drain.node}`} />
      <p>
        <b class={state === 'late' || state === 'paused' ? 'warn-text' : ''}>{state}</b> · {facts.join(' · ')}
        {why !== undefined && <span class="muted"> · {why}</span>}
      </p>
    </div>
  );
}

/** The button that fits the node's state, and the dialog behind it. */
export function DrainButton({ row, isSmall }: { readonly row: NodeRow; readonly isSmall?: boolean }) {
  const [asked, setAsked] = useState<'drain' | 'undrain'>();
  if (row.state !== 'active' && row.state !== 'draining') return null;
  const className = isSmall === true ? 'button small' : 'button';
  return (
    <>
      {row.state === 'active' ? (
        <button type="button" class={className} onClick={() => setAsked('drain')}>
          Drain<span class="hidden-text"> {row.node}</span>
        </button>
      ) : (
        <button type="button" class={className} onClick={() => setAsked('undrain')}>
          Undo drain<span class="hidden-text"> of {row.node}</span>
        </button>
      )}
      {asked === 'drain' && <DrainDialog node={row.node} onClose={() => setAsked(undefined)} />}
      {asked === 'undrain' && <UndrainDialog node={row.node} onClose={() => setAsked(undefined)} />}
    </>
  );
}

function wordsOf(error: unknown): string {
  if (error instanceof ApiFault && error.status === 404)
    return 'This router cannot drain nodes: it is of another version.';
  return error instanceof Error ? error.message : String(error);
}

function DrainDialog({ node, onClose }: { readonly node: string; readonly onClose: () => void }) {
  const live = useLive();
  const [plan, setPlan] = useState<DrainAnswer>();
  const [fault, setFault] = useState<string>();
  const [phase, setPhase] = useState<'asking' | 'starting' | 'running'>('asking');
  const drain = useDrain(node, phase === 'running');
  useEffect(() => {
    ask<DrainAnswer>('POST', drainPath(node), { dryRun: true }).then(setPlan, (error: unknown) =>
      setFault(wordsOf(error)),
    );
  }, [node]);
  const start = async () => {
    setPhase('starting');
    try {
      await ask<DrainAnswer>('POST', drainPath(node), {});
      setPhase('running');
    } catch (error) {
      setFault(wordsOf(error));
      setPhase('asking');
    }
  };
  const row = live.nodes.get(node);
  return (
    <Dialog title={`Drain ${node}?`} onClose={onClose}>
      <p>
        Its {plural(plan?.rooms ?? row?.rooms ?? 0, 'room')} move to other nodes one after another, with their state. No
        client is disconnected. It can be undone at any moment.
      </p>
      {plan !== undefined && phase === 'asking' && (
        <dl class="facts">
          <dt>Rate</dt>
          <dd>{plural(plan.roomsPerSecond, 'room')} a second</dd>
          <dt>Estimate</dt>
          <dd>{ms(plan.estimateMs)}</dd>
          <dt>Targets</dt>
          <dd>
            {Object.entries(plan.targets)
              .map(([target, rooms]) => `${target} ${count(rooms)}`)
              .join(', ') || 'none'}
          </dd>
        </dl>
      )}
      {drain !== undefined && <DrainProgress drain={drain} />}
      <p class="fault" role="alert">
        {fault}
      </p>
      <div class="actions">
        <button type="button" class="button" onClick={onClose}>
          {phase === 'running' ? 'Close' : 'Cancel'}
        </button>
        {phase !== 'running' && (
          <button
            type="button"
            class="button primary"
            disabled={plan === undefined || phase !== 'asking'}
            onClick={() => void start()}
          >
            Drain {node}
          </button>
        )}
      </div>
    </Dialog>
  );
}

function UndrainDialog({ node, onClose }: { readonly node: string; readonly onClose: () => void }) {
  const [fault, setFault] = useState<string>();
  const undo = () => {
    ask<DrainAnswer>('DELETE', drainPath(node)).then(onClose, (error: unknown) => setFault(wordsOf(error)));
  };
  return (
    <Dialog title={`Undo the drain of ${node}?`} onClose={onClose}>
      <p>It keeps the rooms that it still has, and takes new ones again. Rooms that have moved stay where they are.</p>
      <p class="fault" role="alert">
        {fault}
      </p>
      <div class="actions">
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" class="button primary" onClick={undo}>
          Undo drain
        </button>
      </div>
    </Dialog>
  );
}
