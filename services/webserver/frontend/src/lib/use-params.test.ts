import { describe, expect, it } from "vitest";
import { changedSearch } from "./use-params";

describe("what the address holds", () => {
  it("keeps the rest, drops what is empty, and carries any run id", () => {
    const run = "manual__2026-11-22T00:00:00+00:00";
    const search = changedSearch("?search=etl&tag=a", { tag: "", run, follow: true, old: null });
    const params = new URLSearchParams(search);
    expect(Object.fromEntries(params)).toEqual({ search: "etl", run, follow: "1" });
  });
});
