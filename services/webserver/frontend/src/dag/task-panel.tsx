// One task in one run: its state and why, its log, its tries, what it was given and what it left.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "../api/client";
import { boost, isMissing, keys, tiPath, useMappedInstances, useTaskInstance, useTries, useXComs } from "../api/queries";
import type { DagTask, TaskInstance } from "../api/types";
import { useT, type MessageKey } from "../i18n";
import { isActive, isWaiting } from "../lib/states";
import { Confirm } from "../ui/dialog";
import { Button, Empty, ErrorNotice, Loading, ValueBox, useRefusal } from "../ui/parts";
import { StateBadge, stateWord } from "../ui/state";
import { Ago, Duration, Time } from "../ui/time";
import { useToasts } from "../ui/toasts";
import { ClearTaskDialog } from "./clear-dialog";
import { LogView } from "./log-view";
import { NoteEditor } from "./note";
import { PanelHead } from "./panel";
import { useSelection } from "./selection";
import { WhyBox } from "./why";

const TABS = ["log", "details", "rendered", "xcom"] as const;
type Tab = (typeof TABS)[number];

interface Place {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
}

export default function TaskPanel({ spec, mapped, ...place }: Place & { spec: DagTask | undefined; mapped: number }) {
  const selection = useSelection();
  // A mapped task without a chosen instance has no row of its own.
  const chooses = mapped > 0 && place.mapIndex < 0;
  return chooses ? (
    <>
      <PanelHead title={place.taskId} />
      <MappedList {...place} onChoose={selection.selectMapIndex} />
    </>
  ) : (
    <OneInstance spec={spec} mapped={mapped} {...place} />
  );
}

