// The rows of the grid: which are shown when some groups are closed, and what a group shows.

import type { GridCell, GridRun, GridTask } from "../api/types";
import { groupState, taskState, type TaskState } from "./states";

export interface GridRow {
  id: string;
  label: string;
  depth: number;
  isGroup: boolean;
  isOpen: boolean;
  /** The tasks of a group, those of groups inside it too; of a task only itself. */
  members: readonly string[];
}

/** Return the rows to show, in the order of the server; a member follows its group and is deeper. */
export function gridRows(tasks: readonly GridTask[], closed: ReadonlySet<string>, filter = ""): GridRow[] {
  const wanted = filter.trim().toLowerCase();
  const rows: GridRow[] = [];
  const open: { depth: number; isOpen: boolean; members: string[] }[] = [];
  for (const task of tasks) {
    while (open.length > 0 && (open.at(-1) as { depth: number }).depth >= task.depth) open.pop();
    const hidden = open.some((group) => !group.isOpen);
    const isGroup = task.is_group === true;
    const members: string[] = isGroup ? [] : [task.task_id];
    if (!isGroup) for (const group of open) group.members.push(task.task_id);
    const isOpen = isGroup && !closed.has(task.task_id);
    if (isGroup) open.push({ depth: task.depth, isOpen, members });
    const row = { id: task.task_id, label: shortLabel(task), depth: task.depth, isGroup, isOpen, members };
    if (wanted) {
      // A filter looks into closed groups too, and shows plain tasks.
      if (!isGroup && (task.task_id.toLowerCase().includes(wanted) || row.label.toLowerCase().includes(wanted))) {
        rows.push({ ...row, depth: 0, label: task.label ?? task.task_id });
      }
    } else if (!hidden) rows.push(row);
  }
  return rows;
}

/** Inside a group its name need not be said again: "extract.load" is "load" there. */
function shortLabel(task: GridTask): string {
  const label = task.label || task.task_id;
  return task.depth > 0 && label === task.task_id ? (label.split(".").at(-1) ?? label) : label;
}

export interface RowCell {
  state: TaskState;
  exists: boolean;
  tryNumber: number;
  start: string | null;
  end: string | null;
  mapped: number;
}

const ABSENT: RowCell = { state: "none", exists: false, tryNumber: 0, start: null, end: null, mapped: 0 };

export function cellOf(row: GridRow, run: GridRun): RowCell {
  if (!row.isGroup) {
    const cell: (GridCell & { mapped?: Record<string, number> }) | undefined = run.tis[row.id];
    if (!cell) return ABSENT;
    return {
      state: taskState(cell.state),
      exists: true,
      tryNumber: cell.try_number ?? 0,
      start: cell.start_date ?? null,
      end: cell.end_date ?? null,
      mapped: cell.mapped ? Object.values(cell.mapped).reduce((sum, n) => sum + n, 0) : 0,
    };
  }
  const cells = row.members.map((id) => run.tis[id]).filter((cell) => cell !== undefined);
  if (cells.length === 0) return ABSENT;
  const starts = cells.map((cell) => cell.start_date).filter((date): date is string => !!date).sort();
  const ends = cells.map((cell) => cell.end_date).filter((date): date is string => !!date).sort();
  return {
    state: groupState(cells.map((cell) => taskState(cell.state))),
    exists: true,
    tryNumber: 0,
    start: starts[0] ?? null,
    end: ends.length === cells.length ? (ends.at(-1) ?? null) : null,
    mapped: 0,
  };
}
