// A note on a run or task instance: shown, and changed in place.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "../api/client";
import { useT } from "../i18n";
import type { Permission } from "../lib/roles";
import { Button } from "../ui/parts";
import { useToasts } from "../ui/toasts";

export function NoteEditor({ note, path, needs, queryKey }: { note: string; path: string; needs: Permission; queryKey: readonly unknown[] }) {
  const t = useT();
  const client = useQueryClient();
  const toasts = useToasts();
  const [draft, setDraft] = useState<string | null>(null);
  const save = useMutation({
    mutationFn: (text: string) => request(path, { method: "PATCH", query: { update_mask: "note" }, body: { note: text || null } }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey });
      setDraft(null);
    },
    onError: (error) => toasts.error(error),
  });
  return (
    <section className="stack">
      <h3>{t("run.note")}</h3>
      {draft === null ? (
        <div className="row wrap">
          {note ? <p style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{note}</p> : null}
          <Button size="small" icon="pencil" needs={needs} onClick={() => setDraft(note)}>
            {t(note ? "common.edit" : "run.note_add")}
          </Button>
        </div>
      ) : (
        <div className="stack">
          <textarea className="textarea" autoFocus aria-label={t("run.note")} placeholder={t("run.note_placeholder")} value={draft} maxLength={1000} onChange={(event) => setDraft(event.target.value)} />
          <div className="row">
            <Button size="small" look="primary" disabled={save.isPending} onClick={() => save.mutate(draft)}>
              {t("common.save")}
            </Button>
            <Button size="small" onClick={() => setDraft(null)}>
              {t("common.cancel")}
            </Button>
          </div>
        </div>
      )}
    </section>
  );
}
