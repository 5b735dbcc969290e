// What a DAG says of itself: its documentation, its limits, its params, its tasks, its coming runs.

import { Suspense, lazy } from "react";
import type { DagDetails } from "../api/types";
import { useSpeech, type MessageKey } from "../i18n";
import { asParam } from "../lib/schema";
import { scheduleInWords } from "../lib/schedule";
import { formatDuration } from "../lib/time";
import { Ago, Time } from "../ui/time";

const Markdown = lazy(() => import("./markdown"));

export default function DetailsTab({ dag }: { dag: DagDetails }) {
  const { t, language } = useSpeech();
  const facts: [MessageKey, React.ReactNode][] = [
    ["dag.description", dag.description],
    ["dag.file", dag.file ? <code>{dag.lineno ? `${dag.file}:${dag.lineno}` : dag.file}</code> : null],
    ["dag.version", dag.version],
    ["dags.schedule", <span title={dag.schedule ?? undefined}>{scheduleInWords(dag.schedule, dag.schedule_description, t, language)}{dag.schedule ? <span className="muted"> ({dag.schedule})</span> : null}</span>],
    ["dag.era", dag.era ? t(dag.era === "trigger" ? "dag.era_trigger" : "dag.era_interval") : null],
    ["dag.start_date", dag.start_date ? <Time at={dag.start_date} /> : null],
    ["dag.end_date", dag.end_date ? <Time at={dag.end_date} /> : null],
    ["dag.catchup", dag.catchup === undefined ? null : t(dag.catchup ? "common.yes" : "common.no")],
    ["dag.max_active_runs", dag.max_active_runs],
    ["dag.max_active_tasks", dag.max_active_tasks],
    ["dag.timeout", formatDuration(dag.dagrun_timeout)],
    ["dags.owner", dag.owners.join(", ")],
    ["dag.parsed", dag.last_parsed_at ? <Ago at={dag.last_parsed_at} /> : null],
  ];
  const params = Object.entries(dag.params ?? {});
  const coming = dag.next_runs ?? [];
  const tasks = dag.tasks ?? [];
  return (
    <div className="details">
      {dag.doc_md ? (
        <section className="card full">
          <header>
            <h2>{t("dag.doc")}</h2>
          </header>
          <div className="body">
            <Suspense>
              <Markdown text={dag.doc_md} />
            </Suspense>
          </div>
        </section>
      ) : null}
      <section className="card">
        <header>
          <h2>{t("dag.about")}</h2>
        </header>
        <dl className="body facts">
          {facts
            .filter(([, value]) => value !== null && value !== undefined && value !== "")
            .map(([key, value]) => (
              <div key={key} style={{ display: "contents" }}>
                <dt>{t(key)}</dt>
                <dd>{value}</dd>
              </div>
            ))}
        </dl>
      </section>
      {coming.length > 0 ? (
        <section className="card">
          <header>
            <h2>{t("dag.next_runs")}</h2>
          </header>
          <dl className="body facts">
            {coming.map((next) => {
              const run = typeof next === "string" ? { logical_date: next, run_after: next } : next;
              return (
                <div key={run.run_after ?? run.logical_date} style={{ display: "contents" }}>
                  <dt>
                    <Ago at={run.run_after} />
                  </dt>
                  <dd>
                    <Time at={run.run_after} />{" "}
                    {run.logical_date !== run.run_after ? (
                      <span className="muted">
                        ({t("run.logical_date")} <Time at={run.logical_date} />)
                      </span>
                    ) : null}
                  </dd>
                </div>
              );
            })}
          </dl>
        </section>
      ) : null}
      {params.length > 0 ? (
        <section className="card full">
          <header>
            <h2>{t("dag.params")}</h2>
          </header>
          <table className="table">
            <tbody>
              {params.map(([name, raw]) => {
                const param = asParam(raw);
                const schema = param.schema ?? {};
                return (
                  <tr key={name}>
                    <td>
                      <code>{name}</code>
                    </td>
                    <td className="muted">{Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type}</td>
                    <td>
                      <code>{JSON.stringify(param.value ?? null)}</code>
                    </td>
                    <td>{param.description ?? schema.description}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </section>
      ) : null}
      {tasks.length > 0 ? (
        <section className="card full">
          <header>
            <h2>{t("dag.tasks")}</h2>
            <span className="muted">{tasks.length}</span>
          </header>
          <div className="table-wrap" style={{ border: 0 }}>
            <table className="table">
              <thead>
                <tr>
                  <th>{t("dag.task_id")}</th>
                  <th>{t("dag.operator")}</th>
                  <th>{t("dag.trigger_rule")}</th>
                  <th className="number">{t("dag.retries")}</th>
                  <th>{t("dag.pool")}</th>
                  <th>{t("dag.upstream")}</th>
                </tr>
              </thead>
              <tbody>
                {tasks.map((task) => (
                  <tr key={task.task_id}>
                    <td>{task.task_id}</td>
                    <td>{task.operator}</td>
                    <td>{task.trigger_rule}</td>
                    <td className="number">{task.retries}</td>
                    <td>{task.pool}</td>
                    <td>
                      <div className="ellipsis" style={{ maxWidth: "34em" }} title={task.upstream?.join(", ")}>
                        {task.upstream?.join(", ")}
                      </div>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ) : null}
    </div>
  );
}
