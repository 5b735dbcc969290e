import { useState } from "react";
import { useList, type Variables } from "../api/queries";
import type { Variable } from "../api/types";
import { useT } from "../i18n";
import { useParamsInAddress } from "../lib/use-params";
import { DeleteButton, EditDialog, ListStates, useWrite } from "../ui/admin";
import { Button, Field, Pager, SearchInput } from "../ui/parts";
import { useTitle } from "../ui/title";

const PAGE = 100;
const MASK = /^\*+$/;

export default function VariablesPage() {
  const t = useT();
  const address = useParamsInAddress();
  const search = address.get("search");
  const offset = address.number("offset", 0);
  const [editing, setEditing] = useState<Variable | "new" | null>(null);
  useTitle(t("variables.title"));
  const list = useList<Variables>("variables", { limit: PAGE, offset, order_by: "key", variable_key_pattern: search });
  const variables = list.data?.variables ?? [];
  return (
    <div className="page">
      <header>
        <h1>{t("variables.title")}</h1>
        <span className="grow" />
        <SearchInput hotkey label={t("common.search")} value={search} onChange={(value) => address.change({ search: value, offset: null })} />
        <Button look="primary" icon="plus" needs="variables.edit" onClick={() => setEditing("new")}>
          {t("variables.add")}
        </Button>
      </header>
      <ListStates list={list} count={variables.length} empty={t("variables.empty")} />
      {variables.length > 0 ? (
        <div className="table-wrap">
          <table className="table">
            <thead>
              <tr>
                <th>{t("variables.key")}</th>
                <th>{t("variables.value")}</th>
                <th>{t("variables.description")}</th>
                <th className="tools">
                  <span className="visually-hidden">{t("common.actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {variables.map((variable) => (
                <tr key={variable.key}>
                  <td>
                    <code>{variable.key}</code>
                  </td>
                  <td>
                    <div className="ellipsis mono" style={{ maxWidth: "38em" }} title={variable.value ?? undefined}>
                      {variable.value}
                    </div>
                  </td>
                  <td>{variable.description}</td>
                  <td className="tools">
                    <Button look="plain" size="small" icon="pencil" needs="variables.edit" aria-label={t("variables.edit", { name: variable.key })} title={t("variables.edit", { name: variable.key })} onClick={() => setEditing(variable)} />
                    <DeleteButton path="variables" id={variable.key} needs="variables.edit" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {list.data ? <Pager offset={offset} limit={PAGE} total={list.data.total_entries} onMove={(next) => address.change({ offset: next || null }, true)} /> : null}
      {editing ? <EditVariable variable={editing === "new" ? null : editing} onClose={() => setEditing(null)} /> : null}
    </div>
  );
}

function EditVariable({ variable, onClose }: { variable: Variable | null; onClose(): void }) {
  const t = useT();
  const [key, setKey] = useState(variable?.key ?? "");
  const [value, setValue] = useState(variable?.value ?? "");
  const [description, setDescription] = useState(variable?.description ?? "");
  const [checked, setChecked] = useState(false);
  const write = useWrite("variables", onClose);
  const masked = !!variable?.value && MASK.test(variable.value);
  const save = () => {
    setChecked(true);
    if (!key.trim()) return;
    // A masked value that was not touched is not the value: leave it out.
    const keeps = variable !== null && value === (variable.value ?? "");
    write.mutate({
      id: variable?.key ?? null,
      body: { ...(variable ? {} : { key: key.trim() }), ...(keeps ? {} : { value }), description: description || null },
    });
  };
  return (
    <EditDialog title={variable ? t("variables.edit", { name: variable.key }) : t("variables.add")} error={write.error} busy={write.isPending} onSave={save} onClose={onClose}>
      <Field label={t("variables.key")} problem={checked && !key.trim() ? t("common.required") : undefined}>
        {(ids) => <input {...ids} className="input code" autoFocus={!variable} disabled={!!variable} spellCheck={false} autoComplete="off" value={key} onChange={(event) => setKey(event.target.value)} />}
      </Field>
      <Field label={t("variables.value")} hint={masked ? t("variables.keep_masked") : undefined}>
        {(ids) => <textarea {...ids} className="textarea code" rows={5} spellCheck={false} value={value} onChange={(event) => setValue(event.target.value)} />}
      </Field>
      <Field label={t("variables.description")}>
        {(ids) => <input {...ids} className="input" value={description} onChange={(event) => setDescription(event.target.value)} />}
      </Field>
    </EditDialog>
  );
}
