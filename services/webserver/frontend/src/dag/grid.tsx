// The grid: tasks down, runs across, newest at the right. Only the rows on screen are drawn, so a
// DAG of 5,000 tasks scrolls as a small one does. One cell is in the tab order; arrows move it.

import { memo, useEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import { useGrid } from "../api/queries";
import type { GridRun } from "../api/types";
import { useSpeech, type Translate } from "../i18n";
import { useClosedGroups } from "../lib/closed-groups";
import { cellOf, gridRows, type GridRow } from "../lib/grid-rows";
import { readSetting, writeSetting } from "../lib/settings";
import { RUN_STATES, taskState, type TaskState } from "../lib/states";
import { formatDuration, formatLocal, formatShort, parseInstant, secondsBetween } from "../lib/time";
import { useParamsInAddress } from "../lib/use-params";
import { Icon } from "../ui/icons";
import { Button, Empty, ErrorNotice, Loading, SearchInput } from "../ui/parts";
import { Glyph, Legend, stateWord } from "../ui/state";
import { useNow } from "../ui/time";
import { useSelection } from "./selection";


const ROW = 26;
const HEAD = 92;
const SPARE_ROWS = 12;
const RUN_COUNTS = [10, 25, 50, 100, 200] as const;

/** As wide as the longest name wants, within reason. */
function nameWidth(rows: readonly GridRow[]): number {
  const wanted = rows.reduce((most, row) => Math.max(most, row.label.length * 7.4 + row.depth * 16 + (row.isGroup ? 17 : 0)), 0);
  return Math.round(Math.min(320, Math.max(130, wanted + 26)));
}

function runMoment(run: GridRun & { run_after?: string | null }): string | null {
  return run.logical_date ?? run.run_after ?? run.start_date ?? run.queued_at ?? null;
}

export function Grid({ dagId }: { dagId: string }) {
  const { t } = useSpeech();
  const address = useParamsInAddress();
  const before = address.get("before") || null;
  const [limit, setLimit] = useState(() => Number(readSetting("runs")) || 25);
  const [filter, setFilter] = useState("");
  const grid = useGrid(dagId, limit, before);
  const [closed, setClosed, toggle] = useClosedGroups(dagId);
  const rows = useMemo(() => gridRows(grid.data?.tasks ?? [], closed, filter), [grid.data?.tasks, closed, filter]);
  const groups = useMemo(() => (grid.data?.tasks ?? []).filter((task) => task.is_group).map((task) => task.task_id), [grid.data?.tasks]);
  const runs = grid.data?.runs;

  if (grid.error && !grid.data) return <ErrorNotice error={grid.error} onRetry={() => void grid.refetch()} />;
  if (!runs) return <Loading />;
  const used = new Set<TaskState>(runs.flatMap((run) => Object.values(run.tis).map((cell) => taskState(cell.state))));
  for (const run of runs) used.add(taskState(run.state));
  return (
    <div className="grid-view">
      <div className="toolbar">
        <SearchInput hotkey label={t("grid.filter")} value={filter} onChange={setFilter} width="14em" />
        {groups.length > 0 ? (
          <Button size="small" onClick={() => setClosed(closed.size > 0 ? [] : groups)}>
            {t(closed.size > 0 ? "grid.expand_all" : "grid.collapse_all")}
          </Button>
        ) : null}
        <label className="row muted">
          {t("grid.shown")}
          <select
            className="select"
            value={limit}
            onChange={(event) => {
              writeSetting("runs", event.target.value);
              setLimit(Number(event.target.value));
            }}
          >
            {[...new Set([...RUN_COUNTS, limit])].sort((a, b) => a - b).map((count) => (
              <option key={count}>{count}</option>
            ))}
          </select>
        </label>
        {runs.length >= limit || before ? (
          <span className="row">
            <Button size="small" icon="left" disabled={runs.length < limit} onClick={() => address.change({ before: runs[0]?.run_id }, true)}>
              {t("grid.older")}
            </Button>
            <Button size="small" disabled={!before} onClick={() => address.change({ before: null }, true)}>
              {t("grid.newest")}
            </Button>
          </span>
        ) : null}
        <span className="grow" />
        <Legend states={(["running", "success", "failed", "up_for_retry", "upstream_failed", "skipped", "queued", "scheduled", "none", "up_for_reschedule", "restarting", "removed"] as const).filter((state) => used.has(state) || (RUN_STATES as readonly string[]).includes(state))} />
      </div>
      {runs.length === 0 && rows.length === 0 ? (
        <Empty title={t("grid.no_runs")}>
          <p>{t("grid.no_runs_hint")}</p>
        </Empty>
      ) : (
        <Sheet dagId={dagId} rows={rows} runs={runs} onToggle={toggle} />
      )}
    </div>
  );
}

function Sheet({ dagId, rows, runs, onToggle }: { dagId: string; rows: readonly GridRow[]; runs: readonly GridRun[]; onToggle(group: string): void }) {
  const { t } = useSpeech();
  const selection = useSelection();
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  // The place of the keyboard: row -1 is the line of runs, column -1 the names.
  const [place, setPlace] = useState({ row: -1, column: runs.length - 1 });
  const wantsFocus = useRef(false);
  const newest = runs.at(-1)?.run_id;

  useEffect(() => {
    // The newest runs are at the right: begin there, and stay there as new ones come.
    const element = scroller.current;
    if (element) element.scrollLeft = element.scrollWidth;
  }, [newest, runs.length]);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener("scroll", measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", measure);
    };
  }, []);

  useEffect(() => {
    if (!wantsFocus.current) return;
    wantsFocus.current = false;
    const element = scroller.current?.querySelector<HTMLElement>(`[data-row="${place.row}"][data-column="${place.column}"]`);
    element?.focus({ preventScroll: true });
    element?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [place]);

  const move = (row: number, column: number) => {
    const next = { row: Math.max(-1, Math.min(rows.length - 1, row)), column: Math.max(-1, Math.min(runs.length - 1, column)) };
    if (next.row === -1 && next.column === -1) return;
    const element = scroller.current;
    if (element && next.row >= 0) {
      // Rows that are not drawn cannot be focused: bring them into view first.
      const top = HEAD + next.row * ROW;
      if (top - HEAD < element.scrollTop) element.scrollTop = top - HEAD;
      else if (top + ROW > element.scrollTop + element.clientHeight) element.scrollTop = top + ROW - element.clientHeight;
    }
    wantsFocus.current = true;
    setPlace(next);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const { row, column } = place;
    const steps: Record<string, [number, number]> = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, runs.length - 1],
      PageUp: [row - 15, column],
      PageDown: [row + 15, column],
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    move(step[0], step[1]);
  };

  const onClick = (event: MouseEvent) => {
    const target = (event.target as HTMLElement).closest<HTMLElement>("[data-row]");
    if (!target) return;
    const row = Number(target.dataset.row);
    const column = Number(target.dataset.column);
    setPlace({ row, column });
    const entry = rows[row];
    const run = runs[column];
    if (column === -1 && entry?.isGroup) onToggle(entry.id);
    else if (run || entry) selection.select(run?.run_id ?? selection.run, entry?.id ?? null);
  };

  const first = Math.max(0, Math.floor((view.top - HEAD) / ROW) - SPARE_ROWS);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW) + SPARE_ROWS);
  return (
    <div ref={scroller} className="grid-scroll" data-testid="grid">
      <div role="grid" aria-label={t("grid.label", { dag: dagId })} aria-rowcount={rows.length + 1} aria-colcount={runs.length + 1} className="grid-sheet" style={{ height: HEAD + rows.length * ROW + 8, ["--name-width" as string]: `${nameWidth(rows)}px` }} onKeyDown={onKeyDown} onClick={onClick}>
        <Bars runs={runs} selected={selection.run} place={place} />
        {rows.slice(first, last).map((row, index) => (
          <Row
            key={row.id}
            row={row}
            index={first + index}
            runs={runs}
            t={t}
            selectedRun={selection.run}
            selectedHere={selection.task === row.id}
            focusColumn={place.row === first + index ? place.column : null}
          />
        ))}
      </div>
    </div>
  );
}

