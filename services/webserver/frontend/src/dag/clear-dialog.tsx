// Clearing: what goes with it is chosen, and what will be cleared is listed before it is done.

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "../api/client";
import { boost, dagPath, keys, runPath, type TaskInstances } from "../api/queries";
import { useT } from "../i18n";
import { Dialog } from "../ui/dialog";
import { Button, Check, ErrorNotice } from "../ui/parts";
import { StateBadge } from "../ui/state";
import { useToasts } from "../ui/toasts";

const SHOWN = 200;

interface ClearProps {
  title: string;
  hint: string;
  dagId: string;
  runId: string;
  path: string;
  body: Record<string, unknown>;
  onClose(): void;
  children: React.ReactNode;
}

function ClearDialog({ title, hint, dagId, runId, path, body, onClose, children }: ClearProps) {
  const t = useT();
  const client = useQueryClient();
  const toasts = useToasts();
  const preview = useQuery({
    queryKey: ["clear", path, body],
    queryFn: ({ signal }) => request<TaskInstances>(path, { method: "POST", body: { ...body, dry_run: true }, signal }),
    placeholderData: keepPreviousData,
  });
  const clear = useMutation({
    mutationFn: () => request<Partial<TaskInstances>>(path, { method: "POST", body: { ...body, dry_run: false } }),
    onSuccess: () => {
      toasts.good(t("run.cleared", { n: preview.data?.total_entries ?? preview.data?.task_instances.length ?? 0 }));
      boost(client, keys.grid(dagId), keys.ti(dagId, runId), keys.run(dagId, runId), keys.dags, keys.lists);
      onClose();
    },
    onError: (error) => toasts.error(error),
  });
  const found = preview.data?.task_instances ?? [];
  const total = preview.data?.total_entries ?? found.length;
  return (
    <Dialog
      title={title}
      onClose={onClose}
      onSubmit={() => clear.mutate()}
      footer={
        <>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" look="primary" icon="refresh" disabled={clear.isPending || found.length === 0}>
            {t("clear.submit")}
          </Button>
        </>
      }
    >
      <p>{hint}</p>
      <div className="row wrap" style={{ gap: "8px 18px" }}>
        {children}
      </div>
      {preview.error ? <ErrorNotice error={preview.error} /> : null}
      {preview.data ? (
        <div className="stack" style={{ opacity: preview.isPlaceholderData ? 0.6 : 1 }} aria-live="polite" data-testid="clear-preview">
          <strong>{found.length > 0 ? t("clear.preview", { n: total }) : t("clear.nothing")}</strong>
          {found.length > 0 ? (
            <div className="table-wrap" style={{ maxHeight: "34vh", overflowY: "auto" }}>
              <table className="table">
                <thead>
                  <tr>
                    <th>{t("list.task")}</th>
                    <th>{t("list.run")}</th>
                    <th>{t("list.state")}</th>
                  </tr>
                </thead>
                <tbody>
                  {found.slice(0, SHOWN).map((ti) => (
                    <tr key={`${ti.dag_run_id}/${ti.task_id}/${ti.map_index}`}>
                      <td>
                        {ti.task_id}
                        {ti.map_index >= 0 ? ` [${ti.map_index}]` : ""}
                      </td>
                      <td className="mono">{ti.dag_run_id}</td>
                      <td>
                        <StateBadge state={ti.state} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          ) : null}
          {total > SHOWN ? <span className="muted">{t("common.more", { n: total - SHOWN })}</span> : null}
        </div>
      ) : null}
    </Dialog>
  );
}

export function ClearTaskDialog({ dagId, runId, taskId, mapIndex, onClose }: { dagId: string; runId: string; taskId: string; mapIndex: number; onClose(): void }) {
  const t = useT();
  const [downstream, setDownstream] = useState(true);
  const [upstream, setUpstream] = useState(false);
  const [past, setPast] = useState(false);
  const [future, setFuture] = useState(false);
  const [onlyFailed, setOnlyFailed] = useState(false);
  return (
    <ClearDialog
      title={t("clear.title", { task: taskId })}
      hint={t("clear.hint")}
      dagId={dagId}
      runId={runId}
      path={dagPath(dagId, "clearTaskInstances")}
      body={{
        task_ids: [mapIndex >= 0 ? [taskId, mapIndex] : taskId],
        dag_run_id: runId,
        include_upstream: upstream,
        include_downstream: downstream,
        include_past: past,
        include_future: future,
        only_failed: onlyFailed,
        reset_dag_runs: true,
      }}
      onClose={onClose}
    >
      <Check on={upstream} onChange={setUpstream}>
        {t("clear.upstream")}
      </Check>
      <Check on={downstream} onChange={setDownstream}>
        {t("clear.downstream")}
      </Check>
      <Check on={past} onChange={setPast}>
        {t("clear.past")}
      </Check>
      <Check on={future} onChange={setFuture}>
        {t("clear.future")}
      </Check>
      <Check on={onlyFailed} onChange={setOnlyFailed}>
        {t("clear.only_failed")}
      </Check>
    </ClearDialog>
  );
}

export function ClearRunDialog({ dagId, runId, onClose }: { dagId: string; runId: string; onClose(): void }) {
  const t = useT();
  const [onlyFailed, setOnlyFailed] = useState(false);
  return (
    <ClearDialog title={t("run.clear_title", { run: runId })} hint={t("run.clear_hint")} dagId={dagId} runId={runId} path={runPath(dagId, runId, "clear")} body={{ only_failed: onlyFailed }} onClose={onClose}>
      <Check on={onlyFailed} onChange={setOnlyFailed}>
        {t("clear.only_failed")}
      </Check>
    </ClearDialog>
  );
}
