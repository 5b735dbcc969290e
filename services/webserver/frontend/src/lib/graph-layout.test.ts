import { describe, expect, it } from "vitest";
import type { Structure } from "../api/types";
import { boxesOf, elkInput, seenGraph } from "./graph-layout";

const STRUCTURE: Structure = {
  nodes: [
    { id: "start" },
    { id: "etl.a", group: "etl" },
    { id: "etl.in.b", group: "etl.in" },
    { id: "end" },
  ],
  groups: [
    { id: "etl.in", label: "in", parent: "etl" },
    { id: "etl", label: "ETL", parent: null },
  ],
  edges: [
    { source: "start", target: "etl.a" },
    { source: "etl.a", target: "etl.in.b", label: "ok" },
    { source: "etl.in.b", target: "end" },
    { source: "start", target: "etl.in.b" },
  ],
};

describe("the graph that is seen", () => {
  it("has each group before its members", () => {
    const ids = seenGraph(STRUCTURE, new Set()).nodes.map((node) => node.id);
    expect(ids.indexOf("etl")).toBeLessThan(ids.indexOf("etl.in"));
    expect(ids.indexOf("etl.in")).toBeLessThan(ids.indexOf("etl.in.b"));
  });
  it("leads edges to a closed group, once and never in a circle", () => {
    const graph = seenGraph(STRUCTURE, new Set(["etl"]));
    expect(graph.nodes.map((node) => node.id).sort()).toEqual(["end", "etl", "start"]);
    expect(graph.edges.map((edge) => edge.id)).toEqual(["start→etl", "etl→end"]);
    expect(graph.nodes.find((node) => node.id === "etl")?.members).toEqual(["etl.a", "etl.in.b"]);
  });
  it("keeps labels of edges", () => {
    expect(seenGraph(STRUCTURE, new Set()).edges.find((edge) => edge.id === "etl.a→etl.in.b")?.label).toBe("ok");
  });
  it("survives groups that contain each other", () => {
    const circle: Structure = { nodes: [{ id: "t", group: "a" }], groups: [{ id: "a", parent: "b" }, { id: "b", parent: "a" }], edges: [] };
    expect(seenGraph(circle, new Set()).nodes.map((node) => node.id).sort()).toEqual(["a", "b", "t"]);
  });
  it("nests boxes for elk and reads them back", () => {
    const input = elkInput(seenGraph(STRUCTURE, new Set()), "RIGHT");
    const etl = input.children?.find((box) => box.id === "etl");
    expect(etl?.children?.map((box) => box.id).sort()).toEqual(["etl.a", "etl.in"]);
    const boxes = boxesOf({ id: "root", children: [{ id: "etl", x: 5, y: 6, width: 7, height: 8, children: [{ id: "etl.a", x: 1, y: 2 }] }] });
    expect(boxes.get("etl")).toEqual({ x: 5, y: 6, width: 7, height: 8 });
    expect(boxes.get("etl.a")).toMatchObject({ x: 1, y: 2 });
  });
});
