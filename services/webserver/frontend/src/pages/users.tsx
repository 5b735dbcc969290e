import { isMissing, useList, type Users } from "../api/queries";
import { useT } from "../i18n";
import { ListStates } from "../ui/admin";
import { Empty } from "../ui/parts";
import { Ago } from "../ui/time";
import { useTitle } from "../ui/title";

export default function UsersPage() {
  const t = useT();
  useTitle(t("users.title"));
  const list = useList<Users>("users", {});
  const users = list.data?.users ?? [];
  if (isMissing(list.error)) return <Empty title={t("users.missing")} />;
  return (
    <div className="page">
      <h1>{t("users.title")}</h1>
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
              </tr>
            </thead>
            <tbody>
              {users.map((user) => (
                <tr key={user.username}>
                  <td>{user.username}</td>
                  <td>{user.role ?? user.roles?.map((role) => role.name).join(", ")}</td>
                  <td>{[user.first_name, user.last_name].filter(Boolean).join(" ")}</td>
                  <td>{user.email}</td>
                  <td>{t((user.is_active ?? user.active ?? true) ? "common.yes" : "common.no")}</td>
                  <td>
                    <Ago at={user.last_login} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </div>
  );
}
