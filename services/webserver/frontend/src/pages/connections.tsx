import { useState } from "react";
import { useList, type Connections } from "../api/queries";
import type { Connection } from "../api/types";
import { useT, type MessageKey } from "../i18n";
import { useParamsInAddress } from "../lib/use-params";
import { DeleteButton, EditDialog, ListStates, useWrite } from "../ui/admin";
import { Button, Field, Pager, SearchInput } from "../ui/parts";
import { useTitle } from "../ui/title";

const PAGE = 100;
const TEXTS = ["description", "host", "schema", "login"] as const;

export default function ConnectionsPage() {
  const t = useT();
  const address = useParamsInAddress();
  const search = address.get("search");
  const offset = address.number("offset", 0);
  const [editing, setEditing] = useState<Connection | "new" | null>(null);
  useTitle(t("connections.title"));
  const list = useList<Connections>("connections", { limit: PAGE, offset, order_by: "connection_id", connection_id_pattern: search });
  const connections = list.data?.connections ?? [];
  return (
    <div className="page">
      <header>
        <h1>{t("connections.title")}</h1>
        <span className="grow" />
        <SearchInput hotkey label={t("common.search")} value={search} onChange={(value) => address.change({ search: value, offset: null })} />
        <Button look="primary" icon="plus" needs="connections.edit" onClick={() => setEditing("new")}>
          {t("connections.add")}
        </Button>
      </header>
      <ListStates list={list} count={connections.length} empty={t("connections.empty")} />
      {connections.length > 0 ? (
        <div className="table-wrap">
          <table className="table">
            <thead>
              <tr>
                <th>{t("connections.id")}</th>
                <th>{t("connections.type")}</th>
                <th>{t("connections.host")}</th>
                <th>{t("connections.login")}</th>
                <th>{t("connections.description")}</th>
                <th className="tools">
                  <span className="visually-hidden">{t("common.actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {connections.map((one) => (
                <tr key={one.connection_id}>
                  <td>
                    <code>{one.connection_id}</code>
                  </td>
                  <td>{one.conn_type}</td>
                  <td>{[one.host, one.port].filter((part) => part !== null && part !== undefined && part !== "").join(":")}</td>
                  <td>{one.login}</td>
                  <td>{one.description}</td>
                  <td className="tools">
                    <Button look="plain" size="small" icon="pencil" needs="connections.edit" aria-label={t("connections.edit", { name: one.connection_id })} title={t("connections.edit", { name: one.connection_id })} onClick={() => setEditing(one)} />
                    <DeleteButton path="connections" id={one.connection_id} needs="connections.edit" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {list.data ? <Pager offset={offset} limit={PAGE} total={list.data.total_entries} onMove={(next) => address.change({ offset: next || null }, true)} /> : null}
      {editing ? <EditConnection connection={editing === "new" ? null : editing} onClose={() => setEditing(null)} /> : null}
    </div>
  );
}

function EditConnection({ connection, onClose }: { connection: Connection | null; onClose(): void }) {
  const t = useT();
  const [form, setForm] = useState<Record<string, string>>(() => ({
    connection_id: connection?.connection_id ?? "",
    conn_type: connection?.conn_type ?? "",
    port: connection?.port ? String(connection.port) : "",
    extra: connection?.extra ?? "",
    password: "",
    ...Object.fromEntries(TEXTS.map((name) => [name, connection?.[name] ?? ""])),
  }));
  const [checked, setChecked] = useState(false);
  const write = useWrite("connections", onClose);
  const set = (name: string) => (event: { target: { value: string } }) => setForm((all) => ({ ...all, [name]: event.target.value }));
  const badExtra = (() => {
    if (!form.extra?.trim()) return false;
    try {
      JSON.parse(form.extra);
      return false;
    } catch {
      return true;
    }
  })();
  const badPort = !!form.port && !/^\d{1,5}$/.test(form.port);
  const save = () => {
    setChecked(true);
    if (!form.connection_id?.trim() || !form.conn_type?.trim() || badExtra || badPort) return;
    write.mutate({
      id: connection?.connection_id ?? null,
      body: {
        ...(connection ? {} : { connection_id: form.connection_id.trim() }),
        conn_type: form.conn_type.trim(),
        ...Object.fromEntries(TEXTS.map((name) => [name, form[name] || null])),
        port: form.port ? Number(form.port) : null,
        // Masked secrets in extra, and a password that was not typed, stay as they are.
        ...(connection && form.extra === (connection.extra ?? "") ? {} : { extra: form.extra || null }),
        ...(form.password ? { password: form.password } : {}),
      },
    });
  };
  const input = (name: string, label: MessageKey, more: { hint?: string; type?: string; problem?: string | undefined; disabled?: boolean } = {}) => (
    <Field label={t(label)} hint={more.hint} problem={more.problem}>
      {(ids) => (
        <input {...ids} className="input" type={more.type ?? "text"} disabled={more.disabled} spellCheck={false} autoComplete={more.type === "password" ? "new-password" : "off"} value={form[name] ?? ""} onChange={set(name)} />
      )}
    </Field>
  );
  const required = (name: string) => (checked && !form[name]?.trim() ? t("common.required") : undefined);
  return (
    <EditDialog title={connection ? t("connections.edit", { name: connection.connection_id }) : t("connections.add")} error={write.error} busy={write.isPending} onSave={save} onClose={onClose}>
      {input("connection_id", "connections.id", { disabled: !!connection, problem: required("connection_id") })}
      {input("conn_type", "connections.type", { problem: required("conn_type") })}
      {input("host", "connections.host")}
      {input("port", "connections.port", { problem: badPort ? t("form.integer") : undefined })}
      {input("schema", "connections.schema")}
      {input("login", "connections.login")}
      {input("password", "connections.password", { type: "password", ...(connection ? { hint: t("connections.password_keep") } : {}) })}
      <Field label={t("connections.extra")} problem={checked && badExtra ? t("form.json") : undefined}>
        {(ids) => <textarea {...ids} className="textarea code" spellCheck={false} value={form.extra} onChange={set("extra")} />}
      </Field>
      {input("description", "connections.description")}
    </EditDialog>
  );
}
