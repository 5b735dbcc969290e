import { describe, expect, it } from "vitest";
import type { DagSummary, RecentRun } from "../api/types";
import { chosenDags } from "./dag-list";

const run = (state: string, start: string): RecentRun => ({ run_id: start, state, logical_date: null, start_date: start, end_date: null });
const dag = (dag_id: string, more: Partial<DagSummary>): DagSummary => ({
  dag_id,
  is_paused: false,
  tags: [],
  owners: ["ops"],
  schedule: null,
  next_run: null,
  recent_runs: [],
  ...more,
});

const DAGS = [
  dag("b", { recent_runs: [run("failed", "2026-11-01"), run("running", "2026-11-02")], next_run: { logical_date: null, run_after: "2026-12-01" } }),
  dag("a", { recent_runs: [run("success", "2026-11-03")], is_paused: true }),
  dag("c", { owners: ["ml"], next_run: { logical_date: null, run_after: "2026-11-30" } }),
];
const ids = (wish: Partial<Parameters<typeof chosenDags>[1]>) =>
  chosenDags(DAGS, { filter: "all", owner: "", sort: "name", ...wish }).map((one) => one.dag_id);

describe("the list of DAGs", () => {
  it("sorts by name, last run or next run", () => {
    expect(ids({})).toEqual(["a", "b", "c"]);
    expect(ids({ sort: "last" })).toEqual(["a", "b", "c"]);
    expect(ids({ sort: "next" })).toEqual(["c", "b", "a"]);
  });
  it("counts a DAG as failing by its last ended run, while the next one runs already", () => {
    expect(ids({ filter: "failing" })).toEqual(["b"]);
    expect(ids({ filter: "running" })).toEqual(["b"]);
  });
  it("filters by owner and pause", () => {
    expect(ids({ owner: "ml" })).toEqual(["c"]);
    expect(ids({ filter: "paused" })).toEqual(["a"]);
  });
});
