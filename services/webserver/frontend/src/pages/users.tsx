// Who may sign in. Made, changed and deleted by admins; a change ends the user's sessions.

import { useState } from "react";
import { useList, type Users } from "../api/queries";
import { useMe } from "../api/session";
import type { User } from "../api/types";
import { useT } from "../i18n";
import { DeleteButton, EditDialog, ListStates, useWrite } from "../ui/admin";
import { Button, Field } from "../ui/parts";
import { Ago } from "../ui/time";
import { useTitle } from "../ui/title";

const ROLES = ["Viewer", "User", "Op", "Admin"] as const;

export default function UsersPage() {
  const t = useT();
  const me = useMe();
  const [editing, setEditing] = useState<User | "new" | null>(null);
  useTitle(t("users.title"));
  const list = useList<Users>("users", {});
  const users = list.data?.users ?? [];
  return (
    <div className="page">
      <header>
        <h1>{t("users.title")}</h1>
        <span className="grow" />
        <Button look="primary" icon="plus" needs="users.edit" onClick={() => setEditing("new")}>
          {t("users.add")}
        </Button>
      </header>
      <ListStates list={list} count={users.length} empty={t("users.empty")} />
      {users.length > 0 ? (
        <div className="table-wrap">
          <table className="table">
            <thead>
              <tr>
                <th>{t("users.name")}</th>
                <th>{t("users.role")}</th>
                <th>{t("users.full_name")}</th>
                <th>{t("users.email")}</th>
                <th>{t("users.active")}</th>
                <th>{t("users.last_login")}</th>
                <th className="tools">
                  <span className="visually-hidden">{t("common.actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {users.map((user) => (
                <tr key={user.username}>
                  <td>{user.username}</td>
                  <td>{user.role}</td>
                  <td>{[user.first_name, user.last_name].filter(Boolean).join(" ")}</td>
                  <td>{user.email}</td>
                  <td>{t((user.is_active ?? true) ? "common.yes" : "common.no")}</td>
                  <td>
                    <Ago at={user.last_login} />
                  </td>
                  <td className="tools">
                    <Button look="plain" size="small" icon="pencil" needs="users.edit" aria-label={t("users.edit", { name: user.username })} title={t("users.edit", { name: user.username })} onClick={() => setEditing(user)} />
                    <DeleteButton path="users" id={user.username} needs="users.edit" offBecause={user.username === me.username ? t("users.not_yourself") : undefined} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {editing ? <EditUser user={editing === "new" ? null : editing} onClose={() => setEditing(null)} /> : null}
    </div>
  );
}

function EditUser({ user, onClose }: { user: User | null; onClose(): void }) {
  const t = useT();
  const [username, setUsername] = useState(user?.username ?? "");
  const [role, setRole] = useState(user?.role ?? "Viewer");
  const [password, setPassword] = useState("");
  const [email, setEmail] = useState(user?.email ?? "");
  const [checked, setChecked] = useState(false);
  const write = useWrite("users", onClose);
  const save = () => {
    setChecked(true);
    if (!username.trim() || (!user && !password)) return;
    write.mutate(
      user
        ? { id: user.username, body: { ...(role === user.role ? {} : { role }), ...(password ? { password } : {}) } }
        : { id: null, body: { username: username.trim(), password, role, email } },
    );
  };
  return (
    <EditDialog title={user ? t("users.edit", { name: user.username }) : t("users.add")} error={write.error} busy={write.isPending} onSave={save} onClose={onClose}>
      <Field label={t("users.name")} problem={checked && !username.trim() ? t("common.required") : undefined}>
        {(ids) => <input {...ids} className="input" autoFocus={!user} disabled={!!user} spellCheck={false} autoComplete="off" value={username} onChange={(event) => setUsername(event.target.value)} />}
      </Field>
      <Field label={t("users.role")} hint={t("users.role_hint")}>
        {(ids) => (
          <select {...ids} className="select" value={role} onChange={(event) => setRole(event.target.value)}>
            {ROLES.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
      </Field>
      <Field label={t("users.password")} hint={user ? t("users.password_keep") : undefined} problem={checked && !user && !password ? t("common.required") : undefined}>
        {(ids) => <input {...ids} className="input" type="password" autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} />}
      </Field>
      {user ? null : (
        <Field label={t("users.email")}>
          {(ids) => <input {...ids} className="input" type="email" autoComplete="off" value={email} onChange={(event) => setEmail(event.target.value)} />}
        </Field>
      )}
    </EditDialog>
  );
}
