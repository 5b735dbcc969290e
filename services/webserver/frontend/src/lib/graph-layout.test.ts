import { describe, expect, it } from "vitest";
import type { Structure } from "../api/types";
import { boxesOf, elkInput, neededRoutes, routesOf, seenGraph, smoothPath } from "./graph-layout";

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
  it("keeps the way of an edge only where it bends", () => {
    const startPoint = { x: 0, y: 0 };
    const endPoint = { x: 9, y: 9 };
    const routes = routesOf({ edges: [{ id: "plain", sections: [{ startPoint, endPoint }] }, { id: "bent", sections: [{ startPoint, endPoint, bendPoints: [{ x: 5, y: 0 }] }] }, { id: "none" }] });
    expect([...routes.keys()]).toEqual(["bent"]);
    expect(routes.get("bent")).toHaveLength(3);
  });
  it("sends only those edges around that would run behind a box", () => {
    const graph = seenGraph(
      { nodes: [{ id: "a" }, { id: "b" }, { id: "c" }], groups: [], edges: [{ source: "a", target: "b" }, { source: "a", target: "c" }] },
      new Set(),
    );
    const boxes = new Map([["a", 0], ["b", 200], ["c", 400]].map(([id, x]) => [id as string, { x: x as number, y: 0, width: 100, height: 40 }]));
    const way = [{ x: 100, y: 20 }, { x: 250, y: 80 }, { x: 400, y: 20 }];
    const routes = new Map([["a→b", way], ["a→c", way]]);
    expect([...neededRoutes(graph, { boxes, routes }, "RIGHT").keys()]).toEqual(["a→c"]);
  });
  it("draws a way from its first point to its last, around each bend", () => {
    expect(smoothPath([{ x: 0, y: 0 }, { x: 10, y: 0 }])).toBe("M 0,0 L 10,0");
    expect(smoothPath([{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 20, y: 10 }, { x: 30, y: 10 }])).toBe("M 0,0 Q 10,0 15,5 Q 20,10 30,10");
    expect(smoothPath([])).toBe("");
  });
});
