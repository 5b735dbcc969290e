// A mistake in one page must not take the frame with it, nor leave a white screen.

import { Component, type ReactNode } from "react";
import { useT } from "../i18n";
import { Button, Notice } from "./parts";

export class CrashGuard extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override render(): ReactNode {
    return this.state.error ? <Crashed error={this.state.error} /> : this.props.children;
  }
}

function Crashed({ error }: { error: Error }) {
  const t = useT();
  // After an update of the server, the old page asks for files that are gone.
  const outdated = /dynamically imported module|module script/i.test(error.message);
  return (
    <div className="page">
      <Notice kind="error">
        <div className="stack">
          <strong>{outdated ? t("app.newer") : t("app.crash")}</strong>
          {outdated ? null : <p>{t("app.crash_hint")}</p>}
          {outdated ? null : <pre className="codebox">{error.stack ?? error.message}</pre>}
          <div>
            <Button icon="refresh" onClick={() => location.reload()}>
              {t("app.reload")}
            </Button>
          </div>
        </div>
      </Notice>
    </div>
  );
}
