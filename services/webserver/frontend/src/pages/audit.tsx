// Who did what.

import { Link } from "wouter";
import { useList, type EventLogs } from "../api/queries";
import { useT } from "../i18n";
import { useParamsInAddress } from "../lib/use-params";
import { ListStates } from "../ui/admin";
import { Pager, SearchInput } from "../ui/parts";
import { Time } from "../ui/time";
import { useTitle } from "../ui/title";

const PAGE = 50;

export default function AuditPage() {
  const t = useT();
  const address = useParamsInAddress();
  const offset = address.number("offset", 0);
  const filters = { owner_pattern: address.get("who"), dag_id_pattern: address.get("dag"), event_pattern: address.get("event") };
  useTitle(t("audit.title"));
  const list = useList<EventLogs>("eventLogs", { limit: PAGE, offset, order_by: "-when", ...filters }, { live: true });
  const entries = list.data?.event_logs ?? [];
  return (
    <div className="page">
      <header>
        <h1>{t("audit.title")}</h1>
        <span className="grow" />
        {(["who", "event", "dag"] as const).map((name) => (
          <SearchInput key={name} width="12em" hotkey={name === "who"} label={t(name === "who" ? "audit.who" : name === "event" ? "audit.event" : "list.dag")} value={address.get(name)} onChange={(value) => address.change({ [name]: value, offset: null })} />
        ))}
      </header>
      <ListStates list={list} count={entries.length} empty={t("audit.empty")} />
      {entries.length > 0 ? (
        <div className="table-wrap">
          <table className="table">
            <thead>
              <tr>
                <th>{t("audit.when")}</th>
                <th>{t("audit.who")}</th>
                <th>{t("audit.what")}</th>
                <th>{t("audit.on")}</th>
                <th>{t("audit.extra")}</th>
              </tr>
            </thead>
            <tbody>
              {entries.map((entry) => (
                <tr key={entry.event_log_id}>
                  <td>
                    <Time at={entry.when} />
                  </td>
                  <td>{entry.owner}</td>
                  <td>
                    <code>{entry.event}</code>
                  </td>
                  <td>
                    {entry.dag_id ? (
                      <Link href={`/dags/${encodeURIComponent(entry.dag_id)}${entry.run_id ? `?run=${encodeURIComponent(entry.run_id)}${entry.task_id ? `&task=${encodeURIComponent(entry.task_id)}` : ""}` : ""}`}>
                        {[entry.dag_id, entry.run_id, entry.task_id].filter(Boolean).join(" / ")}
                      </Link>
                    ) : null}
                  </td>
                  <td>
                    <div className="ellipsis mono" style={{ maxWidth: "34em" }} title={entry.extra ?? undefined}>
                      {entry.extra}
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {list.data ? <Pager offset={offset} limit={PAGE} total={list.data.total_entries} onMove={(next) => address.change({ offset: next || null }, true)} /> : null}
    </div>
  );
}
