import { describe, expect, it } from "vitest";
import type { GridRun, GridTask } from "../api/types";
import { cellOf, gridRows } from "./grid-rows";

const TASKS: GridTask[] = [
  { task_id: "start", depth: 0 },
  { task_id: "etl", label: "ETL", depth: 0, is_group: true },
  { task_id: "etl.extract", depth: 1 },
  { task_id: "etl.inner", depth: 1, is_group: true },
  { task_id: "etl.inner.load", depth: 2 },
  { task_id: "end", depth: 0 },
];
const RUN: GridRun = {
  run_id: "r",
  state: "running",
  logical_date: null,
  start_date: null,
  end_date: null,
  tis: {
    start: { state: "success", try_number: 1 },
    "etl.extract": { state: "success", start_date: "2026-01-01T00:00:00Z", end_date: "2026-01-01T00:01:00Z" },
    "etl.inner.load": { state: "running", start_date: "2026-01-01T00:01:00Z", end_date: null },
  },
};

describe("rows of the grid", () => {
  it("shows all rows while groups are open, with short names inside", () => {
    expect(gridRows(TASKS, new Set()).map((row) => row.label)).toEqual(["start", "ETL", "extract", "inner", "load", "end"]);
  });
  it("hides what is inside a closed group, inner groups too", () => {
    expect(gridRows(TASKS, new Set(["etl"])).map((row) => row.id)).toEqual(["start", "etl", "end"]);
    expect(gridRows(TASKS, new Set(["etl.inner"])).map((row) => row.id)).toEqual(["start", "etl", "etl.extract", "etl.inner", "end"]);
  });
  it("knows the members of a group although it is closed", () => {
    expect(gridRows(TASKS, new Set(["etl"]))[1]?.members).toEqual(["etl.extract", "etl.inner.load"]);
  });
  it("finds tasks in closed groups", () => {
    expect(gridRows(TASKS, new Set(["etl"]), "LOAD").map((row) => [row.label, row.depth])).toEqual([["etl.inner.load", 0]]);
  });
  it("sums a group up", () => {
    const [, group] = gridRows(TASKS, new Set(["etl"]));
    expect(cellOf(group as never, RUN)).toMatchObject({ state: "running", start: "2026-01-01T00:00:00Z", end: null });
  });
  it("tells a task that is not in a run from one that waits", () => {
    const rows = gridRows(TASKS, new Set());
    expect(cellOf(rows.at(-1) as never, RUN).exists).toBe(false);
    expect(cellOf(rows[0] as never, RUN)).toMatchObject({ exists: true, state: "success", tryNumber: 1 });
  });
});