function MappedList({ dagId, runId, taskId, onChoose }: Place & { onChoose(index: number): void }) {
  const t = useT();
  const list = useMappedInstances(dagId, runId, taskId, true);
  const instances = list.data?.task_instances ?? [];
  if (isMissing(list.error) || list.data?.total_entries === 0) return <Empty title={t("ti.not_yet", { task: taskId })} />;
  return (
    <div className="panel-body stack">
      {list.error && !list.data ? <ErrorNotice error={list.error} /> : null}
      {list.data ? <p className="muted">{t("ti.mapped", { n: list.data.total_entries })}</p> : <Loading />}
      <div className="table-wrap">
        <table className="table">
          <tbody>
            {instances.map((ti) => (
              <tr key={ti.map_index}>
                <td>
                  <Button size="small" look="plain" onClick={() => onChoose(ti.map_index)}>
                    {ti.map_index}
                  </Button>
                </td>
                <td>
                  <StateBadge state={ti.state} />
                </td>
                <td>
                  <Duration start={ti.start_date} end={ti.end_date} active={isActive(ti.state)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function OneInstance({ dagId, runId, taskId, mapIndex, spec, mapped }: Place & { spec: DagTask | undefined; mapped: number }) {
  const t = useT();
  const selection = useSelection();
  const ti = useTaskInstance(dagId, runId, taskId, mapIndex);
  const tab: Tab = (TABS as readonly string[]).includes(selection.tab) ? (selection.tab as Tab) : "log";
  const title = mapIndex >= 0 ? `${taskId} [${mapIndex}]` : taskId;
  if (isMissing(ti.error)) {
    return (
      <>
        <PanelHead title={title} />
        {mapIndex < 0 ? <MappedList dagId={dagId} runId={runId} taskId={taskId} mapIndex={-1} onChoose={selection.selectMapIndex} /> : <Empty title={t("ti.not_yet", { task: taskId })} />}
      </>
    );
  }
  const tries = Math.max(ti.data?.try_number ?? 0, 0);
  const shownTry = Math.min(selection.tryNumber ?? Math.max(tries, 1), Math.max(tries, 1));
  return (
    <>
      <PanelHead title={title}>
        {ti.data ? <TaskHead ti={ti.data} /> : null}
        {mapped > 0 ? (
          <Button size="small" look="plain" icon="left" onClick={() => selection.selectMapIndex(-1)}>
            {t("ti.mapped", { n: mapped })}
          </Button>
        ) : null}
        {ti.data && isWaiting(ti.data.state) ? <WhyBox dagId={dagId} runId={runId} taskId={taskId} state={ti.data.state} /> : null}
      </PanelHead>
      {ti.error && !ti.data ? (
        <div className="pad">
          <ErrorNotice error={ti.error} onRetry={() => void ti.refetch()} />
        </div>
      ) : null}
      <div className="tabs" role="tablist" aria-label={title}>
        {TABS.map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${name}`}
            aria-selected={name === tab}
            aria-controls="tab-panel"
            tabIndex={name === tab ? 0 : -1}
            onClick={() => selection.setTab(name)}
            onKeyDown={(event) => {
              const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
              if (!step) return;
              const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length] as Tab;
              selection.setTab(next);
              document.getElementById(`tab-${next}`)?.focus();
            }}
          >
            {t(`ti.${name}` as MessageKey)}
          </button>
        ))}
      </div>
      <div className={`panel-body${tab === "log" ? " flush" : " stack"}`} role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`}>
        {tab === "log" ? (
          <LogView key={shownTry} dagId={dagId} runId={runId} taskId={taskId} mapIndex={mapIndex} tryNumber={shownTry} tries={tries} state={ti.data?.state ?? null} onTry={(n) => selection.setTry(n === tries ? null : n)} />
        ) : null}
        {tab === "details" ? ti.data ? <Details ti={ti.data} spec={spec} /> : <Loading /> : null}
        {tab === "rendered" ? <Rendered ti={ti.data} /> : null}
        {tab === "xcom" ? <XComs dagId={dagId} runId={runId} taskId={taskId} mapIndex={mapIndex} /> : null}
      </div>
    </>
  );
}

function TaskHead({ ti }: { ti: TaskInstance }) {
  const t = useT();
  const client = useQueryClient();
  const toasts = useToasts();
  const [asking, setAsking] = useState<"clear" | "success" | "failed" | null>(null);
  const refused = useRefusal("tasks.edit");
  const mark = useMutation({
    mutationFn: (state: "success" | "failed") =>
      request(tiPath(ti.dag_id, ti.dag_run_id, ti.task_id, ti.map_index), { method: "PATCH", query: { update_mask: "new_state" }, body: { new_state: state } }),
    onSuccess: (_answer, state) => {
      toasts.good(t("ti.marked", { task: ti.task_id, state: stateWord(t, state) }));
      boost(client, keys.ti(ti.dag_id, ti.dag_run_id), keys.grid(ti.dag_id), keys.run(ti.dag_id, ti.dag_run_id));
    },
    onError: (error) => toasts.error(error),
    onSettled: () => setAsking(null),
  });
  return (
    <>
      <div className="row wrap">
        <StateBadge state={ti.state} />
        <span className="muted">
          <Duration start={ti.start_date} end={ti.end_date} active={isActive(ti.state)} />
        </span>
        {ti.try_number > 0 ? <span className="muted">{ti.max_tries ? t("ti.try_of", { n: ti.try_number, max: Math.max(ti.max_tries, ti.try_number) }) : t("ti.try", { n: ti.try_number })}</span> : null}
        <span className="grow" />
        <Button size="small" icon="refresh" offBecause={refused} onClick={() => setAsking("clear")}>
          {t("ti.clear")}
        </Button>
        {ti.state !== "success" ? (
          <Button size="small" icon="check" offBecause={refused} onClick={() => setAsking("success")}>
            {t("ti.mark_success")}
          </Button>
        ) : null}
        {ti.state !== "failed" ? (
          <Button size="small" icon="close" offBecause={refused} onClick={() => setAsking("failed")}>
            {t("ti.mark_failed")}
          </Button>
        ) : null}
      </div>
      {ti.reason && !isWaiting(ti.state) && ti.state !== "success" ? <p className="muted small">{ti.reason}</p> : null}
      {asking === "clear" ? <ClearTaskDialog dagId={ti.dag_id} runId={ti.dag_run_id} taskId={ti.task_id} mapIndex={ti.map_index} onClose={() => setAsking(null)} /> : null}
      {asking === "success" || asking === "failed" ? (
        <Confirm
          title={t(`mark.title_${asking}`, { task: ti.task_id })}
          text={t("mark.hint")}
          action={t(`mark.submit_${asking}`)}
          danger={asking === "failed"}
          busy={mark.isPending}
          onConfirm={() => mark.mutate(asking)}
          onClose={() => setAsking(null)}
        />
      ) : null}
    </>
  );
}

function Details({ ti, spec }: { ti: TaskInstance; spec: DagTask | undefined }) {
  const t = useT();
  const tries = useTries(ti.dag_id, ti.dag_run_id, ti.task_id, ti.map_index, ti.try_number);
  const facts: [MessageKey, React.ReactNode][] = [
    ["ti.operator", ti.operator],
    ["ti.reason", ti.reason],
    ["ti.scheduled", ti.scheduled_when ? <Time at={ti.scheduled_when} /> : null],
    ["ti.queued", ti.queued_when ? <Time at={ti.queued_when} /> : null],
    ["ti.start", ti.start_date ? <Time at={ti.start_date} /> : null],
    ["ti.end", ti.end_date ? <Time at={ti.end_date} /> : null],
    ["ti.waited", ti.queued_when && ti.start_date ? <Duration start={ti.queued_when} end={ti.start_date} /> : null],
    ["ti.host", ti.hostname],
    ["ti.pid", ti.pid],
    ["ti.pool", ti.pool ? `${ti.pool} · ${t("ti.slots", { n: ti.pool_slots ?? 1 })}` : null],
    ["ti.queue", ti.queue],
    ["ti.priority", ti.priority_weight],
    ["dag.trigger_rule", spec?.trigger_rule],
    ["dag.upstream", spec?.upstream?.join(", ")],
  ];
  return (
    <>
      <dl className="facts">
        {facts
          .filter(([, value]) => value !== null && value !== undefined && value !== "")
          .map(([key, value]) => (
            <div key={key} style={{ display: "contents" }}>
              <dt>{t(key)}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {spec?.doc_md ? <ValueBox value={spec.doc_md} /> : null}
      {tries.data && tries.data.task_instances.length > 0 ? (
        <section className="stack">
          <h3>{t("ti.history")}</h3>
          <div className="table-wrap">
            <table className="table">
              <thead>
                <tr>
                  <th>{t("list.try")}</th>
                  <th>{t("list.state")}</th>
                  <th>{t("ti.start")}</th>
                  <th>{t("ti.duration")}</th>
                  <th>{t("ti.reason")}</th>
                </tr>
              </thead>
              <tbody>
                {tries.data.task_instances.map((attempt) => (
                  <tr key={attempt.try_number}>
                    <td>{attempt.try_number}</td>
                    <td>
                      <StateBadge state={attempt.state} />
                    </td>
                    <td>
                      <Ago at={attempt.start_date} />
                    </td>
                    <td>
                      <Duration start={attempt.start_date} end={attempt.end_date} active={isActive(attempt.state)} />
                    </td>
                    <td className="small">{attempt.reason}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ) : null}
      <NoteEditor note={ti.note ?? ""} path={tiPath(ti.dag_id, ti.dag_run_id, ti.task_id, ti.map_index)} needs="tasks.edit" queryKey={keys.ti(ti.dag_id, ti.dag_run_id)} />
    </>
  );
}

function Rendered({ ti }: { ti: TaskInstance | undefined }) {
  const t = useT();
  const fields = Object.entries(ti?.rendered_fields ?? {});
  if (fields.length === 0) return <p className="muted">{t("ti.no_rendered")}</p>;
  return (
    <>
      {fields.map(([name, value]) => (
        <section key={name} className="stack">
          <h3>
            <code>{name}</code>
          </h3>
          <ValueBox value={value} />
        </section>
      ))}
    </>
  );
}

function XComs({ dagId, runId, taskId, mapIndex }: Place) {
  const t = useT();
  const xcoms = useXComs(dagId, runId, taskId, mapIndex);
  if (xcoms.error && !xcoms.data) return <ErrorNotice error={xcoms.error} onRetry={() => void xcoms.refetch()} />;
  if (!xcoms.data) return <Loading />;
  if (xcoms.data.length === 0) return <p className="muted">{t("ti.no_xcom")}</p>;
  return (
    <>
      {xcoms.data.map((entry) => (
        <section key={entry.key} className="stack">
          <div className="row">
            <h3 className="grow">
              <code>{entry.key}</code>
            </h3>
            <span className="muted small">
              <Ago at={entry.timestamp} />
            </span>
          </div>
          <ValueBox value={entry.value} />
        </section>
      ))}
    </>
  );
}