function Bars({ runs, selected, place }: { runs: readonly GridRun[]; selected: string | null; place: { row: number; column: number } }) {
  const { t } = useSpeech();
  const now = useNow();
  const seconds = runs.map((run) => secondsBetween(run.start_date, run.end_date, now));
  const longest = Math.max(0, ...seconds.map((value) => value ?? 0));
  // A label each few columns: as many as fit without touching.
  const labelEach = 4;
  return (
    <div role="row" aria-rowindex={1} className="grid-head" style={{ height: HEAD }}>
      <div role="columnheader" className="grid-name">
        <span className="axis">
          <span>{longest > 0 ? formatDuration(longest) : ""}</span>
          <span>{longest > 0 ? formatDuration(longest / 2) : ""}</span>
          <span>0</span>
        </span>
      </div>
      {runs.map((run, column) => {
        const moment = parseInstant(runMoment(run));
        const height = longest > 0 ? Math.max(6, ((seconds[column] ?? 0) / longest) * 100) : 6;
        const label = t("grid.run", { run: moment ? formatShort(moment, now) : run.run_id, state: stateWord(t, run.state) });
        const fromRight = runs.length - 1 - column;
        return (
          <div role="gridcell" key={run.run_id} className={`grid-run${selected === run.run_id ? " selected" : ""}`}>
            <button
              type="button"
              data-row={-1}
              data-column={column}
              tabIndex={place.row === -1 && place.column === column ? 0 : -1}
              aria-label={label}
              title={`${run.run_id}\n${stateWord(t, run.state)} · ${formatDuration(seconds[column], !run.end_date) || "–"}${moment ? `\n${formatLocal(moment)}` : ""}`}
            >
              <span className="bar-room">
                <span className="run-bar" data-state={taskState(run.state)} style={{ height: `${height}%` }} />
              </span>
              <Glyph state={run.state} />
            </button>
            {fromRight % labelEach === 0 && column >= 2 && moment ? <span className="grid-date">{formatShort(moment, now)}</span> : null}
          </div>
        );
      })}
    </div>
  );
}

