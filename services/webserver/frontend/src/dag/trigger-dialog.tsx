// Triggering a run: a form from the DAG's params, or the configuration as JSON; both show the same values.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import { request } from "../api/client";
import { boost, dagPath, keys, useDag } from "../api/queries";
import type { DagDetails, DagRun } from "../api/types";
import { useT } from "../i18n";
import { fieldsOf, fromInput, parseConf, toInput, type Field as FormField, type Problem } from "../lib/schema";
import { Dialog } from "../ui/dialog";
import { Button, Check, ErrorNotice, Field, Loading } from "../ui/parts";
import { useToasts } from "../ui/toasts";

type Input = string | boolean | string[];

interface Props {
  conf?: Record<string, unknown> | undefined;
  /** Told of the new run; without it the message offers a way to the run. */
  onTriggered?: ((runId: string) => void) | undefined;
  onClose(): void;
}

export default function TriggerDialog({ dagId, conf, onTriggered, onClose }: Props & { dagId: string }) {
  const t = useT();
  const dag = useDag(dagId);
  if (dag.data) return <TriggerForm dag={dag.data} conf={conf} onTriggered={onTriggered} onClose={onClose} />;
  return (
    <Dialog title={t("trigger.title", { dag: dagId })} onClose={onClose}>
      {dag.error ? <ErrorNotice error={dag.error} /> : <Loading />}
    </Dialog>
  );
}

function TriggerForm({ dag, conf, onTriggered, onClose }: Props & { dag: DagDetails }) {
  const t = useT();
  const client = useQueryClient();
  const toasts = useToasts();
  const [, navigate] = useLocation();
  // The fields of the moment the dialog opened: a new version of the file must not move them under the hands.
  const [fields] = useState(() => fieldsOf({ ...dag.params }));
  const [inputs, setInputs] = useState<Record<string, Input>>(() =>
    Object.fromEntries(fields.map((field) => [field.name, toInput(field, conf && field.name in conf ? conf[field.name] : field.initial)])),
  );
  const [extra] = useState(() => Object.fromEntries(Object.entries(conf ?? {}).filter(([name]) => !fields.some((field) => field.name === name))));
  const [mode, setMode] = useState<"form" | "json">(fields.length > 0 && Object.keys(extra).length === 0 ? "form" : "json");
  const [json, setJson] = useState(() => (conf && Object.keys(conf).length > 0 ? JSON.stringify(conf, null, 2) : ""));
  const [runId, setRunId] = useState("");
  const [date, setDate] = useState("");
  const [note, setNote] = useState("");
  const [unpause, setUnpause] = useState(dag.is_paused);
  const [checked, setChecked] = useState(false);

  const parsed = useMemo(() => {
    const values: Record<string, unknown> = {};
    const problems: Record<string, Problem> = {};
    for (const field of fields) {
      const result = fromInput(field, inputs[field.name] ?? "");
      if (result.problem) problems[field.name] = result.problem;
      else values[field.name] = result.value;
    }
    return { values, problems };
  }, [fields, inputs]);
  const parsedJson = useMemo(() => parseConf(json), [json]);

  const switchMode = (next: "form" | "json") => {
    if (next === "json") setJson(JSON.stringify({ ...parsed.values, ...extra }, null, 2));
    else if ("conf" in parsedJson) {
      const given = parsedJson.conf;
      setInputs(Object.fromEntries(fields.map((field) => [field.name, toInput(field, field.name in given ? given[field.name] : field.initial)])));
    }
    setMode(next);
  };

  const trigger = useMutation({
    mutationFn: async (chosen: Record<string, unknown>) => {
      if (dag.is_paused && unpause) {
        await request(dagPath(dag.dag_id), { method: "PATCH", query: { update_mask: "is_paused" }, body: { is_paused: false } });
      }
      return request<DagRun>(dagPath(dag.dag_id, "dagRuns"), {
        method: "POST",
        body: {
          ...(runId.trim() ? { dag_run_id: runId.trim() } : {}),
          logical_date: date ? new Date(date).toISOString() : null,
          conf: chosen,
          ...(note.trim() ? { note: note.trim() } : {}),
        },
      });
    },
    onSuccess: (run) => {
      boost(client, keys.dags, keys.dag(dag.dag_id), keys.grid(dag.dag_id), keys.lists);
      const href = `/dags/${encodeURIComponent(dag.dag_id)}?run=${encodeURIComponent(run.dag_run_id)}`;
      toasts.good(t("trigger.done", { run: run.dag_run_id }), onTriggered ? undefined : { label: t("trigger.open"), run: () => navigate(href) });
      onClose();
      onTriggered?.(run.dag_run_id);
    },
  });

  const submit = () => {
    setChecked(true);
    if (mode === "json") {
      if ("conf" in parsedJson) trigger.mutate(parsedJson.conf);
      return;
    }
    const bad = fields.find((field) => parsed.problems[field.name]);
    if (bad) document.querySelector<HTMLElement>(`[data-param="${CSS.escape(bad.name)}"]`)?.focus();
    else trigger.mutate(parsed.values);
  };

  const sections = [...new Set(fields.map((field) => field.section))];
  return (
    <Dialog
      title={t("trigger.title", { dag: dag.display_name || dag.dag_id })}
      onClose={onClose}
      onSubmit={submit}
      footer={
        <>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" look="primary" icon="play" disabled={trigger.isPending}>
            {t("trigger.submit")}
          </Button>
        </>
      }
    >
      {trigger.error ? <ErrorNotice error={trigger.error} /> : null}
      {fields.length > 0 ? (
        <div className="row" role="group" aria-label={t("trigger.params")}>
          <Button size="small" aria-pressed={mode === "form"} onClick={() => switchMode("form")}>
            {t("trigger.form")}
          </Button>
          <Button size="small" aria-pressed={mode === "json"} onClick={() => switchMode("json")}>
            {t("trigger.json")}
          </Button>
        </div>
      ) : null}
      {mode === "form"
        ? sections.map((section) => (
            <div key={section} className="stack">
              {section ? <h3>{section}</h3> : null}
              {fields
                .filter((field) => field.section === section)
                .map((field) => (
                  <ParamField
                    key={field.name}
                    field={field}
                    input={inputs[field.name] ?? ""}
                    problem={checked ? parsed.problems[field.name] : undefined}
                    onChange={(value) => setInputs((all) => ({ ...all, [field.name]: value }))}
                  />
                ))}
            </div>
          ))
        : null}
      {mode === "json" ? (
        <Field
          label={t("trigger.conf")}
          hint={t("trigger.conf_hint")}
          problem={"problem" in parsedJson && (checked || json.trim().endsWith("}")) ? t(parsedJson.problem.key, parsedJson.problem.values) : undefined}
        >
          {(ids) => <textarea {...ids} className="textarea code" rows={6} spellCheck={false} placeholder="{}" value={json} onChange={(event) => setJson(event.target.value)} />}
        </Field>
      ) : null}
      <details>
        <summary>{t("trigger.options")}</summary>
        <div className="stack" style={{ paddingTop: 10 }}>
          <Field label={t("trigger.logical_date")} hint={t("trigger.logical_date_hint")}>
            {(ids) => <input {...ids} className="input" type="datetime-local" step={1} value={date} onChange={(event) => setDate(event.target.value)} />}
          </Field>
          <Field label={t("trigger.run_id")} hint={t("trigger.run_id_hint")}>
            {(ids) => <input {...ids} className="input code" spellCheck={false} autoComplete="off" value={runId} onChange={(event) => setRunId(event.target.value)} />}
          </Field>
          <Field label={t("trigger.note")}>
            {(ids) => <textarea {...ids} className="textarea" rows={2} value={note} onChange={(event) => setNote(event.target.value)} />}
          </Field>
        </div>
      </details>
      {dag.is_paused ? (
        <Check on={unpause} onChange={setUnpause}>
          {t("trigger.unpause")}
        </Check>
      ) : null}
    </Dialog>
  );
}

