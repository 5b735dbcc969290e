import { describe, expect, it } from "vitest";
import { en } from "./en";
import { fill, placeholders } from "./messages";
import { zh } from "./zh";

describe("the catalogues", () => {
  it("have the same keys", () => {
    expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
  });
  it("leave no message empty", () => {
    for (const catalogue of [en, zh]) {
      for (const [key, message] of Object.entries(catalogue)) expect(message.trim(), key).not.toBe("");
    }
  });
  it("ask for the same values in each message", () => {
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      expect(placeholders(zh[key]), key).toEqual(placeholders(en[key]));
    }
  });
  it("are both translated: no Chinese message is the English one, names apart", () => {
    const sameOnPurpose = new Set([
      "app.name", "nav.dags", "dags.title", "dags.dag", "dags.no_next", "list.dag", "ti.xcom", "trigger.json",
      "connections.schema",
    ]);
    const untranslated = Object.keys(en).filter(
      (key) => !sameOnPurpose.has(key) && zh[key as keyof typeof en] === en[key as keyof typeof en],
    );
    expect(untranslated).toEqual([]);
  });
});

describe("filling in", () => {
  it("replaces names and chooses the word that fits the number", () => {
    expect(fill("{n} {n|run|runs} of {dag}", { n: 1, dag: "etl" })).toBe("1 run of etl");
    expect(fill("{n} {n|run|runs} of {dag}", { n: 2, dag: "etl" })).toBe("2 runs of etl");
  });
  it("leaves a name without a value as it is, and does not fill in twice", () => {
    expect(fill("{a} {b}", { a: "{b}" })).toBe("{b} {b}");
  });
});
