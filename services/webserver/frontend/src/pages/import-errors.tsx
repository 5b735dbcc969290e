import { useImportErrors } from "../api/queries";
import { useT } from "../i18n";
import { importErrorLine, traceOf } from "../lib/import-error";
import { Empty, ErrorNotice, Loading } from "../ui/parts";
import { Ago } from "../ui/time";
import { useTitle } from "../ui/title";
import { Glyph } from "../ui/state";

export default function ImportErrorsPage() {
  const t = useT();
  useTitle(t("import_errors.title"));
  const query = useImportErrors();
  const errors = query.data?.import_errors ?? [];
  return (
    <div className="page">
      <h1>{t("import_errors.title")}</h1>
      {query.error && !query.data ? <ErrorNotice error={query.error} onRetry={() => void query.refetch()} /> : null}
      {query.isPending ? <Loading /> : null}
      {query.data && errors.length === 0 ? (
        <Empty title={t("import_errors.none")}>
          <Glyph state="success" />
        </Empty>
      ) : null}
      {errors.length > 0 ? <p className="muted">{t("import_errors.hint")}</p> : null}
      {errors.map((error) => {
        const { line, message } = importErrorLine(error);
        return (
          <section key={error.filename} className="card">
            <header>
              <Glyph state="failed" />
              <h2 className="grow" style={{ overflowWrap: "anywhere" }}>
                <code>{error.filename}</code>
                {line ? <span className="muted"> {t("import_errors.line", { n: line })}</span> : null}
              </h2>
              <span className="muted small">
                {t("import_errors.seen")} <Ago at={error.timestamp} />
              </span>
            </header>
            <div className="body stack">
              <strong style={{ overflowWrap: "anywhere" }}>{message}</strong>
              <pre className="codebox">{traceOf(error)}</pre>
            </div>
          </section>
        );
      })}
    </div>
  );
}