interface RowProps {
  row: GridRow;
  index: number;
  runs: readonly GridRun[];
  t: Translate;
  selectedRun: string | null;
  selectedHere: boolean;
  focusColumn: number | null;
}

const Row = memo(function Row({ row, index, runs, t, selectedRun, selectedHere, focusColumn }: RowProps) {
  return (
    <div role="row" aria-rowindex={index + 2} className={`grid-row${selectedHere ? " selected" : ""}`} style={{ top: HEAD + index * ROW, height: ROW }}>
      <div role="rowheader" className="grid-name">
        <button
          type="button"
          data-row={index}
          data-column={-1}
          tabIndex={focusColumn === -1 ? 0 : -1}
          style={{ paddingLeft: 8 + row.depth * 16 }}
          className={row.isGroup ? "group" : ""}
          aria-expanded={row.isGroup ? row.isOpen : undefined}
          aria-label={row.isGroup ? t(row.isOpen ? "grid.collapse" : "grid.expand", { group: row.label }) : row.label}
          title={row.id}
        >
          {row.isGroup ? <Icon name={row.isOpen ? "down" : "right"} size={12} /> : null}
          <span className="ellipsis">{row.label}</span>
        </button>
      </div>
      {runs.map((run, column) => {
        const cell = cellOf(row, run);
        const isSelectedRun = selectedRun === run.run_id;
        const word = stateWord(t, cell.state);
        const took = cell.start && cell.end ? formatDuration(secondsBetween(cell.start, cell.end, new Date(0))) : "";
        const tries = cell.tryNumber > 1 ? ` · ${t("grid.tries", { n: cell.tryNumber })}` : "";
        const mapped = cell.mapped > 0 ? ` · ${t("ti.mapped", { n: cell.mapped })}` : "";
        return (
          <div role="gridcell" key={run.run_id} className={`grid-cell${isSelectedRun ? " in-run" : ""}`} aria-selected={isSelectedRun && selectedHere}>
            {cell.exists ? (
              <button
                type="button"
                data-row={index}
                data-column={column}
                data-testid={`cell-${row.id}-${run.run_id}`}
                data-cell-state={cell.state}
                tabIndex={focusColumn === column ? 0 : -1}
                aria-label={t("grid.cell", { task: row.label, run: run.run_id, state: word })}
                title={`${row.id}\n${word}${took ? ` · ${took}` : ""}${tries}${mapped}`}
              >
                <Glyph state={cell.state} />
              </button>
            ) : null}
          </div>
        );
      })}
    </div>
  );
});

