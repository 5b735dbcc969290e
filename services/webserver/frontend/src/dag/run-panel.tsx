// One run: how it stands, why it waits, what failed in it, and what can be done about it.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "../api/client";
import { boost, isMissing, keys, runPath, useGrid, useRun } from "../api/queries";
import type { DagRun } from "../api/types";
import { useT, type MessageKey } from "../i18n";
import { readSetting } from "../lib/settings";
import { TASK_STATES, isActive, taskState } from "../lib/states";
import { Confirm } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { Menu } from "../ui/menu";
import { Button, Empty, ErrorNotice, Loading, ValueBox, useRefusal } from "../ui/parts";
import { Glyph, StateBadge, stateWord } from "../ui/state";
import { Ago, Duration, Time } from "../ui/time";
import { useToasts } from "../ui/toasts";
import { ClearRunDialog } from "./clear-dialog";
import { NoteEditor } from "./note";
import { PanelHead } from "./panel";
import { useSelection } from "./selection";
import { WhyBox } from "./why";

export function RunPanel({ dagId, runId, onTrigger }: { dagId: string; runId: string; onTrigger(conf: Record<string, unknown>): void }) {
  const t = useT();
  const run = useRun(dagId, runId);
  if (isMissing(run.error)) {
    return (
      <>
        <PanelHead title={runId} />
        <Empty title={t("run.not_found")} />
      </>
    );
  }
  return (
    <>
      <PanelHead title={runId}>{run.data ? <RunHead run={run.data} onTrigger={onTrigger} /> : null}</PanelHead>
      <div className="panel-body stack">
        {run.error && !run.data ? <ErrorNotice error={run.error} onRetry={() => void run.refetch()} /> : null}
        {run.isPending ? <Loading /> : null}
        {run.data ? <RunBody run={run.data} /> : null}
      </div>
    </>
  );
}

function RunHead({ run, onTrigger }: { run: DagRun; onTrigger(conf: Record<string, unknown>): void }) {
  const t = useT();
  const client = useQueryClient();
  const toasts = useToasts();
  const selection = useSelection();
  const [asking, setAsking] = useState<"clear" | "success" | "failed" | "delete" | null>(null);
  const refusedEdit = useRefusal("runs.edit");
  const refusedTrigger = useRefusal("runs.trigger");
  const refusedDelete = useRefusal("runs.delete");
  const path = runPath(run.dag_id, run.dag_run_id);
  const done = () => {
    setAsking(null);
    boost(client, keys.run(run.dag_id, run.dag_run_id), keys.grid(run.dag_id), keys.ti(run.dag_id, run.dag_run_id), keys.dags, keys.lists);
  };
  const onError = (error: unknown) => {
    setAsking(null);
    toasts.error(error);
  };
  const mark = useMutation({
    mutationFn: (state: "success" | "failed") => request(path, { method: "PATCH", query: { update_mask: "state" }, body: { state } }),
    onSuccess: (_answer, state) => {
      toasts.good(t("run.marked", { run: run.dag_run_id, state: stateWord(t, state) }));
      done();
    },
    onError,
  });
  const remove = useMutation({
    mutationFn: () => request(path, { method: "DELETE" }),
    onSuccess: () => {
      toasts.good(t("common.deleted", { name: run.dag_run_id }));
      selection.close();
      done();
    },
    onError,
  });
  return (
    <>
      <div className="row wrap">
        <StateBadge state={run.state} />
        <span className="muted">
          <Duration start={run.start_date} end={run.end_date} active={isActive(run.state)} />
        </span>
        {run.run_type ? <span className="tag">{t(`run_type.${run.run_type}` as MessageKey) || run.run_type}</span> : null}
        <span className="grow" />
        <Button size="small" icon="refresh" offBecause={refusedEdit} onClick={() => setAsking("clear")}>
          {t("run.clear")}
        </Button>
        <Menu
          end
          look="small"
          label={t("common.actions")}
          entries={[
            { key: "success", label: t("run.mark_success"), offBecause: refusedEdit, onSelect: () => setAsking("success") },
            { key: "failed", label: t("run.mark_failed"), offBecause: refusedEdit, onSelect: () => setAsking("failed") },
            { key: "again", label: t("run.again"), offBecause: refusedTrigger, onSelect: () => onTrigger(run.conf ?? {}) },
            { key: "rule", rule: true },
            { key: "delete", label: t("run.delete"), danger: true, offBecause: refusedDelete, onSelect: () => setAsking("delete") },
          ]}
        >
          <Icon name="more" size={14} />
        </Menu>
      </div>
      {asking === "clear" ? <ClearRunDialog dagId={run.dag_id} runId={run.dag_run_id} onClose={() => setAsking(null)} /> : null}
      {asking === "success" || asking === "failed" ? (
        <Confirm
          title={t(asking === "success" ? "run.mark_success" : "run.mark_failed")}
          text={t(asking === "success" ? "run.mark_sure_success" : "run.mark_sure_failed")}
          action={t(asking === "success" ? "run.mark_success" : "run.mark_failed")}
          danger={asking === "failed"}
          busy={mark.isPending}
          onConfirm={() => mark.mutate(asking)}
          onClose={() => setAsking(null)}
        />
      ) : null}
      {asking === "delete" ? (
        <Confirm title={t("run.delete")} text={t("run.delete_sure", { run: run.dag_run_id })} action={t("common.delete")} danger busy={remove.isPending} onConfirm={() => remove.mutate()} onClose={() => setAsking(null)} />
      ) : null}
    </>
  );
}

