// The panel beside grid and graph: the selected run, or the selected task in it.

import { Suspense, lazy, useEffect, useRef, useState, type PointerEvent } from "react";
import { useGrid } from "../api/queries";
import type { DagDetails } from "../api/types";
import { useT } from "../i18n";
import { readSetting, writeSetting } from "../lib/settings";
import { Button, Empty, Loading } from "../ui/parts";
import { RunPanel } from "./run-panel";
import { useSelection } from "./selection";

const TaskPanel = lazy(() => import("./task-panel"));
const MIN_WIDTH = 340;

export function SidePanel({ dagId, dag, onTrigger }: { dagId: string; dag: DagDetails | undefined; onTrigger(conf: Record<string, unknown>): void }) {
  const t = useT();
  const selection = useSelection();
  const [width, setWidth] = useState(() => Number(readSetting("panel")) || Math.min(620, Math.round(window.innerWidth * 0.44)));
  const panel = useRef<HTMLElement>(null);
  const grid = useGrid(dagId, Number(readSetting("runs")) || 25, null);
  const group = grid.data?.tasks.find((task) => task.is_group && task.task_id === selection.task);

  useEffect(() => writeSetting("panel", String(width)), [width]);

  const startDrag = (event: PointerEvent<HTMLDivElement>) => {
    event.preventDefault();
    const right = panel.current?.getBoundingClientRect().right ?? window.innerWidth;
    const grip = event.currentTarget;
    grip.setPointerCapture(event.pointerId);
    const onMove = (move: globalThis.PointerEvent) =>
      setWidth(Math.max(MIN_WIDTH, Math.min(window.innerWidth * 0.8, right - move.clientX)));
    const stop = () => {
      grip.removeEventListener("pointermove", onMove);
      grip.removeEventListener("pointerup", stop);
    };
    grip.addEventListener("pointermove", onMove);
    grip.addEventListener("pointerup", stop);
  };

  return (
    <aside ref={panel} className="panel" aria-label={t("ti.panel")} data-testid="panel" style={selection.wide ? undefined : { width }}>
      {selection.wide ? null : (
        <div
          className="grip"
          role="separator"
          aria-orientation="vertical"
          aria-valuenow={Math.round(width)}
          aria-label={t("ti.panel")}
          tabIndex={0}
          onPointerDown={startDrag}
          onKeyDown={(event) => {
            if (event.key === "ArrowLeft") setWidth((now) => now + 24);
            if (event.key === "ArrowRight") setWidth((now) => Math.max(MIN_WIDTH, now - 24));
          }}
        />
      )}
      <Suspense fallback={<Loading />}>
        {selection.task === null && selection.run !== null ? <RunPanel dagId={dagId} runId={selection.run} onTrigger={onTrigger} /> : null}
        {selection.task !== null && (selection.run === null || group) ? (
          <>
            <PanelHead title={group?.label ?? selection.task} />
            <Empty title={group ? t("ti.is_group", { n: countMembers(grid.data?.tasks ?? [], group.task_id) }) : t("ti.select_run")} />
          </>
        ) : null}
        {selection.task !== null && selection.run !== null && !group ? (
          <TaskPanel
            key={`${selection.run}/${selection.task}/${selection.mapIndex}`}
            dagId={dagId}
            runId={selection.run}
            taskId={selection.task}
            mapIndex={selection.mapIndex}
            spec={dag?.tasks?.find((task) => task.task_id === selection.task)}
            mapped={mappedCount(grid.data?.runs.find((run) => run.run_id === selection.run)?.tis[selection.task])}
          />
        ) : null}
      </Suspense>
    </aside>
  );
}

function mappedCount(cell: unknown): number {
  const counts = (cell as { mapped?: Record<string, number> } | undefined)?.mapped;
  return counts ? Object.values(counts).reduce((sum, n) => sum + n, 0) : 0;
}

function countMembers(tasks: readonly { task_id: string; depth: number; is_group?: boolean }[], group: string): number {
  const at = tasks.findIndex((task) => task.task_id === group);
  const depth = tasks[at]?.depth ?? 0;
  let count = 0;
  for (const task of tasks.slice(at + 1)) {
    if (task.depth <= depth) break;
    if (!task.is_group) count += 1;
  }
  return count;
}

export function PanelHead({ title, children }: { title: string; children?: React.ReactNode }) {
  const t = useT();
  const selection = useSelection();
  return (
    <header>
      <div className="row">
        <h2 className="grow">{title}</h2>
        <Button
          look="plain"
          icon={selection.wide ? "narrow" : "wide"}
          aria-label={t(selection.wide ? "ti.narrow" : "ti.widen")}
          title={t(selection.wide ? "ti.narrow" : "ti.widen")}
          onClick={() => selection.setWide(!selection.wide)}
        />
        <Button look="plain" icon="close" aria-label={t("common.close")} title={`${t("common.close")} (Esc)`} onClick={selection.close} />
      </div>
      {children}
    </header>
  );
}
