// The states of tasks and runs, and what follows from them on screen. A state is always shown by
// shape and word as well as colour; the shapes are in ui/state.tsx, the colours in styles/base.css.

export const TASK_STATES = [
  "none",
  "scheduled",
  "queued",
  "running",
  "restarting",
  "up_for_retry",
  "up_for_reschedule",
  "success",
  "failed",
  "skipped",
  "upstream_failed",
  "removed",
] as const;

export const RUN_STATES = ["queued", "running", "success", "failed"] as const;

export type TaskState = (typeof TASK_STATES)[number];
export type RunState = (typeof RUN_STATES)[number];

const ACTIVE: ReadonlySet<string> = new Set([
  "scheduled",
  "queued",
  "running",
  "restarting",
  "up_for_retry",
  "up_for_reschedule",
]);

const KNOWN: ReadonlySet<string> = new Set(TASK_STATES);

/** The API says null where a task instance has no state yet; a newer server may know more states than we do. */
export function taskState(value: string | null | undefined): TaskState {
  return value && KNOWN.has(value) ? (value as TaskState) : "none";
}

/** Whether something still happens by itself in this state. */
export function isActive(state: string | null | undefined): boolean {
  return !!state && ACTIVE.has(state);
}

/** Whether "why is it not running?" has an answer worth asking for. */
export function isWaiting(state: string | null | undefined): boolean {
  return (
    !state ||
    state === "none" ||
    state === "scheduled" ||
    state === "queued" ||
    state === "up_for_retry" ||
    state === "up_for_reschedule" ||
    state === "restarting" ||
    state === "skipped" ||
    state === "upstream_failed" ||
    state === "removed"
  );
}

/** What stands for a group of tasks: what needs a person first, then what moves, then what is done. */
const GROUP_ORDER: readonly TaskState[] = [
  "failed",
  "upstream_failed",
  "up_for_retry",
  "restarting",
  "running",
  "queued",
  "scheduled",
  "up_for_reschedule",
  "none",
  "success",
  "skipped",
  "removed",
];

export function groupState(states: readonly TaskState[]): TaskState {
  for (const state of GROUP_ORDER) {
    // A group is not "waiting" once some of it is done and nothing else says so: show the rest.
    if (states.includes(state)) return state;
  }
  return "none";
}
