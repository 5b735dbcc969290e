// Runs of all DAGs, or of one: newest first, by state.

import { Link } from "wouter";
import { useList, type DagRuns } from "../api/queries";
import { useT, type MessageKey } from "../i18n";
import { RUN_STATES, isActive } from "../lib/states";
import { useParamsInAddress } from "../lib/use-params";
import { Empty, ErrorNotice, Loading, Pager, SearchInput } from "../ui/parts";
import { StateBadge, stateWord } from "../ui/state";
import { Ago, Duration, Time } from "../ui/time";
import { useTitle } from "../ui/title";

const PAGE = 50;

export default function RunsPage() {
  const t = useT();
  useTitle(t("runs.title"));
  return (
    <div className="page">
      <h1>{t("runs.title")}</h1>
      <RunsTable />
    </div>
  );
}

export function RunsTable({ dagId }: { dagId?: string }) {
  const t = useT();
  const address = useParamsInAddress();
  const state = address.get("state");
  const search = address.get("search");
  const offset = address.number("offset", 0);
  const list = useList<DagRuns>(
    `dags/${dagId ? encodeURIComponent(dagId) : "~"}/dagRuns`,
    { limit: PAGE, offset, order_by: "-run_after", state, run_id_pattern: search },
    { live: true },
  );
  const runs = list.data?.dag_runs ?? [];
  return (
    <>
      <div className="row wrap">
        <SearchInput hotkey label={t("run.id")} value={search} onChange={(value) => address.change({ search: value, offset: null })} />
        <select className="select" aria-label={t("list.state")} value={state} onChange={(event) => address.change({ state: event.target.value, offset: null })}>
          <option value="">{t("common.any_state")}</option>
          {RUN_STATES.map((name) => (
            <option key={name} value={name}>
              {stateWord(t, name)}
            </option>
          ))}
        </select>
        {list.data ? <span className="muted">{list.data.total_entries}</span> : null}
      </div>
      {list.error && !list.data ? <ErrorNotice error={list.error} onRetry={() => void list.refetch()} /> : null}
      {list.isPending ? <Loading /> : null}
      {list.data && runs.length === 0 ? <Empty title={t("runs.empty")} /> : null}
      {runs.length > 0 ? (
        <div className="table-wrap">
          <table className="table" data-testid="runs">
            <thead>
              <tr>
                <th>{t("list.state")}</th>
                {dagId ? null : <th>{t("list.dag")}</th>}
                <th>{t("run.id")}</th>
                <th>{t("run.type")}</th>
                <th>{t("run.logical_date")}</th>
                <th>{t("run.start")}</th>
                <th>{t("run.duration")}</th>
                <th>{t("run.note")}</th>
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => {
                const href = `/dags/${encodeURIComponent(run.dag_id)}`;
                return (
                  <tr key={`${run.dag_id}/${run.dag_run_id}`}>
                    <td>
                      <StateBadge state={run.state} />
                    </td>
                    {dagId ? null : (
                      <td>
                        <Link href={href}>{run.dag_id}</Link>
                      </td>
                    )}
                    <td>
                      <Link href={`${href}?run=${encodeURIComponent(run.dag_run_id)}`} className="mono">
                        {run.dag_run_id}
                      </Link>
                    </td>
                    <td>{run.run_type ? t(`run_type.${run.run_type}` as MessageKey) : ""}</td>
                    <td>
                      <Time at={run.logical_date} seconds={false} />
                    </td>
                    <td>
                      <Ago at={run.start_date} />
                    </td>
                    <td>
                      <Duration start={run.start_date} end={run.end_date} active={isActive(run.state)} />
                    </td>
                    <td>
                      <div className="ellipsis muted" style={{ maxWidth: "20em" }} title={run.note ?? undefined}>
                        {run.note}
                      </div>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      ) : null}
      {list.data ? <Pager offset={offset} limit={PAGE} total={list.data.total_entries} onMove={(next) => address.change({ offset: next || null }, true)} /> : null}
    </>
  );
}
