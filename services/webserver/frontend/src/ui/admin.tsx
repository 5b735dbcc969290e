// What the admin pages have in common: a searched list, a dialog to add or change, a question before deleting.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { request, seg } from "../api/client";
import { keys } from "../api/queries";
import { useT } from "../i18n";
import type { Permission } from "../lib/roles";
import { Confirm, Dialog } from "./dialog";
import { Button, Empty, ErrorNotice, Loading } from "./parts";
import { useToasts } from "./toasts";

export interface Listing {
  error: unknown;
  isPending: boolean;
  data: unknown;
  refetch(): unknown;
}

export function ListStates({ list, count, empty }: { list: Listing; count: number; empty: string }) {
  if (list.error && !list.data) return <ErrorNotice error={list.error} onRetry={() => void list.refetch()} />;
  if (list.isPending) return <Loading />;
  return count === 0 ? <Empty title={empty} /> : null;
}

/** Write one thing of an admin list: POST for a new one, PATCH for one that is there, DELETE. */
export function useWrite(path: string, done: () => void) {
  const t = useT();
  const client = useQueryClient();
  const toasts = useToasts();
  return useMutation({
    mutationFn: ({ id, body }: { id: string | null; body: unknown }) =>
      id === null
        ? request(`/api/v2/${path}`, { method: "POST", body })
        : request(`/api/v2/${path}/${seg(id)}`, { method: "PATCH", body }),
    onSuccess: () => {
      toasts.good(t("common.saved"));
      void client.invalidateQueries({ queryKey: keys.lists });
      done();
    },
  });
}

export function DeleteButton({ path, id, needs, offBecause }: { path: string; id: string; needs: Permission; offBecause?: string | undefined }) {
  const t = useT();
  const client = useQueryClient();
  const toasts = useToasts();
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: () => request(`/api/v2/${path}/${seg(id)}`, { method: "DELETE" }),
    onSuccess: () => {
      toasts.good(t("common.deleted", { name: id }));
      void client.invalidateQueries({ queryKey: keys.lists });
    },
    onError: (error) => toasts.error(error),
    onSettled: () => setAsking(false),
  });
  const label = `${t("common.delete")} ${id}`;
  return (
    <>
      <Button look="plain" size="small" icon="trash" needs={needs} offBecause={offBecause} aria-label={label} title={label} onClick={() => setAsking(true)} />
      {asking ? (
        <Confirm title={t("common.delete")} text={t("common.sure_delete", { name: id })} action={t("common.delete")} danger busy={remove.isPending} onConfirm={() => remove.mutate()} onClose={() => setAsking(false)} />
      ) : null}
    </>
  );
}

export function EditDialog({ title, error, busy, onSave, onClose, children }: { title: string; error: unknown; busy: boolean; onSave(): void; onClose(): void; children: ReactNode }) {
  const t = useT();
  return (
    <Dialog
      title={title}
      onClose={onClose}
      onSubmit={onSave}
      footer={
        <>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" look="primary" disabled={busy}>
            {t("common.save")}
          </Button>
        </>
      }
    >
      {error ? <ErrorNotice error={error} /> : null}
      {children}
    </Dialog>
  );
}
