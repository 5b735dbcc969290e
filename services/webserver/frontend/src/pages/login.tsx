import { useState } from "react";
import { ApiError, request } from "../api/client";
import { LANGUAGES, useSpeech } from "../i18n";
import { Button, Field, Notice, errorSentence } from "../ui/parts";
import { Logo } from "../ui/icons";
import { useTitle } from "../ui/title";

export function LoginPage({ expired, onSignedIn }: { expired: boolean; onSignedIn(): Promise<void> }) {
  const { t, language, setLanguage } = useSpeech();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useTitle(t("login.submit"));

  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await request("/ui/login", { method: "POST", body: { username, password } });
    } catch (error) {
      const wrong = error instanceof ApiError && error.status === 401;
      setProblem(wrong ? t("login.wrong") : errorSentence(t, error));
      setPassword("");
      setBusy(false);
      return;
    }
    try {
      await onSignedIn();
    } catch (error) {
      const noCookie = error instanceof ApiError && error.status === 401;
      setProblem(noCookie ? t("login.no_cookie") : errorSentence(t, error));
      setBusy(false);
    }
  };

  return (
    <main className="login">
      <form
        className="card"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <div className="row">
          <Logo size={36} />
          <h1>{t("login.title")}</h1>
        </div>
        {expired && !problem ? <Notice kind="info">{t("login.expired")}</Notice> : null}
        {problem ? <Notice kind="error">{problem}</Notice> : null}
        <Field label={t("login.user")}>
          {(ids) => (
            <input {...ids} className="input" name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus required value={username} onChange={(event) => setUsername(event.target.value)} />
          )}
        </Field>
        <Field label={t("login.password")}>
          {(ids) => (
            <input {...ids} className="input" name="password" type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
          )}
        </Field>
        <Button type="submit" look="primary" disabled={busy}>
          {t("login.submit")}
        </Button>
        <p className="muted">{t("login.hint")}</p>
        <div className="row" role="group" aria-label={t("nav.language")}>
          {LANGUAGES.map(({ id, name, tag }) => (
            <Button key={id} size="small" look="plain" lang={tag} aria-pressed={id === language} onClick={() => setLanguage(id)}>
              {name}
            </Button>
          ))}
        </div>
      </form>
    </main>
  );
}
