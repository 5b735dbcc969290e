// Which DAGs of a page of the list are shown, and in which order.

import type { DagSummary } from "../api/types";

export const FILTERS = ["all", "active", "paused", "running", "failing"] as const;
export type Filter = (typeof FILTERS)[number];
export const SORTS = ["name", "last", "next"] as const;
export type Sort = (typeof SORTS)[number];

const lastStart = (dag: DagSummary): string => {
  const run = dag.recent_runs.at(-1);
  return run?.start_date ?? run?.logical_date ?? "";
};

function passes(dag: DagSummary, filter: Filter): boolean {
  switch (filter) {
    case "active":
      return !dag.is_paused;
    case "paused":
      return dag.is_paused;
    case "running":
      return dag.recent_runs.some((run) => run.state === "running" || run.state === "queued");
    case "failing": {
      const ended = dag.recent_runs.filter((run) => run.state === "success" || run.state === "failed");
      return ended.at(-1)?.state === "failed";
    }
    default:
      return true;
  }
}

/** By code point: instants are ASCII, and "~" comes after all of them. */
const byText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

const ORDER: Record<Sort, (one: DagSummary, other: DagSummary) => number> = {
  name: (one, other) => one.dag_id.localeCompare(other.dag_id),
  // The newest first; what never ran comes last.
  last: (one, other) => byText(lastStart(other), lastStart(one)),
  // The soonest first; what has no next run comes last.
  next: (one, other) => byText(one.next_run?.run_after ?? "~", other.next_run?.run_after ?? "~"),
};

export function chosenDags(dags: readonly DagSummary[], wish: { filter: Filter; owner: string; sort: Sort }): DagSummary[] {
  return dags
    .filter((dag) => passes(dag, wish.filter) && (!wish.owner || dag.owners.includes(wish.owner)))
    .sort((one, other) => ORDER[wish.sort](one, other) || ORDER.name(one, other));
}
