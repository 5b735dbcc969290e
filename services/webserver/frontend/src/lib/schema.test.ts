import { describe, expect, it } from "vitest";
import { fieldsOf, fromInput, parseConf, toInput, type Field } from "./schema";

const field = (raw: unknown): Field => fieldsOf({ x: raw })[0] as Field;

describe("a form from params", () => {
  it.each([
    [{ value: 3, schema: { type: "integer" } }, "number"],
    [{ value: "a", schema: { type: "string", enum: ["a", "b"] } }, "choice"],
    [{ value: ["a"], schema: { type: "array", items: { type: "string" } } }, "lines"],
    [{ value: ["a"], schema: { type: "array", items: { enum: ["a", "b"] } } }, "many"],
    [{ value: { a: 1 }, schema: { type: "object" } }, "json"],
    [{ value: "2026-01-01", schema: { type: "string", format: "date" } }, "date"],
    [{ value: true, schema: {} }, "boolean"],
    ["plain", "text"],
    [7, "number"],
    [{ value: null, schema: { type: ["null", "string"] } }, "text"],
  ])("chooses a field for %j: %s", (raw, kind) => {
    expect(field(raw).kind).toBe(kind);
  });

  it("gives back the value it was shown, for every kind", () => {
    for (const [raw, value] of [
      [{ value: 3, schema: { type: "integer" } }, 3],
      [{ value: "b", schema: { enum: ["a", "b", 3] } }, "b"],
      [{ value: 3, schema: { enum: ["a", "b", 3] } }, 3],
      [{ value: ["a", "c"], schema: { type: "array", items: { type: "string" } } }, ["a", "c"]],
      [{ value: { a: [1] }, schema: { type: "object" } }, { a: [1] }],
      [{ value: false, schema: { type: "boolean" } }, false],
      [{ value: null, schema: { type: ["null", "integer"] } }, null],
    ] as const) {
      const one = field(raw);
      expect(fromInput(one, toInput(one, one.initial))).toEqual({ value });
    }
  });

  it.each([
    [{ value: 3, schema: { type: "integer" } }, "3.5", "form.integer"],
    [{ value: 3, schema: { type: "number", minimum: 0 } }, "-1", "form.min"],
    [{ value: 3, schema: { type: "number", maximum: 5 } }, "6", "form.max"],
    [{ value: 3, schema: { type: "number" } }, "many", "form.number"],
    [{ value: 3, schema: { type: "number" } }, " ", "common.required"],
    [{ value: "ab", schema: { type: "string", minLength: 2 } }, "a", "form.min_length"],
    [{ value: "ab", schema: { type: "string", pattern: "^[a-z]+$" } }, "A", "form.pattern"],
    [{ value: {}, schema: { type: "object" } }, "{", "form.json"],
  ])("refuses %j for %j", (raw, input, key) => {
    expect(fromInput(field(raw), input).problem?.key).toBe(key);
  });

  it("takes numbers at their limits", () => {
    const one = field({ value: 3, schema: { type: "integer", minimum: 1, maximum: 5 } });
    expect(fromInput(one, "1")).toEqual({ value: 1 });
    expect(fromInput(one, "5")).toEqual({ value: 5 });
  });
});

describe("a configuration typed as JSON", () => {
  it("is an object or nothing", () => {
    expect(parseConf("  ")).toEqual({ conf: {} });
    expect(parseConf('{"a": 1}')).toEqual({ conf: { a: 1 } });
    expect(parseConf("[1]")).toEqual({ problem: { key: "trigger.not_object" } });
    expect(parseConf("{a")).toMatchObject({ problem: { key: "trigger.bad_json" } });
  });
});
