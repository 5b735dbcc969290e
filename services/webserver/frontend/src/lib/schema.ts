// A form from the params of a DAG (JSON Schema): what kind of field each one is, what the reader
// typed turned into JSON, and what is wrong with it. The server checks again; it has the last word.

import type { JsonSchema, ParamSpec } from "../api/types";
import type { MessageKey } from "../i18n/en";
import type { Values } from "../i18n/messages";

export type FieldKind = "text" | "multiline" | "number" | "boolean" | "choice" | "many" | "lines" | "date" | "datetime" | "time" | "json";

export interface Field {
  name: string;
  kind: FieldKind;
  label: string;
  description: string;
  section: string;
  schema: JsonSchema;
  nullable: boolean;
  initial: unknown;
}

const typesOf = (schema: JsonSchema): string[] =>
  Array.isArray(schema.type) ? schema.type : schema.type ? [schema.type] : [];

/** A param may come as {value, description, schema}, or as the bare value itself. */
export function asParam(raw: unknown): ParamSpec {
  if (typeof raw === "object" && raw !== null && !Array.isArray(raw) && ("schema" in raw || "value" in raw)) {
    return raw as ParamSpec;
  }
  return { value: raw };
}

function kindOf(schema: JsonSchema, value: unknown): FieldKind {
  const types = typesOf(schema).filter((type) => type !== "null");
  if (schema.enum) return "choice";
  if (types.length === 1) {
    switch (types[0]) {
      case "boolean":
        return "boolean";
      case "integer":
      case "number":
        return "number";
      case "array":
        if (schema.items?.enum) return "many";
        if (schema.items && typesOf(schema.items).includes("string")) return "lines";
        return Array.isArray(value) && value.every((item) => typeof item === "string") && !schema.items ? "lines" : "json";
      case "object":
        return "json";
      case "string":
        if (schema.format === "date") return "date";
        if (schema.format === "date-time") return "datetime";
        if (schema.format === "time") return "time";
        return schema.format === "multiline" ? "multiline" : "text";
    }
  }
  if (types.length === 0) {
    if (typeof value === "boolean") return "boolean";
    if (typeof value === "number") return "number";
    if (typeof value === "string") return "text";
  }
  return types.length === 0 && (value === null || value === undefined) ? "text" : "json";
}

export function fieldsOf(params: Record<string, unknown>): Field[] {
  return Object.entries(params).map(([name, raw]) => {
    const param = asParam(raw);
    const schema = param.schema ?? {};
    const untyped = typesOf(schema).length === 0;
    return {
      name,
      kind: kindOf(schema, param.value),
      label: schema.title ?? name,
      description: param.description ?? schema.description ?? schema.description_md ?? "",
      section: schema.section ?? "",
      schema,
      nullable: typesOf(schema).includes("null") || (untyped && (param.value === null || param.value === undefined)),
      initial: param.value ?? null,
    };
  });
}

/** What the field's input shows for a value. Booleans and lists of choices keep their type. */
export function toInput(field: Field, value: unknown): string | boolean | string[] {
  switch (field.kind) {
    case "boolean":
      return value === true;
    case "many":
      return Array.isArray(value) ? value.map((item) => JSON.stringify(item)) : [];
    case "choice":
      return value === null || value === undefined ? "" : JSON.stringify(value);
    case "lines":
      return Array.isArray(value) ? value.join("\n") : "";
    case "json":
      return value === null || value === undefined ? "" : JSON.stringify(value, null, 2);
    case "datetime":
      return typeof value === "string" ? value : "";
    default:
      return value === null || value === undefined ? "" : String(value);
  }
}

export interface Problem {
  key: MessageKey;
  values?: Values;
}

export type Parsed = { value: unknown; problem?: undefined } | { value?: undefined; problem: Problem };

const bad = (key: MessageKey, values?: Values): Parsed => ({ problem: values ? { key, values } : { key } });

/** Turn what was typed into the value for conf, or say what is wrong. */
export function fromInput(field: Field, input: string | boolean | string[]): Parsed {
  if (typeof input === "boolean") return { value: input };
  if (Array.isArray(input)) return { value: input.map((item) => JSON.parse(item) as unknown) };
  const { schema } = field;
  if (field.kind === "lines") {
    const lines = input.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    return { value: lines };
  }
  if (input.trim() === "") {
    if (field.nullable) return { value: null };
    const allowsEmpty = (field.kind === "text" || field.kind === "multiline") && (schema.minLength ?? 0) === 0;
    return allowsEmpty && typesOf(schema).length === 0 ? { value: "" } : bad("common.required");
  }
  switch (field.kind) {
    case "choice":
      return { value: JSON.parse(input) as unknown };
    case "number":
      return parseNumber(schema, input);
    case "json":
      try {
        return { value: JSON.parse(input) as unknown };
      } catch {
        return bad("form.json");
      }
    case "date":
    case "datetime":
      return Number.isNaN(new Date(input).getTime()) ? bad("form.date") : { value: input };
    default:
      return checkText(schema, input);
  }
}

function parseNumber(schema: JsonSchema, input: string): Parsed {
  const value = Number(input);
  if (!Number.isFinite(value)) return bad("form.number");
  if (typesOf(schema).includes("integer") && !Number.isInteger(value)) return bad("form.integer");
  if (schema.minimum !== undefined && value < schema.minimum) return bad("form.min", { n: schema.minimum });
  if (schema.maximum !== undefined && value > schema.maximum) return bad("form.max", { n: schema.maximum });
  return { value };
}

function checkText(schema: JsonSchema, input: string): Parsed {
  // JSON Schema counts characters, not UTF-16 units.
  const length = [...input].length;
  if (schema.minLength !== undefined && length < schema.minLength) return bad("form.min_length", { n: schema.minLength });
  if (schema.maxLength !== undefined && length > schema.maxLength) return bad("form.max_length", { n: schema.maxLength });
  if (schema.pattern) {
    try {
      if (!new RegExp(schema.pattern, "u").test(input)) return bad("form.pattern", { pattern: schema.pattern });
    } catch {
      // A pattern that only Python understands: the server will tell.
    }
  }
  return { value: input };
}

/** Read a configuration that was typed as JSON: an object, or nothing. */
export function parseConf(text: string): { conf: Record<string, unknown> } | { problem: Problem } {
  if (text.trim() === "") return { conf: {} };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problem: { key: "trigger.bad_json", values: { reason: error instanceof Error ? error.message : String(error) } } };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { problem: { key: "trigger.not_object" } };
  return { conf: value as Record<string, unknown> };
}
