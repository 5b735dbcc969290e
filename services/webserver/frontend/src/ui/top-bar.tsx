// The bar on top: where one can go, whether Gale is well, language, appearance, who is signed in.

import { Link, useLocation } from "wouter";
import { useHealth } from "../api/queries";
import { useMe, useSignOut } from "../api/session";
import { LANGUAGES, useSpeech, type MessageKey } from "../i18n";
import { useAppearance, type Appearance } from "../lib/appearance";
import { sickParts } from "../lib/health";
import { may, type Permission } from "../lib/roles";
import { Icon, Logo } from "./icons";
import { Menu, type MenuEntry } from "./menu";
import { showShortcuts } from "./shortcuts";
import { Glyph } from "./state";

const PLACES: readonly [string, MessageKey][] = [
  ["/dags", "nav.dags"],
  ["/runs", "nav.runs"],
  ["/task-instances", "nav.tasks"],
];

const ADMIN: readonly [string, MessageKey, Permission | null][] = [
  ["/variables", "nav.variables", "variables.read"],
  ["/connections", "nav.connections", "connections.read"],
  ["/pools", "nav.pools", "pools.read"],
  ["/users", "nav.users", "users.read"],
  ["/import-errors", "nav.import_errors", null],
  ["/system", "nav.health", null],
  ["/audit", "nav.audit", "audit.read"],
];

export function TopBar() {
  const { t, language, setLanguage } = useSpeech();
  const me = useMe();
  const signOut = useSignOut();
  const [location] = useLocation();
  const [appearance, setAppearance] = useAppearance();
  const inAdmin = ADMIN.some(([href]) => location.startsWith(href));

  const languages: MenuEntry[] = LANGUAGES.map(({ id, name }) => ({
    key: id,
    label: name,
    checked: id === language,
    onSelect: () => setLanguage(id),
  }));
  const looks: MenuEntry[] = (["system", "light", "dark"] as Appearance[]).map((id) => ({
    key: id,
    label: t(`nav.theme_${id}`),
    checked: id === appearance,
    onSelect: () => setAppearance(id),
  }));

  return (
    <header className="topbar">
      <Link href="/dags" className="brand">
        <Logo />
        <span>{me.instance_name || t("app.name")}</span>
      </Link>
      <nav aria-label={t("nav.main")}>
        {PLACES.map(([href, key]) => (
          <Link key={href} href={href} aria-current={location.startsWith(href) ? "page" : undefined}>
            {t(key)}
          </Link>
        ))}
        <Menu
          label={t("nav.admin")}
          look={inAdmin ? "plain current" : "plain"}
          entries={ADMIN.filter(([, , permission]) => permission === null || may(me, permission)).map(([href, key]) => ({
            key: href,
            href,
            label: t(key),
          }))}
        >
          <span className={inAdmin ? "" : "muted"}>{t("nav.admin")}</span>
          <Icon name="down" size={12} />
        </Menu>
      </nav>
      <span className="grow" />
      <HealthDot />
      <Menu label={t("nav.language")} entries={languages} end>
        <Icon name="globe" />
      </Menu>
      <Menu label={t("nav.theme")} entries={looks} end>
        <Icon name="sun" />
      </Menu>
      <Menu
        label={t("nav.signed_in_as", { name: me.username, role: me.role })}
        end
        entries={[
          { key: "who", heading: t("nav.signed_in_as", { name: me.username, role: me.role }) },
          { key: "keys", label: t("nav.shortcuts"), icon: "keyboard", onSelect: showShortcuts },
          { key: "rule", rule: true },
          { key: "out", label: t("nav.sign_out"), icon: "right", onSelect: () => void signOut() },
          ...(me.version ? [{ key: "version", heading: `Gale ${me.version}` }] : []),
        ]}
      >
        <Icon name="user" />
        <span className="user-name">{me.username}</span>
      </Menu>
    </header>
  );
}

function HealthDot() {
  const { t } = useSpeech();
  const health = useHealth();
  if (!health.data) return null;
  const sick = sickParts(health.data);
  const names = sick.map((name) => t(`health.${name}` as MessageKey)).join(", ");
  const text = sick.length === 0 ? t("nav.healthy") : t("nav.unhealthy", { names });
  return (
    <Link href="/system" className="button plain" title={text} aria-label={text}>
      <Glyph state={sick.length === 0 ? "success" : "failed"} />
      {sick.length > 0 ? <span>{text}</span> : null}
    </Link>
  );
}
