// The list of DAGs: what is on, when it runs next, how it went lately.

import { useMutation, useQueryClient, type QueryKey } from "@tanstack/react-query";
import { Suspense, lazy, useMemo, useState } from "react";
import { Link } from "wouter";
import { request } from "../api/client";
import { boost, dagPath, keys, useDags, useImportErrors } from "../api/queries";
import type { DagDetails, DagList, DagSummary, RecentRun } from "../api/types";
import { useSpeech } from "../i18n";
import { FILTERS, SORTS, chosenDags, type Filter, type Sort } from "../lib/dag-list";
import { importErrorLine } from "../lib/import-error";
import { scheduleInWords } from "../lib/schedule";
import { formatDuration, formatShort, parseInstant, secondsBetween } from "../lib/time";
import { useParamsInAddress } from "../lib/use-params";
import { Icon } from "../ui/icons";
import { Button, Empty, ErrorNotice, Loading, Notice, Pager, SearchInput, Switch } from "../ui/parts";
import { Glyph, stateWord } from "../ui/state";
import { Ago, useNow } from "../ui/time";
import { useTitle } from "../ui/title";
import { useToasts } from "../ui/toasts";

const TriggerDialog = lazy(() => import("../dag/trigger-dialog"));
const PAGE = 100;

export function usePause() {
  const client = useQueryClient();
  const toasts = useToasts();
  return useMutation({
    mutationFn: ({ dagId, paused }: { dagId: string; paused: boolean }) =>
      request(dagPath(dagId), { method: "PATCH", query: { update_mask: "is_paused" }, body: { is_paused: paused } }),
    // The switch moves at once; if the server refuses, it moves back and says why.
    onMutate: async ({ dagId, paused }) => {
      await client.cancelQueries({ queryKey: keys.dags });
      await client.cancelQueries({ queryKey: keys.dag(dagId), exact: true });
      const before: [QueryKey, unknown][] = [
        ...client.getQueriesData({ queryKey: keys.dags }),
        [keys.dag(dagId), client.getQueryData(keys.dag(dagId))],
      ];
      client.setQueriesData<DagList>({ queryKey: keys.dags }, (list) =>
        list ? { ...list, dags: list.dags.map((dag) => (dag.dag_id === dagId ? { ...dag, is_paused: paused } : dag)) } : list,
      );
      client.setQueryData<DagDetails>(keys.dag(dagId), (dag) => (dag ? { ...dag, is_paused: paused } : dag));
      return { before };
    },
    onError: (error, _variables, context) => {
      for (const [key, data] of context?.before ?? []) client.setQueryData(key, data);
      toasts.error(error);
    },
    onSettled: (_data, _error, { dagId }) => boost(client, keys.dags, keys.dag(dagId), keys.grid(dagId)),
  });
}

