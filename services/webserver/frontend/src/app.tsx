// The frame: who is signed in, the bar on top, the pages behind their addresses.

import { Suspense, lazy, useEffect, useRef, useSyncExternalStore, useState } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { connection } from "./api/client";
import { SessionGate, useSignOut } from "./api/session";
import { useT } from "./i18n";
import { placeAfterSignIn } from "./lib/place";
import { Button, Empty, Loading, errorSentence } from "./ui/parts";
import { Logo } from "./ui/icons";
import { CrashGuard } from "./ui/crash-guard";
import { Shortcuts } from "./ui/shortcuts";
import { TopBar } from "./ui/top-bar";
import { DagsPage } from "./pages/dags";
import { LoginPage } from "./pages/login";

const DagPage = lazy(() => import("./pages/dag"));
const RunsPage = lazy(() => import("./pages/runs"));
const TaskInstancesPage = lazy(() => import("./pages/task-instances"));
const VariablesPage = lazy(() => import("./pages/variables"));
const ConnectionsPage = lazy(() => import("./pages/connections"));
const PoolsPage = lazy(() => import("./pages/pools"));
const UsersPage = lazy(() => import("./pages/users"));
const ImportErrorsPage = lazy(() => import("./pages/import-errors"));
const HealthPage = lazy(() => import("./pages/health"));
const AuditPage = lazy(() => import("./pages/audit"));

const BACK_MS = 2500;

export function App() {
  return (
    <div className="frame">
      <ConnectionBanner />
      <CrashGuard>
        <SessionGate signIn={(props) => <LoginPage {...props} />} waiting={(error) => <Waiting error={error} />}>
          <Signed />
        </SessionGate>
      </CrashGuard>
    </div>
  );
}

function Signed() {
  const t = useT();
  const [location] = useLocation();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const page = location.split("/").slice(0, 3).join("/");
  useEffect(() => {
    // After a click on a link the keyboard starts at the new page, and a screen reader says so.
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
    main.current?.scrollTo(0, 0);
  }, [page]);
  return (
    <>
      <a className="skip" href="#main">
        {t("app.skip")}
      </a>
      <TopBar />
      <Shortcuts />
      <main className="main" id="main" ref={main} tabIndex={-1}>
        <CrashGuard key={page}>
          <Suspense fallback={<Loading />}>
            <Pages />
          </Suspense>
        </CrashGuard>
      </main>
    </>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/">
        <Redirect to="/dags" replace />
      </Route>
      <Route path="/login">
        <Redirect to={placeAfterSignIn(window.location.search)} replace />
      </Route>
      <Route path="/logout" component={SignOutPage} />
      <Route path="/dags" component={DagsPage} />
      <Route path="/dags/:dagId/:view?">{(params) => <DagPage dagId={decode(params.dagId)} view={params.view ?? "grid"} />}</Route>
      <Route path="/runs" component={RunsPage} />
      <Route path="/task-instances" component={TaskInstancesPage} />
      <Route path="/variables" component={VariablesPage} />
      <Route path="/connections" component={ConnectionsPage} />
      <Route path="/pools" component={PoolsPage} />
      <Route path="/users" component={UsersPage} />
      <Route path="/import-errors" component={ImportErrorsPage} />
      <Route path="/system" component={HealthPage} />
      <Route path="/audit" component={AuditPage} />
      <Route component={NotFoundPage} />
    </Switch>
  );
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Other programs send people here to sign out; a mere visit to the address must not do it. */
function SignOutPage() {
  const t = useT();
  const signOut = useSignOut();
  const [, navigate] = useLocation();
  return (
    <Empty title={t("nav.sign_out")}>
      <Button
        look="primary"
        onClick={() => {
          navigate("/dags", { replace: true });
          void signOut();
        }}
      >
        {t("nav.sign_out")}
      </Button>
    </Empty>
  );
}

export function NotFoundPage() {
  const t = useT();
  useEffect(() => {
    document.title = `${t("error.not_found")} · Gale`;
  }, [t]);
  return (
    <Empty title={t("error.not_found")}>
      <p>{t("error.not_found_hint")}</p>
      <Link className="button" href="/dags">
        {t("error.to_dags")}
      </Link>
    </Empty>
  );
}

function Waiting({ error }: { error: unknown }) {
  const t = useT();
  if (!error) return <Loading />;
  return (
    <Empty title={t("error.title")}>
      <Logo size={40} />
      <p>{errorSentence(t, error)}</p>
      <Button icon="refresh" onClick={() => location.reload()}>
        {t("common.retry")}
      </Button>
    </Empty>
  );
}

function ConnectionBanner() {
  const t = useT();
  const up = useSyncExternalStore(connection.subscribe, connection.isUp);
  const [back, setBack] = useState(false);
  const before = useRef(up);
  useEffect(() => {
    if (up && !before.current) {
      setBack(true);
      const timer = setTimeout(() => setBack(false), BACK_MS);
      before.current = up;
      return () => clearTimeout(timer);
    }
    before.current = up;
    return undefined;
  }, [up]);
  if (!up) {
    return (
      <div className="banner" role="alert">
        {t("app.lost")}
      </div>
    );
  }
  return back ? (
    <div className="banner good" role="status">
      {t("app.back_online")}
    </div>
  ) : null;
}
