// From the DAG's structure to what is drawn: which nodes are seen when some groups are closed,
// which edges then lead where, and the graph that elk arranges.

import type { Structure } from "../api/types";

export type Direction = "RIGHT" | "DOWN";

export interface SeenNode {
  id: string;
  kind: "task" | "group";
  label: string;
  operator: string;
  parent: string | null;
  /** Of a group: open ones hold their members, closed ones are one box. */
  open: boolean;
  members: readonly string[];
}

export interface SeenEdge {
  id: string;
  source: string;
  target: string;
  label: string;
}

export interface SeenGraph {
  nodes: SeenNode[];
  edges: SeenEdge[];
}

export function seenGraph(structure: Structure, closed: ReadonlySet<string>): SeenGraph {
  const parents = new Map(structure.groups.map((group) => [group.id, group.parent ?? null]));
  /** The groups around something, the outermost first. A circle of parents must not hang the page. */
  const around = (group: string | null | undefined): string[] => {
    const chain: string[] = [];
    for (let at = group ?? null; at !== null && parents.has(at) && !chain.includes(at); at = parents.get(at) ?? null) chain.unshift(at);
    return chain;
  };
  const stands = new Map<string, string>();
  const members = new Map<string, string[]>(structure.groups.map((group) => [group.id, []]));
  const nodes: SeenNode[] = [];

  for (const group of structure.groups) {
    const outer = around(group.parent);
    if (outer.some((name) => closed.has(name))) continue;
    nodes.push({
      id: group.id,
      kind: "group",
      label: group.label || group.id,
      operator: "",
      parent: outer.at(-1) ?? null,
      open: !closed.has(group.id),
      members: members.get(group.id) ?? [],
    });
  }
  for (const node of structure.nodes) {
    const outer = around(node.group);
    for (const group of outer) members.get(group)?.push(node.id);
    const hiddenBy = outer.find((name) => closed.has(name));
    stands.set(node.id, hiddenBy ?? node.id);
    if (hiddenBy) continue;
    const label = node.label || node.id;
    nodes.push({
      id: node.id,
      kind: "task",
      label: outer.length > 0 && label === node.id ? (label.split(".").at(-1) ?? label) : label,
      operator: node.operator ?? "",
      parent: outer.at(-1) ?? null,
      open: false,
      members: [node.id],
    });
  }
  // React Flow wants parents before their children.
  const depth = (node: SeenNode): number => around(node.parent).length;
  nodes.sort((one, other) => depth(one) - depth(other));

  const edges = new Map<string, SeenEdge>();
  for (const edge of structure.edges) {
    const source = stands.get(edge.source);
    const target = stands.get(edge.target);
    if (!source || !target || source === target) continue;
    const id = `${source}→${target}`;
    if (!edges.has(id)) edges.set(id, { id, source, target, label: edge.label ?? "" });
  }
  return { nodes, edges: [...edges.values()] };
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

/** Where everything stands: boxes by node, and the way of each edge that must go around something. */
export interface Arrangement {
  boxes: Map<string, Box>;
  routes: Map<string, Point[]>;
}

export interface ElkBox {
  id: string;
  x?: number;
  y?: number;
  width?: number;
  height?: number;
  labels?: { text: string; width: number; height: number }[];
  layoutOptions?: Record<string, string>;
  children?: ElkBox[];
}

export interface ElkInput extends ElkBox {
  edges: { id: string; sources: string[]; targets: string[]; labels?: { text: string; width: number; height: number }[] }[];
}

const NODE_HEIGHT = 46;

/** Wide enough for its words, "upstream failed" among them; characters of Chinese are twice as wide. */
export function nodeWidth(label: string, operator: string): number {
  const units = (text: string): number => [...text].reduce((sum, char) => sum + (char.charCodeAt(0) > 0x2e80 ? 2 : 1), 0);
  return Math.round(Math.min(320, Math.max(162, Math.max(units(label) * 7.6, units(operator) * 6.4) + 58)));
}

export function elkInput(graph: SeenGraph, direction: Direction): ElkInput {
  const boxes = new Map<string, ElkBox>();
  for (const node of graph.nodes) {
    boxes.set(
      node.id,
      node.kind === "group" && node.open
        ? { id: node.id, children: [], layoutOptions: { "elk.padding": "[top=42,left=16,bottom=16,right=16]", "elk.nodeSize.constraints": "MINIMUM_SIZE", "elk.nodeSize.minimum": `(${nodeWidth(node.label, "")},60)` } }
        : { id: node.id, width: nodeWidth(node.label, node.operator), height: NODE_HEIGHT },
    );
  }
  const top: ElkBox[] = [];
  for (const node of graph.nodes) {
    const box = boxes.get(node.id) as ElkBox;
    const parent = node.parent ? boxes.get(node.parent) : undefined;
    if (parent?.children) parent.children.push(box);
    else top.push(box);
  }
  return {
    id: "root",
    layoutOptions: {
      "elk.algorithm": "layered",
      "elk.direction": direction,
      "elk.hierarchyHandling": "INCLUDE_CHILDREN",
      "elk.layered.nodePlacement.bk.fixedAlignment": "BALANCED",
      "elk.layered.considerModelOrder.strategy": "PREFER_NODES",
      // Edges are drawn as curves along the polyline; right angles would need more room.
      "elk.edgeRouting": "POLYLINE",
      "elk.layered.edgeRouting.polyline.slopedEdgeZoneWidth": "0",
      // Points of edges count from the corner of the whole, wherever the edge runs.
      "elk.json.edgeCoords": "ROOT",
      "elk.spacing.nodeNode": "18",
      "elk.layered.spacing.nodeNodeBetweenLayers": "54",
      "elk.layered.spacing.edgeNodeBetweenLayers": "10",
    },
    children: top,
    edges: graph.edges.map((edge) => ({
      id: edge.id,
      sources: [edge.source],
      targets: [edge.target],
      ...(edge.label ? { labels: [{ text: edge.label, width: edge.label.length * 6.5, height: 16 }] } : {}),
    })),
  };
}

export interface ElkRoutes {
  edges?: { id: string; sections?: { startPoint: Point; endPoint: Point; bendPoints?: Point[] }[] }[];
}

/** The ways with a bend that elk found; an edge without one is drawn as a plain curve. */
export function routesOf(result: ElkRoutes): Map<string, Point[]> {
  const routes = new Map<string, Point[]>();
  for (const edge of result.edges ?? []) {
    const points = (edge.sections ?? []).flatMap((section) => [section.startPoint, ...(section.bendPoints ?? []), section.endPoint]);
    if (points.length > 2) routes.set(edge.id, points);
  }
  return routes;
}

/**
 * Keep the routes of those edges whose plain curve would run behind another box. Between two
 * neighbouring layers a plain curve is easier to follow than elk's detours.
 */
export function neededRoutes(graph: SeenGraph, { boxes, routes }: Arrangement, direction: Direction): Map<string, Point[]> {
  const parents = new Map(graph.nodes.map((node) => [node.id, node.parent]));
  const absolute = (id: string): Box => {
    const box = { ...(boxes.get(id) ?? { x: 0, y: 0, width: 0, height: 0 }) };
    for (let at = parents.get(id) ?? null; at !== null; at = parents.get(at) ?? null) {
      box.x += boxes.get(at)?.x ?? 0;
      box.y += boxes.get(at)?.y ?? 0;
    }
    return box;
  };
  const leaves = graph.nodes.filter((node) => !(node.kind === "group" && node.open)).map((node) => [node.id, absolute(node.id)] as const);
  const isRight = direction === "RIGHT";
  const isHidden = (source: string, target: string): boolean => {
    const from = absolute(source);
    const to = absolute(target);
    const start = isRight ? { x: from.x + from.width, y: from.y + from.height / 2 } : { x: from.x + from.width / 2, y: from.y + from.height };
    const end = isRight ? { x: to.x, y: to.y + to.height / 2 } : { x: to.x + to.width / 2, y: to.y };
    return curvePoints(start, end, isRight).some((point) =>
      leaves.some(([id, box]) => id !== source && id !== target && contains(box, point)),
    );
  };
  const kept = graph.edges.filter((edge) => routes.has(edge.id) && isHidden(edge.source, edge.target));
  return new Map(kept.map((edge) => [edge.id, routes.get(edge.id) as Point[]]));
}

const SAMPLES = 24;
const MARGIN = 4;

/** Points of the curve that React Flow draws: it leaves and arrives along the direction. */
function curvePoints(start: Point, end: Point, isRight: boolean): Point[] {
  const middle = isRight ? (start.x + end.x) / 2 : (start.y + end.y) / 2;
  const first = isRight ? { x: middle, y: start.y } : { x: start.x, y: middle };
  const second = isRight ? { x: middle, y: end.y } : { x: end.x, y: middle };
  return Array.from({ length: SAMPLES - 1 }, (_, index) => {
    const t = (index + 1) / SAMPLES;
    const mix = (a: number, b: number, c: number, d: number): number =>
      (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t ** 2 * c + t ** 3 * d;
    return { x: mix(start.x, first.x, second.x, end.x), y: mix(start.y, first.y, second.y, end.y) };
  });
}

const contains = (box: Box, point: Point): boolean =>
  point.x > box.x - MARGIN && point.x < box.x + box.width + MARGIN && point.y > box.y - MARGIN && point.y < box.y + box.height + MARGIN;

/** An SVG path that follows the points without corners. */
export function smoothPath(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first || rest.length === 0) return "";
  const at = (point: Point): string => `${round(point.x)},${round(point.y)}`;
  const last = rest.pop() as Point;
  const bends = rest.map((bend, index) => {
    const next = rest[index + 1];
    // Each bend pulls the curve; between two bends it passes the middle.
    return ` Q ${at(bend)} ${at(next ? { x: (bend.x + next.x) / 2, y: (bend.y + next.y) / 2 } : last)}`;
  });
  return bends.length > 0 ? `M ${at(first)}${bends.join("")}` : `M ${at(first)} L ${at(last)}`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** The boxes that elk found, by node; places are relative to the box around, as React Flow wants them. */
export function boxesOf(result: ElkBox): Map<string, Box> {
  const boxes = new Map<string, Box>();
  const walk = (box: ElkBox): void => {
    for (const child of box.children ?? []) {
      boxes.set(child.id, { x: child.x ?? 0, y: child.y ?? 0, width: child.width ?? 0, height: child.height ?? 0 });
      walk(child);
    }
  };
  walk(result);
  return boxes;
}

/** Says whether two structures need the same arrangement. */
export function shapeOf(graph: SeenGraph, direction: Direction): string {
  return JSON.stringify([direction, graph.nodes.map((node) => [node.id, node.label, node.operator, node.parent, node.open]), graph.edges.map((edge) => [edge.id, edge.label])]);
}