function ParamField({ field, input, problem, onChange }: { field: FormField; input: Input; problem: Problem | undefined; onChange(value: Input): void }) {
  const t = useT();
  const { schema } = field;
  if (field.kind === "boolean") {
    return (
      <div className="field">
        <Check on={input === true} onChange={onChange}>
          <strong>{field.label}</strong>
        </Check>
        {field.description ? <span className="hint">{field.description}</span> : null}
      </div>
    );
  }
  const text = typeof input === "string" ? input : "";
  const common = { "data-param": field.name, spellCheck: false, autoComplete: "off" } as const;
  return (
    <Field
      label={field.nullable ? field.label : `${field.label} *`}
      hint={[field.description, field.kind === "lines" ? t("form.array") : ""].filter(Boolean).join(" ")}
      problem={problem ? t(problem.key, problem.values) : undefined}
    >
      {(ids) => {
        switch (field.kind) {
          case "choice":
            return (
              <select {...ids} {...common} className="select" value={text} onChange={(event) => onChange(event.target.value)}>
                {field.nullable || text === "" ? <option value="">{field.nullable ? t("form.null") : t("form.choose")}</option> : null}
                {(schema.enum ?? []).filter((value) => value !== null).map((value) => (
                  <option key={JSON.stringify(value)} value={JSON.stringify(value)}>
                    {schema.values_display?.[String(value)] ?? String(value)}
                  </option>
                ))}
              </select>
            );
          case "many":
            return (
              <select {...ids} {...common} className="select" multiple value={Array.isArray(input) ? input : []} onChange={(event) => onChange([...event.target.selectedOptions].map((option) => option.value))}>
                {(schema.items?.enum ?? []).map((value) => (
                  <option key={JSON.stringify(value)} value={JSON.stringify(value)}>
                    {String(value)}
                  </option>
                ))}
              </select>
            );
          case "lines":
          case "multiline":
          case "json":
            return <textarea {...ids} {...common} className={`textarea${field.kind === "json" ? " code" : ""}`} value={text} onChange={(event) => onChange(event.target.value)} />;
          case "number":
            return <input {...ids} {...common} className="input" inputMode="decimal" value={text} onChange={(event) => onChange(event.target.value)} />;
          case "date":
          case "time":
            return <input {...ids} {...common} className="input" type={field.kind} value={text} onChange={(event) => onChange(event.target.value)} />;
          default: {
            const list = schema.examples && schema.examples.length > 0 ? `${ids.id}-list` : undefined;
            return (
              <>
                <input {...ids} {...common} className="input" list={list} value={text} onChange={(event) => onChange(event.target.value)} />
                {list ? (
                  <datalist id={list}>
                    {(schema.examples ?? []).map((value) => (
                      <option key={String(value)} value={String(value)} />
                    ))}
                  </datalist>
                ) : null}
              </>
            );
          }
        }
      }}
    </Field>
  );
}