export function DagsPage() {
  const { t } = useSpeech();
  const address = useParamsInAddress();
  const search = address.get("search");
  const tag = address.get("tag");
  const owner = address.get("owner");
  const filter = (FILTERS as readonly string[]).includes(address.get("show")) ? (address.get("show") as Filter) : "all";
  const sort = (SORTS as readonly string[]).includes(address.get("sort")) ? (address.get("sort") as Sort) : "name";
  const offset = address.number("offset", 0);
  const [triggering, setTriggering] = useState<DagSummary | null>(null);
  useTitle(t("dags.title"));

  const paused = filter === "active" ? "false" : filter === "paused" ? "true" : "";
  const list = useDags({ search, tag, paused, limit: PAGE, offset });
  const dags = useMemo(() => chosenDags(list.data?.dags ?? [], { filter, owner, sort }), [list.data, filter, owner, sort]);
  const owners = useMemo(() => [...new Set((list.data?.dags ?? []).flatMap((dag) => dag.owners))].sort(), [list.data]);
  const tags = useMemo(() => [...new Set((list.data?.dags ?? []).flatMap((dag) => dag.tags).concat(tag || []))].sort(), [list.data, tag]);
  const filtered = !!(search || tag || owner || filter !== "all");
  const change = (changes: Parameters<typeof address.change>[0]) => address.change({ offset: null, ...changes });

  return (
    <div className="page">
      <header>
        <h1>{t("dags.title")}</h1>
        {list.data ? <span className="muted">{t("dags.count", { n: list.data.total })}</span> : null}
        <span className="grow" />
        <SearchInput hotkey label={t("dags.search")} value={search} onChange={(value) => change({ search: value })} />
        <div className="row" role="group" aria-label={t("dags.filter_state")}>
          {FILTERS.map((name) => (
            <Button key={name} size="small" aria-pressed={name === filter} onClick={() => change({ show: name === "all" ? null : name })}>
              {name === "all" ? t("common.all") : t(`dags.${name}`)}
            </Button>
          ))}
        </div>
        {tags.length > 0 ? (
          <select className="select" aria-label={t("dags.filter_tag")} value={tag} onChange={(event) => change({ tag: event.target.value })}>
            <option value="">{`${t("dags.filter_tag")}: ${t("common.all")}`}</option>
            {tags.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        ) : null}
        {owners.length > 1 || owner ? (
          <select className="select" aria-label={t("dags.filter_owner")} value={owner} onChange={(event) => change({ owner: event.target.value })}>
            <option value="">{`${t("dags.filter_owner")}: ${t("common.all")}`}</option>
            {[...new Set(owner ? [...owners, owner] : owners)].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        ) : null}
        <select className="select" aria-label={t("dags.sort")} value={sort} onChange={(event) => change({ sort: event.target.value === "name" ? null : event.target.value })}>
          {SORTS.map((name) => (
            <option key={name} value={name}>{`${t("dags.sort")}: ${t(`dags.sort_${name}`)}`}</option>
          ))}
        </select>
      </header>

      <ImportErrorsBanner />
      {list.error && !list.data ? <ErrorNotice error={list.error} onRetry={() => void list.refetch()} /> : null}
      {list.isPending ? <Loading /> : null}
      {list.data && dags.length === 0 ? (
        filtered ? (
          <Empty title={t("dags.nothing_matches")}>
            <Button onClick={() => change({ search: null, tag: null, owner: null, show: null })}>{t("common.clear_filters")}</Button>
          </Empty>
        ) : (
          <Empty title={t("dags.empty")}>
            <p>{t("dags.empty_hint")}</p>
          </Empty>
        )
      ) : null}
      {dags.length > 0 ? (
        <div className="table-wrap">
          <table className="table dags">
            <thead>
              <tr>
                <th>
                  <span className="visually-hidden">{t("dags.active")}</span>
                </th>
                <th>{t("dags.dag")}</th>
                <th>{t("dags.schedule")}</th>
                <th>{t("dags.last_run")}</th>
                <th>{t("dags.recent_runs")}</th>
                <th>{t("dags.owner")}</th>
                <th>
                  <span className="visually-hidden">{t("common.actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {dags.map((dag) => (
                <DagRow key={dag.dag_id} dag={dag} onTag={(name) => change({ tag: name === tag ? null : name })} onTrigger={() => setTriggering(dag)} />
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {list.data ? <Pager offset={offset} limit={PAGE} total={list.data.total} onMove={(next) => address.change({ offset: next || null }, true)} /> : null}
      {triggering ? (
        <Suspense>
          <TriggerDialog dagId={triggering.dag_id} onClose={() => setTriggering(null)} />
        </Suspense>
      ) : null}
    </div>
  );
}

function DagRow({ dag, onTag, onTrigger }: { dag: DagSummary; onTag(tag: string): void; onTrigger(): void }) {
  const { t, language } = useSpeech();
  const pause = usePause();
  const last = dag.recent_runs.at(-1);
  const href = `/dags/${encodeURIComponent(dag.dag_id)}`;
  const name = dag.display_name || dag.dag_id;
  return (
    <tr data-testid={`dag-${dag.dag_id}`} className={dag.is_paused ? "paused" : ""}>
      <td>
        <Switch
          on={!dag.is_paused}
          needs="dags.edit"
          label={t(dag.is_paused ? "dags.unpause" : "dags.pause", { dag: name })}
          hint={t(dag.is_paused ? "dags.pause_hint" : "dags.unpause_hint")}
          onChange={(on) => pause.mutate({ dagId: dag.dag_id, paused: !on })}
        />
      </td>
      <td className="name">
        <div className="row">
          <Link href={href} className="title ellipsis" title={name}>
            {name}
          </Link>
          {dag.has_import_errors ? (
            <Link href="/import-errors" className="broken" title={t("dags.broken")} aria-label={t("dags.broken")}>
              <Icon name="warning" size={14} />
            </Link>
          ) : null}
          {dag.tags.map((tag) => (
            <button key={tag} type="button" className="tag" title={`${t("dags.filter_tag")}: ${tag}`} onClick={() => onTag(tag)}>
              {tag}
            </button>
          ))}
        </div>
        {dag.description ? (
          <div className="muted small ellipsis" title={dag.description}>
            {dag.description}
          </div>
        ) : null}
      </td>
      <td>
        <div title={dag.schedule ?? undefined}>{scheduleInWords(dag.schedule, dag.schedule_description, t, language)}</div>
        {dag.next_run?.run_after && !dag.is_paused ? (
          <div className="muted small nowrap">
            {t("dags.next_run")}: <Ago at={dag.next_run.run_after} />
          </div>
        ) : null}
      </td>
      <td>{last ? <LastRun run={last} href={href} /> : <span className="muted">{t("dags.no_runs")}</span>}</td>
      <td>
        <RunBars runs={dag.recent_runs} href={href} />
      </td>
      <td>
        <div className="ellipsis owners" title={dag.owners.join(", ")}>
          {dag.owners.join(", ")}
        </div>
      </td>
      <td className="tools">
        <Button look="plain" icon="play" needs="runs.trigger" aria-label={t("dags.trigger", { dag: name })} title={t("dags.trigger", { dag: name })} onClick={onTrigger} />
      </td>
    </tr>
  );
}

function LastRun({ run, href }: { run: RecentRun; href: string }) {
  const { t } = useSpeech();
  return (
    <div>
      <Link href={`${href}?run=${encodeURIComponent(run.run_id)}`} className="state" data-state={run.state}>
        <Glyph state={run.state} />
        {stateWord(t, run.state)}
      </Link>
      <div className="muted small">
        <Ago at={run.end_date ?? run.start_date ?? run.logical_date} />
      </div>
    </div>
  );
}

function RunBars({ runs, href }: { runs: readonly RecentRun[]; href: string }) {
  const { t } = useSpeech();
  const now = useNow();
  const seconds = runs.map((run) => secondsBetween(run.start_date, run.end_date, now) ?? 0);
  const longest = Math.max(...seconds, 0.001);
  return (
    <div className="bars">
      {runs.map((run, index) => {
        const date = parseInstant(run.logical_date ?? run.start_date);
        const label = t("dags.run_of", {
          run: date ? formatShort(date, now) : run.run_id,
          state: stateWord(t, run.state),
          duration: formatDuration(seconds[index]) || "–",
        });
        const height = `${Math.max(18, Math.round(((seconds[index] ?? 0) / longest) * 100))}%`;
        return (
          <Link key={run.run_id} href={`${href}?run=${encodeURIComponent(run.run_id)}`} className="bar" aria-label={label} title={label}>
            <span data-state={run.state} style={{ height }} />
          </Link>
        );
      })}
    </div>
  );
}

function ImportErrorsBanner() {
  const { t } = useSpeech();
  const query = useImportErrors();
  const errors = query.data?.import_errors ?? [];
  if (errors.length === 0) return null;
  const shown = errors.slice(0, 3);
  return (
    <Notice kind="error">
      <div className="row wrap">
        <strong>{t("dags.import_errors", { n: errors.length })}</strong>
        <Link href="/import-errors">{t("dags.import_errors_show")}</Link>
      </div>
      <ul>
        {shown.map((error) => {
          const { line, message } = importErrorLine(error);
          return (
            <li key={error.filename} className="ellipsis">
              <code>
                {error.filename}
                {line ? `:${line}` : ""}
              </code>{" "}
              {message}
            </li>
          );
        })}
        {errors.length > shown.length ? <li className="muted">{t("common.more", { n: errors.length - shown.length })}</li> : null}
      </ul>
    </Notice>
  );
}
