// A plain arrangement of large graphs in linear time. elk draws better pictures, but takes seconds
// for 300 nodes and a minute for 3,000 (measured); nobody reads every box of such a graph anyway.
//
// Each group is arranged by itself, innermost first, and is then one box in the graph around it.
// Inside, boxes stand in layers by their longest path, and in a layer near what they come from.

import { nodeWidth, type Arrangement, type Box, type Direction, type SeenGraph, type SeenNode } from "./graph-layout";

const NODE_HEIGHT = 46;
const GAP = 18;
const LAYER_GAP = 60;
const PADDING = { top: 42, side: 16 };
/** A layer longer than this is folded into several columns, so that 3,000 leaves are a block, not a thread. */
const FOLD = 40;

interface Size {
  width: number;
  height: number;
}

export function quickLayout(graph: SeenGraph, direction: Direction): Arrangement {
  const boxes = new Map<string, Box>();
  const children = new Map<string | null, SeenNode[]>();
  const parents = new Map<string, string | null>();
  for (const node of graph.nodes) {
    parents.set(node.id, node.parent);
    const siblings = children.get(node.parent);
    if (siblings) siblings.push(node);
    else children.set(node.parent, [node]);
  }
  const edges = liftedEdges(graph, parents);

  const arrangeLevel = (parent: string | null): Size => {
    const nodes = children.get(parent) ?? [];
    const sizes = new Map<string, Size>();
    for (const node of nodes) {
      sizes.set(node.id, children.has(node.id) ? arrangeLevel(node.id) : { width: nodeWidth(node.label, node.operator), height: NODE_HEIGHT });
    }
    const inside = place(layersOf(nodes.map((node) => node.id), edges.get(parent) ?? []), sizes, direction, boxes);
    const shift = parent === null ? { x: 0, y: 0 } : { x: PADDING.side, y: PADDING.top };
    for (const node of nodes) {
      const box = boxes.get(node.id) as Box;
      box.x += shift.x;
      box.y += shift.y;
    }
    return { width: inside.width + 2 * PADDING.side, height: inside.height + PADDING.top + PADDING.side };
  };
  arrangeLevel(null);
  return { boxes, routes: new Map() };
}

/** Each edge at the level where its two ends stand in different boxes; by the box around that level. */
function liftedEdges(graph: SeenGraph, parents: ReadonlyMap<string, string | null>): Map<string | null, [string, string][]> {
  const chain = (id: string): string[] => {
    const up = [id];
    for (let at = parents.get(id) ?? null; at !== null; at = parents.get(at) ?? null) up.push(at);
    return up.reverse();
  };
  const lifted = new Map<string | null, [string, string][]>();
  for (const edge of graph.edges) {
    const source = chain(edge.source);
    const target = chain(edge.target);
    let level = 0;
    while (level < source.length && level < target.length && source[level] === target[level]) level += 1;
    const from = source[level];
    const to = target[level];
    if (from === undefined || to === undefined) continue;
    const parent = level === 0 ? null : (source[level - 1] as string);
    const list = lifted.get(parent);
    if (list) list.push([from, to]);
    else lifted.set(parent, [[from, to]]);
  }
  return lifted;
}

/** Boxes by the length of the longest path to them. Edges between groups may form a circle: its rest follows in order. */
function layersOf(ids: readonly string[], edges: readonly [string, string][]): string[][] {
  const incoming = new Map<string, number>(ids.map((id) => [id, 0]));
  const outgoing = new Map<string, string[]>(ids.map((id) => [id, []]));
  const sources = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const [from, to] of edges) {
    outgoing.get(from)?.push(to);
    sources.get(to)?.push(from);
    incoming.set(to, (incoming.get(to) ?? 0) + 1);
  }
  const layer = new Map<string, number>();
  const ready = ids.filter((id) => incoming.get(id) === 0);
  for (const id of ready) layer.set(id, 0);
  for (let at = 0; at < ready.length; at += 1) {
    const id = ready[at] as string;
    for (const next of outgoing.get(id) ?? []) {
      layer.set(next, Math.max(layer.get(next) ?? 0, (layer.get(id) ?? 0) + 1));
      const left = (incoming.get(next) ?? 0) - 1;
      incoming.set(next, left);
      if (left === 0) ready.push(next);
    }
  }
  const layers: string[][] = [];
  for (const id of ids) (layers[layer.get(id) ?? 0] ??= []).push(id);
  const solid = Array.from(layers, (one) => one ?? []).filter((one) => one.length > 0);

  const rank = new Map<string, number>();
  for (const one of solid) {
    const wish = new Map(
      one.map((id, index) => {
        const known = (sources.get(id) ?? []).map((source) => rank.get(source)).filter((place): place is number => place !== undefined);
        return [id, known.length > 0 ? known.reduce((sum, place) => sum + place, 0) / known.length : index / one.length] as const;
      }),
    );
    one.sort((left, right) => (wish.get(left) as number) - (wish.get(right) as number));
    one.forEach((id, index) => rank.set(id, index / one.length));
  }
  return solid;
}

/** Put the layers one after the other, each centred; returns the room that they take. */
function place(layers: readonly string[][], sizes: ReadonlyMap<string, Size>, direction: Direction, boxes: Map<string, Box>): Size {
  const isRight = direction === "RIGHT";
  const along = (id: string): number => (isRight ? (sizes.get(id) as Size).width : (sizes.get(id) as Size).height);
  const across = (id: string): number => (isRight ? (sizes.get(id) as Size).height : (sizes.get(id) as Size).width);
  const columns = layers.flatMap((layer) => {
    if (layer.length <= FOLD) return [{ ids: layer, isLast: true }];
    const height = Math.max(FOLD, Math.ceil(Math.sqrt(layer.length * 3)));
    const count = Math.ceil(layer.length / height);
    return Array.from({ length: count }, (_, index) => ({ ids: layer.slice(index * height, (index + 1) * height), isLast: index === count - 1 }));
  });
  const extents = columns.map(({ ids }) => ids.reduce((sum, id) => sum + across(id) + GAP, -GAP));
  const widest = Math.max(0, ...extents);
  let position = 0;
  columns.forEach(({ ids, isLast }, index) => {
    let offset = (widest - (extents[index] as number)) / 2;
    const depth = Math.max(0, ...ids.map(along));
    for (const id of ids) {
      const size = sizes.get(id) as Size;
      boxes.set(id, isRight ? { x: position, y: offset, ...size } : { x: offset, y: position, ...size });
      offset += across(id) + GAP;
    }
    position += depth + (isLast ? LAYER_GAP : GAP);
  });
  const length = Math.max(0, position - LAYER_GAP);
  return isRight ? { width: length, height: widest } : { width: widest, height: length };
}
