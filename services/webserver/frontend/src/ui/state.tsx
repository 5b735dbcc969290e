// A state on screen: colour, shape and word. Where there is no room for the word (a cell of the
// grid) the shape stays, and the word is in the label that screen readers and tooltips use.

import { memo, type ReactNode } from "react";
import { useT, type MessageKey, type Translate } from "../i18n";
import { TASK_STATES, taskState, type TaskState } from "../lib/states";

const SHAPES: Record<TaskState, ReactNode> = {
  none: <path d="M6 3.6v2.6l1.6 1" />,
  scheduled: <path d="M3.4 2.5h5.2M3.4 9.5h5.2M4 2.5c0 2 4 5 4 7m0-7c0 2-4 5-4 7" />,
  queued: <path d="M2.8 6h.01M6 6h.01M9.2 6h.01" strokeWidth="2.2" />,
  running: <path d="M10 6a4 4 0 1 1-2.6-3.75" />,
  restarting: <path d="M2 6a4 4 0 0 1 7-2.6V1.8m0 1.9H7.2M10 6a4 4 0 0 1-7 2.6v1.6" />,
  up_for_retry: <path d="M9.8 6A3.8 3.8 0 1 1 8.4 3M8.6 1.2v2.2H6.4" />,
  up_for_reschedule: <path d="M6 3.3v2.9l1.9 1.1M6 10.2A4.2 4.2 0 1 0 6 1.8a4.2 4.2 0 0 0 0 8.4Z" strokeWidth="1.3" />,
  success: <path d="m2.6 6.4 2.3 2.3 4.6-5" />,
  failed: <path d="m3.2 3.2 5.6 5.6m0-5.6L3.2 8.8" />,
  skipped: <path d="m2.8 3 3 3-3 3M6.2 3l3 3-3 3" />,
  upstream_failed: <path d="M6 9.8V4.2M3.4 6.4 6 3.8l2.6 2.6M3 1.9h6" />,
  removed: <path d="M3 6h6" />,
};

export const Glyph = memo(function Glyph({ state, title }: { state: string | null | undefined; title?: string }) {
  const known = taskState(state);
  return (
    <span className="glyph" data-state={known} title={title} aria-hidden={title ? undefined : true} role={title ? "img" : undefined} aria-label={title}>
      <svg viewBox="0 0 12 12" fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
        {SHAPES[known]}
      </svg>
    </span>
  );
});

export function stateWord(t: Translate, state: string | null | undefined): string {
  return t(`state.${taskState(state)}` as MessageKey);
}

export function StateBadge({ state }: { state: string | null | undefined }) {
  const t = useT();
  return (
    <span className="state" data-testid="state" data-state={taskState(state)}>
      <Glyph state={state} />
      {stateWord(t, state)}
    </span>
  );
}

export function Legend({ states = TASK_STATES }: { states?: readonly TaskState[] }) {
  const t = useT();
  return (
    <ul className="legend" aria-label={t("grid.legend")}>
      {states.map((state) => (
        <li key={state}>
          <StateBadge state={state} />
        </li>
      ))}
    </ul>
  );
}
