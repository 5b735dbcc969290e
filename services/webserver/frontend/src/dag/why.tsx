// "Why is it not running?": the first cause, in one sentence, from the code that decides.

import { useWhy } from "../api/queries";
import { useSpeech } from "../i18n";

export function WhyBox({ dagId, runId, taskId, state }: { dagId: string; runId: string; taskId: string | null; state: string | null | undefined }) {
  const { t, language } = useSpeech();
  const why = useWhy(dagId, runId, taskId, state);
  if (!why.data) return null;
  const facts = Object.entries(why.data.facts ?? {}).filter(([, value]) => value !== null && value !== "");
  const sentence = language === "zh" && why.data.sentence_zh ? why.data.sentence_zh : why.data.sentence;
  if (!sentence) return null;
  return (
    <section className="why" data-testid="why" aria-live="polite">
      <strong>{t("ti.why_title")}</strong>
      <p>{sentence}</p>
      {facts.length > 0 ? (
        <details>
          <summary>{t("ti.why_facts")}</summary>
          <dl className="facts">
            {facts.map(([name, value]) => (
              <div key={name} style={{ display: "contents" }}>
                <dt>{name}</dt>
                <dd>{typeof value === "object" ? JSON.stringify(value) : String(value)}</dd>
              </div>
            ))}
          </dl>
        </details>
      ) : null}
    </section>
  );
}
