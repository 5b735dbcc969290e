// How the parts of Gale are: each with its status and what the server knows of it.

import { useDoctor, useHealth, useList } from "../api/queries";
import { useMe } from "../api/session";
import { useT, type MessageKey } from "../i18n";
import { PARTS, statusOf } from "../lib/health";
import { may } from "../lib/roles";
import { parseInstant } from "../lib/time";
import { ErrorNotice, Loading } from "../ui/parts";
import { Glyph } from "../ui/state";
import { Ago } from "../ui/time";
import { useTitle } from "../ui/title";

interface Job {
  id: string | number;
  job_type: string | null;
  state: string | null;
  hostname: string | null;
  pid?: number | null;
  start_date: string | null;
  latest_heartbeat: string | null;
}

interface Worker {
  hostname: string;
  queues: string[];
  slots: number;
  running: number;
}

export default function HealthPage() {
  const t = useT();
  const me = useMe();
  useTitle(t("health.title"));
  const health = useHealth();
  const mayJobs = may(me, "jobs.read");
  const jobs = useList<{ jobs: Job[] }>("jobs", { limit: 50, order_by: "-start_date" }, { live: true, enabled: mayJobs });
  return (
    <div className="page">
      <h1>{t("health.title")}</h1>
      {health.error && !health.data ? <ErrorNotice error={health.error} onRetry={() => void health.refetch()} /> : null}
      {health.isPending ? <Loading /> : null}
      <div className="details" style={{ padding: 0 }}>
        {PARTS.filter((part) => health.data && part in health.data).map((part) => {
          const status = statusOf(health.data ?? {}, part);
          const key: MessageKey = status === "healthy" ? "health.healthy" : status === "unhealthy" ? "health.unhealthy" : "health.unknown";
          const facts = Object.entries((health.data?.[part] as Record<string, unknown> | null) ?? {}).filter(([name, value]) => name !== "status" && value !== null && typeof value !== "object");
          return (
            <section key={part} className="card" data-testid={`health-${part}`}>
              <header>
                <Glyph state={status === "healthy" ? "success" : status === "unhealthy" ? "failed" : "none"} />
                <h2 className="grow">{t(`health.${part}` as MessageKey)}</h2>
                <span>{t(key)}</span>
              </header>
              {facts.length > 0 ? (
                <dl className="body facts">
                  {facts.map(([name, value]) => (
                    <div key={name} style={{ display: "contents" }}>
                      <dt>{name.endsWith("heartbeat") ? t("health.heartbeat") : name.replaceAll("_", " ")}</dt>
                      <dd>{typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) && parseInstant(value) ? <Ago at={value} /> : String(value)}</dd>
                    </div>
                  ))}
                </dl>
              ) : null}
            </section>
          );
        })}
      </div>
      <Workers workers={(health.data?.workers as Worker[] | undefined) ?? []} />
      {may(me, "config.read") ? <Checks /> : null}
      {jobs.data && jobs.data.jobs.length > 0 ? (
        <>
          <h2>{t("health.jobs")}</h2>
          <div className="table-wrap">
            <table className="table">
              <thead>
                <tr>
                  <th>{t("health.job_type")}</th>
                  <th>{t("list.state")}</th>
                  <th>{t("health.heartbeat")}</th>
                  <th>{t("health.since")}</th>
                  <th>{t("health.host")}</th>
                </tr>
              </thead>
              <tbody>
                {jobs.data.jobs.map((job) => (
                  <tr key={job.id}>
                    <td>{job.job_type}</td>
                    <td>{job.state}</td>
                    <td>
                      <Ago at={job.latest_heartbeat} />
                    </td>
                    <td>
                      <Ago at={job.start_date} />
                    </td>
                    <td>{job.hostname}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      ) : null}
    </div>
  );
}

/** Who runs the tasks of a cluster, from which queues, and how busy each is. */
function Workers({ workers }: { workers: Worker[] }) {
  const t = useT();
  if (workers.length === 0) return null;
  return (
    <section data-testid="workers">
      <h2>{t("health.workers")}</h2>
      <div className="table-wrap">
        <table className="table">
          <thead>
            <tr>
              <th>{t("health.host")}</th>
              <th>{t("health.queues")}</th>
              <th>{t("health.slots")}</th>
            </tr>
          </thead>
          <tbody>
            {workers.map((worker, index) => (
              <tr key={`${worker.hostname}.${index}`}>
                <td>{worker.hostname}</td>
                <td>{worker.queues.join(", ")}</td>
                <td>{t("health.slots_taken", { running: worker.running, slots: worker.slots })}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const GLYPHS = { ok: "success", warning: "up_for_retry", failed: "failed" } as const;

/** What `gale doctor` found on the web server's machine. */
function Checks() {
  const t = useT();
  const doctor = useDoctor({ enabled: true });
  return (
    <section data-testid="checks">
      <h2>{t("doctor.title")}</h2>
      <p className="muted">
        {t("doctor.hint")}{" "}
        <button type="button" className="button" disabled={doctor.isFetching} onClick={() => void doctor.refetch()}>
          {t("doctor.again")}
        </button>
      </p>
      {doctor.error ? <ErrorNotice error={doctor.error} onRetry={() => void doctor.refetch()} /> : null}
      {doctor.isPending ? <Loading /> : null}
      {doctor.data ? (
        <div className="table-wrap">
          <table className="table">
            <tbody>
              {doctor.data.findings.map((found, index) => (
                <tr key={`${found.part}.${found.check}.${index}`} data-verdict={found.verdict}>
                  <td style={{ whiteSpace: "nowrap" }}>
                    <Glyph state={GLYPHS[found.verdict]} title={t(`doctor.${found.verdict}`)} /> {t(`doctor.${found.part}` as MessageKey)}: {t(`doctor.${found.part}.${found.check}` as MessageKey)}
                  </td>
                  <td style={{ whiteSpace: "normal" }}>
                    {found.sentence}
                    {found.advice ? <strong> {found.advice}</strong> : null}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </section>
  );
}
