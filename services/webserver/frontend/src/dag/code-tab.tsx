// The source of a DAG as Gale read it, version by version.

import { useMemo, useState } from "react";
import { isMissing, useDag, useSource, useVersions } from "../api/queries";
import { useT } from "../i18n";
import { highlightPython } from "../lib/python";
import { CopyButton, Empty, ErrorNotice, Loading } from "../ui/parts";

export default function CodeTab({ dagId }: { dagId: string }) {
  const t = useT();
  const [version, setVersion] = useState<number | null>(null);
  const source = useSource(dagId, version);
  const versions = useVersions(dagId);
  const dag = useDag(dagId);
  const lines = useMemo(() => highlightPython(source.data?.content ?? ""), [source.data?.content]);
  if (isMissing(source.error)) return <Empty title={t("code.missing")} />;
  if (source.error && !source.data) return <ErrorNotice error={source.error} onRetry={() => void source.refetch()} />;
  if (!source.data) return <Loading />;
  const known = versions.data?.dag_versions ?? [];
  return (
    <>
      <div className="toolbar">
        <code className="muted">{dag.data?.file}</code>
        {known.length > 1 ? (
          <select className="select" aria-label={t("dag.version")} value={version ?? known[0]?.version_number} onChange={(event) => setVersion(Number(event.target.value) === known[0]?.version_number ? null : Number(event.target.value))}>
            {known.map((one) => (
              <option key={one.version_number} value={one.version_number}>
                {t("code.version", { n: one.version_number })}
              </option>
            ))}
          </select>
        ) : null}
        <span className="grow" />
        <CopyButton text={source.data.content ?? ""} />
      </div>
      <div className="code-view" role="region" aria-label={t("code.title", { dag: dagId })} tabIndex={0} data-testid="code">
        {lines.map((tokens, index) => (
          <div key={index} className={`code-line${version === null && dag.data?.lineno === index + 1 ? " marked" : ""}`}>
            <span className="n" aria-hidden="true">
              {index + 1}
            </span>
            <span className="l">
              {tokens.length === 0
                ? " "
                : tokens.map((token, at) =>
                    token.kind === "plain" ? (
                      token.text
                    ) : (
                      <span key={at} className={`k-${token.kind}`}>
                        {token.text}
                      </span>
                    ),
                  )}
            </span>
          </div>
        ))}
      </div>
    </>
  );
}
