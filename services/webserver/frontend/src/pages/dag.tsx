// One DAG: its head, its views, and beside them the panel of the run or task that is selected.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Suspense, lazy, useCallback, useEffect, useState } from "react";
import { Link, useLocation } from "wouter";
import { request } from "../api/client";
import { dagPath, isMissing, keys, useDag } from "../api/queries";
import type { DagDetails } from "../api/types";
import { Grid } from "../dag/grid";
import { SidePanel } from "../dag/panel";
import { useSelection } from "../dag/selection";
import { useSpeech, type MessageKey } from "../i18n";
import { importErrorLine } from "../lib/import-error";
import { scheduleInWords } from "../lib/schedule";
import { Confirm } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { Menu } from "../ui/menu";
import { Button, Empty, ErrorNotice, Loading, Notice, Switch, useRefusal } from "../ui/parts";
import { Ago } from "../ui/time";
import { useTitle } from "../ui/title";
import { useToasts } from "../ui/toasts";
import { usePause } from "./dags";
import "../styles/dag.css";
import "../styles/grid.css";


const Graph = lazy(() => import("../dag/graph"));
const RunsTab = lazy(() => import("../dag/runs-tab"));
const CodeTab = lazy(() => import("../dag/code-tab"));
const DetailsTab = lazy(() => import("../dag/details-tab"));
const TriggerDialog = lazy(() => import("../dag/trigger-dialog"));

const VIEWS = ["grid", "graph", "runs", "code", "details"] as const;
type View = (typeof VIEWS)[number];

export default function DagPage({ dagId, view: wanted }: { dagId: string; view: string }) {
  const { t } = useSpeech();
  const dag = useDag(dagId);
  const selection = useSelection();
  const [triggering, setTriggering] = useState<{ conf?: Record<string, unknown> } | null>(null);
  const view: View = (VIEWS as readonly string[]).includes(wanted) ? (wanted as View) : "grid";
  useTitle(view === "grid" ? dagId : `${dagId} · ${t(`dag.${view}`)}`);
  const trigger = useCallback((conf?: Record<string, unknown>) => setTriggering(conf ? { conf } : {}), []);

  const { close } = selection;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) close();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [close]);

  if (isMissing(dag.error)) {
    return (
      <Empty title={t("dag.not_found", { dag: dagId })}>
        <Link className="button" href="/dags">
          {t("error.to_dags")}
        </Link>
      </Empty>
    );
  }
  const hasPanel = (view === "grid" || view === "graph") && (selection.run !== null || selection.task !== null);
  return (
    <div className={`dag-page${view === "grid" || view === "graph" ? " fixed" : ""}`}>
      {dag.data ? <Head dag={dag.data} onTrigger={() => trigger()} /> : <div className="dag-head"><h1>{dagId}</h1></div>}
      {dag.error && !dag.data ? <div className="pad"><ErrorNotice error={dag.error} onRetry={() => void dag.refetch()} /></div> : null}
      <Views dagId={dagId} view={view} />
      <div className={`dag-body${selection.wide && hasPanel ? " wide" : ""}`}>
        <div className="dag-view">
          <Suspense fallback={<Loading />}>
            {view === "grid" ? <Grid dagId={dagId} /> : null}
            {view === "graph" ? <Graph dagId={dagId} /> : null}
            {view === "runs" ? <RunsTab dagId={dagId} /> : null}
            {view === "code" ? <CodeTab dagId={dagId} /> : null}
            {view === "details" && dag.data ? <DetailsTab dag={dag.data} /> : null}
          </Suspense>
        </div>
        {hasPanel ? <SidePanel dagId={dagId} dag={dag.data} onTrigger={trigger} /> : null}
      </div>
      {triggering ? (
        <Suspense>
          <TriggerDialog
            dagId={dagId}
            conf={triggering.conf}
            onTriggered={view === "grid" || view === "graph" ? (runId) => selection.select(runId, null) : undefined}
            onClose={() => setTriggering(null)}
          />
        </Suspense>
      ) : null}
    </div>
  );
}

