// elk in a worker of its own, so that a large graph does not hold up the page.

import ELK, { type ELK as Elk } from "elkjs/lib/elk-api.js";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import { boxesOf, elkInput, neededRoutes, routesOf, type Arrangement, type Direction, type ElkBox, type ElkRoutes, type SeenGraph } from "../lib/graph-layout";
import { quickLayout } from "../lib/quick-layout";

/** Up to here elk answers within about a second. */
const ELK_NODES = 150;

let elk: Elk | undefined;

export async function arrange(graph: SeenGraph, direction: Direction): Promise<Arrangement> {
  if (graph.nodes.length > ELK_NODES) return quickLayout(graph, direction);
  elk ??= new ELK({ workerUrl });
  const arranged: unknown = await elk.layout(elkInput(graph, direction));
  const found = { boxes: boxesOf(arranged as ElkBox), routes: routesOf(arranged as ElkRoutes) };
  return { boxes: found.boxes, routes: neededRoutes(graph, found, direction) };
}