function RunBody({ run }: { run: DagRun }) {
  const t = useT();
  const hasConf = run.conf && Object.keys(run.conf).length > 0;
  return (
    <>
      {run.state === "queued" ? <WhyBox dagId={run.dag_id} runId={run.dag_run_id} taskId={null} state={run.state} /> : null}
      <RunTasks run={run} />
      <dl className="facts">
        <dt>{t("run.logical_date")}</dt>
        <dd>
          <Time at={run.logical_date} />
        </dd>
        {run.data_interval_start ? (
          <>
            <dt>{t("run.interval")}</dt>
            <dd>
              <Time at={run.data_interval_start} /> – <Time at={run.data_interval_end} />
            </dd>
          </>
        ) : null}
        {run.run_after ? (
          <>
            <dt>{t("run.run_after")}</dt>
            <dd>
              <Time at={run.run_after} />
            </dd>
          </>
        ) : null}
        <dt>{t("run.queued")}</dt>
        <dd>
          <Time at={run.queued_at} />
        </dd>
        <dt>{t("run.start")}</dt>
        <dd>
          <Time at={run.start_date} />
        </dd>
        <dt>{t("run.end")}</dt>
        <dd>
          <Time at={run.end_date} /> {run.end_date ? <span className="muted">(<Ago at={run.end_date} />)</span> : null}
        </dd>
        {run.triggering_user_name || run.triggered_by ? (
          <>
            <dt>{t("run.by")}</dt>
            <dd>{[run.triggering_user_name, run.triggered_by].filter(Boolean).join(" · ")}</dd>
          </>
        ) : null}
      </dl>
      <section className="stack">
        <h3>{t("run.conf")}</h3>
        {hasConf ? <ValueBox value={run.conf} /> : <p className="muted">{t("run.no_conf")}</p>}
      </section>
      <NoteEditor note={run.note ?? ""} path={runPath(run.dag_id, run.dag_run_id)} needs="runs.edit" queryKey={keys.run(run.dag_id, run.dag_run_id)} />
    </>
  );
}

/** How many tasks are in which state, and the failed ones by name: where one looks first. */
function RunTasks({ run }: { run: DagRun }) {
  const t = useT();
  const selection = useSelection();
  const grid = useGrid(run.dag_id, Number(readSetting("runs")) || 25, null);
  const tis = grid.data?.runs.find((one) => one.run_id === run.dag_run_id)?.tis;
  if (!tis) return null;
  const states = Object.entries(tis).map(([task, cell]) => [task, taskState(cell.state)] as const);
  const failed = states.filter(([, state]) => state === "failed" || state === "up_for_retry").map(([task]) => task);
  return (
    <>
      <ul className="legend" aria-label={t("run.tasks")}>
        {TASK_STATES.map((state) => [state, states.filter(([, other]) => other === state).length] as const)
          .filter(([, count]) => count > 0)
          .map(([state, count]) => (
            <li key={state} className="state" data-state={state}>
              <Glyph state={state} />
              {count} {stateWord(t, state)}
            </li>
          ))}
      </ul>
      {failed.length > 0 ? (
        <section className="stack">
          <h3>{t("run.failed_tasks")}</h3>
          <div className="row wrap">
            {failed.slice(0, 20).map((task) => (
              <Button key={task} size="small" onClick={() => selection.select(run.dag_run_id, task)}>
                <Glyph state={tis[task]?.state} />
                {task}
              </Button>
            ))}
            {failed.length > 20 ? <span className="muted">{t("common.more", { n: failed.length - 20 })}</span> : null}
          </div>
        </section>
      ) : null}
    </>
  );
}