function Views({ dagId, view }: { dagId: string; view: View }) {
  const { t } = useSpeech();
  const selection = useSelection();
  const base = `/dags/${encodeURIComponent(dagId)}`;
  return (
    <nav className="tabs dag-tabs" aria-label={t("dag.views")}>
      {VIEWS.map((name) => {
        const path = name === "grid" ? base : `${base}/${name}`;
        // Grid and graph share what is selected.
        const keep = (name === "grid" || name === "graph") && selection.search ? `?${selection.search}` : "";
        return (
          <Link key={name} href={path + keep} aria-current={name === view ? "page" : undefined}>
            {t(`dag.${name}` as MessageKey)}
          </Link>
        );
      })}
    </nav>
  );
}

function Head({ dag, onTrigger }: { dag: DagDetails; onTrigger(): void }) {
  const { t, language } = useSpeech();
  const pause = usePause();
  const [deleting, setDeleting] = useState(false);
  const name = dag.display_name || dag.dag_id;
  const importError = dag.import_error;
  const warnings = dag.warnings ?? [];
  const mayNotDelete = useRefusal("dags.delete");
  return (
    <>
      <div className="dag-head">
        <Switch
          on={!dag.is_paused}
          needs="dags.edit"
          label={t(dag.is_paused ? "dags.unpause" : "dags.pause", { dag: name })}
          hint={t(dag.is_paused ? "dags.pause_hint" : "dags.unpause_hint")}
          onChange={(on) => pause.mutate({ dagId: dag.dag_id, paused: !on })}
        />
        <h1>{name}</h1>
        <span className="muted" title={dag.schedule ?? undefined}>
          {scheduleInWords(dag.schedule, dag.schedule_description, t, language)}
        </span>
        {dag.next_run?.run_after && !dag.is_paused ? (
          <span className="muted">
            {t("dag.next_run")}: <Ago at={dag.next_run.run_after} />
          </span>
        ) : null}
        <span className="row wrap">
          {dag.tags.map((tag) => (
            <Link key={tag} href={`/dags?tag=${encodeURIComponent(tag)}`} className="tag">
              {tag}
            </Link>
          ))}
        </span>
        <span className="grow" />
        <Button look="primary" icon="play" needs="runs.trigger" onClick={onTrigger}>
          {t("dag.trigger")}
        </Button>
        <Menu
          end
          label={t("common.actions")}
          entries={[{ key: "delete", label: t("dag.delete"), icon: "trash", danger: true, offBecause: mayNotDelete, onSelect: () => setDeleting(true) }]}
        >
          <Icon name="more" />
        </Menu>
      </div>
      {dag.is_paused || importError || warnings.length > 0 ? (
        <div className="dag-notices">
          {importError ? (
            <Notice kind="error">
              {t("dag.import_error")}{" "}
              <code>{typeof importError === "string" ? importError.split("\n").at(-1) : importErrorLine(importError).message}</code>{" "}
              <Link href="/import-errors">{t("dags.import_errors_show")}</Link>
            </Notice>
          ) : null}
          {warnings.length > 0 ? (
            <Notice kind="warn">
              {warnings.map((warning, index) => (
                <p key={index}>{typeof warning === "string" ? warning : warning.message}</p>
              ))}
            </Notice>
          ) : null}
          {dag.is_paused ? <Notice kind="info">{t("dag.is_paused")}</Notice> : null}
        </div>
      ) : null}
      {deleting ? <DeleteDag dagId={dag.dag_id} onClose={() => setDeleting(false)} /> : null}
    </>
  );
}

function DeleteDag({ dagId, onClose }: { dagId: string; onClose(): void }) {
  const { t } = useSpeech();
  const toasts = useToasts();
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const remove = useMutation({
    mutationFn: () => request(dagPath(dagId), { method: "DELETE" }),
    onSuccess: () => {
      toasts.good(t("dag.delete_asked", { dag: dagId }));
      void client.invalidateQueries({ queryKey: keys.dags });
      navigate("/dags");
    },
    onError: (error) => {
      toasts.error(error);
      onClose();
    },
  });
  return (
    <Confirm title={t("dag.delete")} text={t("dag.delete_sure", { dag: dagId })} action={t("common.delete")} danger busy={remove.isPending} onConfirm={() => remove.mutate()} onClose={onClose} />
  );
}
