import { describe, expect, it } from "vitest";
import type { Structure } from "../api/types";
import { seenGraph, type Box } from "./graph-layout";
import { quickLayout } from "./quick-layout";

const overlap = (one: Box, other: Box): boolean =>
  one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height;

const STRUCTURE: Structure = {
  nodes: [{ id: "a" }, { id: "g.b", group: "g" }, { id: "g.c", group: "g" }, { id: "h.d", group: "h" }, { id: "e" }],
  groups: [{ id: "g" }, { id: "h" }],
  edges: [
    { source: "a", target: "g.b" },
    { source: "g.b", target: "g.c" },
    { source: "g.c", target: "h.d" },
    { source: "h.d", target: "e" },
  ],
};

describe("the arrangement of large graphs", () => {
  it.each(["RIGHT", "DOWN"] as const)("places each box behind what it waits for (%s)", (direction) => {
    const { boxes } = quickLayout(seenGraph(STRUCTURE, new Set()), direction);
    const axis = direction === "RIGHT" ? "x" : "y";
    for (const [before, after] of [["a", "g"], ["g.b", "g.c"], ["g", "h"], ["h", "e"]] as const) {
      expect((boxes.get(before) as Box)[axis]).toBeLessThan((boxes.get(after) as Box)[axis]);
    }
  });
  it("keeps members inside their group", () => {
    const { boxes } = quickLayout(seenGraph(STRUCTURE, new Set()), "RIGHT");
    const group = boxes.get("g") as Box;
    for (const id of ["g.b", "g.c"]) {
      const box = boxes.get(id) as Box;
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width).toBeLessThanOrEqual(group.width);
      expect(box.y + box.height).toBeLessThanOrEqual(group.height);
    }
  });
  it("folds 3,000 leaves into a block, soon and without overlaps", () => {
    const nodes = [{ id: "root" }, ...Array.from({ length: 3000 }, (_, index) => ({ id: `leaf_${index}` }))];
    const edges = nodes.slice(1).map((node) => ({ source: "root", target: node.id }));
    const started = performance.now();
    const { boxes } = quickLayout(seenGraph({ nodes, groups: [], edges }, new Set()), "RIGHT");
    expect(performance.now() - started).toBeLessThan(1000);
    const sample = [...boxes.values()].filter((_, index) => index % 37 === 0);
    sample.forEach((one, index) => sample.slice(index + 1).forEach((other) => expect(overlap(one, other)).toBe(false)));
    const height = Math.max(...[...boxes.values()].map((box) => box.y + box.height));
    const width = Math.max(...[...boxes.values()].map((box) => box.x + box.width));
    expect(height / width).toBeLessThan(3);
    expect(width / height).toBeLessThan(3);
  });
  it("survives groups whose tasks wait for each other", () => {
    const circle: Structure = {
      nodes: [{ id: "g.a", group: "g" }, { id: "h.b", group: "h" }, { id: "g.c", group: "g" }],
      groups: [{ id: "g" }, { id: "h" }],
      edges: [
        { source: "g.a", target: "h.b" },
        { source: "h.b", target: "g.c" },
      ],
    };
    expect(quickLayout(seenGraph(circle, new Set()), "RIGHT").boxes.size).toBe(5);
  });
});
