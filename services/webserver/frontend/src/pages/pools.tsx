import { useState } from "react";
import { useList, type Pools } from "../api/queries";
import type { Pool } from "../api/types";
import { useT } from "../i18n";
import { DeleteButton, EditDialog, ListStates, useWrite } from "../ui/admin";
import { Button, Field } from "../ui/parts";
import { useTitle } from "../ui/title";

const DEFAULT_POOL = "default_pool";

export default function PoolsPage() {
  const t = useT();
  const [editing, setEditing] = useState<Pool | "new" | null>(null);
  useTitle(t("pools.title"));
  const list = useList<Pools>("pools", { limit: 100, order_by: "name" }, { live: true });
  const pools = list.data?.pools ?? [];
  return (
    <div className="page">
      <header>
        <h1>{t("pools.title")}</h1>
        <span className="grow" />
        <Button look="primary" icon="plus" needs="pools.edit" onClick={() => setEditing("new")}>
          {t("pools.add")}
        </Button>
      </header>
      <ListStates list={list} count={pools.length} empty={t("pools.empty")} />
      {pools.length > 0 ? (
        <div className="table-wrap">
          <table className="table">
            <thead>
              <tr>
                <th>{t("pools.name")}</th>
                <th>{t("pools.use")}</th>
                <th className="number">{t("pools.slots")}</th>
                <th className="number">{t("pools.running")}</th>
                <th className="number">{t("pools.queued")}</th>
                <th className="number">{t("pools.scheduled")}</th>
                <th>{t("pools.description")}</th>
                <th className="tools">
                  <span className="visually-hidden">{t("common.actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {pools.map((pool) => (
                <tr key={pool.name}>
                  <td>
                    <code>{pool.name}</code>
                  </td>
                  <td>
                    <UseBar pool={pool} />
                  </td>
                  <td className="number">{pool.slots < 0 ? t("pools.unlimited") : pool.slots}</td>
                  <td className="number">{pool.running_slots}</td>
                  <td className="number">{pool.queued_slots}</td>
                  <td className="number">{pool.scheduled_slots}</td>
                  <td>{pool.description}</td>
                  <td className="tools">
                    <Button look="plain" size="small" icon="pencil" needs="pools.edit" aria-label={t("pools.edit", { name: pool.name })} title={t("pools.edit", { name: pool.name })} onClick={() => setEditing(pool)} />
                    <DeleteButton path="pools" id={pool.name} needs="pools.edit" offBecause={pool.name === DEFAULT_POOL ? t("pools.default_stays") : undefined} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {editing ? <EditPool pool={editing === "new" ? null : editing} onClose={() => setEditing(null)} /> : null}
    </div>
  );
}

function UseBar({ pool }: { pool: Pool }) {
  const t = useT();
  const used = pool.occupied_slots ?? 0;
  if (pool.slots < 0) return <span className="muted">{used}</span>;
  const label = t("pools.use_label", { used, slots: pool.slots });
  return (
    <div className="row">
      <meter min={0} max={Math.max(pool.slots, 1)} value={used} aria-label={label} title={label} style={{ width: 120 }} />
      <span className="muted nowrap">
        {used} / {pool.slots}
      </span>
    </div>
  );
}

function EditPool({ pool, onClose }: { pool: Pool | null; onClose(): void }) {
  const t = useT();
  const [name, setName] = useState(pool?.name ?? "");
  const [slots, setSlots] = useState(String(pool?.slots ?? 8));
  const [description, setDescription] = useState(pool?.description ?? "");
  const [checked, setChecked] = useState(false);
  const write = useWrite("pools", onClose);
  const badSlots = !/^(?:-1|\d+)$/.test(slots.trim());
  const save = () => {
    setChecked(true);
    if (!name.trim() || badSlots) return;
    const body = { slots: Number(slots), description: description || null };
    write.mutate({ id: pool?.name ?? null, body: pool ? body : { name: name.trim(), ...body } });
  };
  return (
    <EditDialog title={pool ? t("pools.edit", { name: pool.name }) : t("pools.add")} error={write.error} busy={write.isPending} onSave={save} onClose={onClose}>
      <Field label={t("pools.name")} problem={checked && !name.trim() ? t("common.required") : undefined}>
        {(ids) => <input {...ids} className="input code" disabled={!!pool} autoFocus={!pool} spellCheck={false} autoComplete="off" value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <Field label={t("pools.slots")} hint={t("pools.slots_hint")} problem={checked && badSlots ? t("form.integer") : undefined}>
        {(ids) => <input {...ids} className="input" inputMode="numeric" value={slots} onChange={(event) => setSlots(event.target.value)} />}
      </Field>
      <Field label={t("pools.description")}>
        {(ids) => <input {...ids} className="input" value={description} onChange={(event) => setDescription(event.target.value)} />}
      </Field>
    </EditDialog>
  );
}
