// Task instances of all DAGs: what runs, what waits, what failed, newest first.

import { Link } from "wouter";
import { useList, type TaskInstances } from "../api/queries";
import { useT } from "../i18n";
import { TASK_STATES, isActive } from "../lib/states";
import { useParamsInAddress } from "../lib/use-params";
import { Empty, ErrorNotice, Loading, Pager, SearchInput } from "../ui/parts";
import { StateBadge, stateWord } from "../ui/state";
import { Ago, Duration } from "../ui/time";
import { useTitle } from "../ui/title";

const PAGE = 50;

export default function TaskInstancesPage() {
  const t = useT();
  const address = useParamsInAddress();
  const state = address.get("state");
  const search = address.get("search");
  const offset = address.number("offset", 0);
  useTitle(t("tis.title"));
  const list = useList<TaskInstances>(
    "dags/~/dagRuns/~/taskInstances",
    { limit: PAGE, offset, order_by: "-start_date", state, task_id_pattern: search },
    { live: true },
  );
  const instances = list.data?.task_instances ?? [];
  return (
    <div className="page">
      <header>
        <h1>{t("tis.title")}</h1>
        {list.data ? <span className="muted">{list.data.total_entries}</span> : null}
        <span className="grow" />
        <SearchInput hotkey label={t("list.task")} value={search} onChange={(value) => address.change({ search: value, offset: null })} />
        <select className="select" aria-label={t("list.state")} value={state} onChange={(event) => address.change({ state: event.target.value, offset: null })}>
          <option value="">{t("common.any_state")}</option>
          {TASK_STATES.map((name) => (
            <option key={name} value={name}>
              {stateWord(t, name)}
            </option>
          ))}
        </select>
      </header>
      {list.error && !list.data ? <ErrorNotice error={list.error} onRetry={() => void list.refetch()} /> : null}
      {list.isPending ? <Loading /> : null}
      {list.data && instances.length === 0 ? <Empty title={t("tis.empty")} /> : null}
      {instances.length > 0 ? (
        <div className="table-wrap">
          <table className="table">
            <thead>
              <tr>
                <th>{t("list.state")}</th>
                <th>{t("list.dag")}</th>
                <th>{t("list.task")}</th>
                <th>{t("list.run")}</th>
                <th>{t("ti.operator")}</th>
                <th className="number">{t("list.try")}</th>
                <th>{t("ti.start")}</th>
                <th>{t("list.duration")}</th>
                <th>{t("ti.host")}</th>
              </tr>
            </thead>
            <tbody>
              {instances.map((ti) => {
                const href = `/dags/${encodeURIComponent(ti.dag_id)}`;
                const run = encodeURIComponent(ti.dag_run_id);
                const map = ti.map_index >= 0 ? `&map=${ti.map_index}` : "";
                return (
                  <tr key={`${ti.dag_id}/${ti.dag_run_id}/${ti.task_id}/${ti.map_index}`}>
                    <td>
                      <StateBadge state={ti.state} />
                    </td>
                    <td>
                      <Link href={href}>{ti.dag_id}</Link>
                    </td>
                    <td>
                      <Link href={`${href}?run=${run}&task=${encodeURIComponent(ti.task_id)}${map}`}>
                        {ti.task_id}
                        {ti.map_index >= 0 ? ` [${ti.map_index}]` : ""}
                      </Link>
                    </td>
                    <td>
                      <Link href={`${href}?run=${run}`} className="mono">
                        {ti.dag_run_id}
                      </Link>
                    </td>
                    <td className="muted">{ti.operator}</td>
                    <td className="number">{ti.try_number || ""}</td>
                    <td>
                      <Ago at={ti.start_date} />
                    </td>
                    <td>
                      <Duration start={ti.start_date} end={ti.end_date} active={isActive(ti.state)} />
                    </td>
                    <td className="muted">{ti.hostname}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      ) : null}
      {list.data ? <Pager offset={offset} limit={PAGE} total={list.data.total_entries} onMove={(next) => address.change({ offset: next || null }, true)} /> : null}
    </div>
  );
}
