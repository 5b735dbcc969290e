// elk in a worker of its own, so that a large graph does not hold up the page.

import ELK, { type ELK as Elk } from "elkjs/lib/elk-api.js";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import { boxesOf, elkInput, type Box, type Direction, type ElkBox, type SeenGraph } from "../lib/graph-layout";

let elk: Elk | undefined;

export async function arrange(graph: SeenGraph, direction: Direction): Promise<Map<string, Box>> {
  elk ??= new ELK({ workerUrl });
  const arranged: unknown = await elk.layout(elkInput(graph, direction));
  return boxesOf(arranged as ElkBox);
}
