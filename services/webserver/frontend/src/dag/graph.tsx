// The graph: tasks and groups as boxes with the states of the chosen run, arranged by elk.

import { Background, BaseEdge, Handle, MiniMap, Position, ReactFlow, ReactFlowProvider, getBezierPath, useReactFlow, type Edge, type EdgeProps, type Node, type NodeProps } from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import { useGrid, useStructure } from "../api/queries";
import { useT } from "../i18n";
import { useClosedGroups } from "../lib/closed-groups";
import { seenGraph, shapeOf, smoothPath, type Arrangement, type Box, type Direction, type Point, type SeenGraph, type SeenNode } from "../lib/graph-layout";
import { quickLayout } from "../lib/quick-layout";
import { readSetting, writeSetting } from "../lib/settings";
import { groupState, taskState, type TaskState } from "../lib/states";
import { formatShort, parseInstant } from "../lib/time";
import { Icon } from "../ui/icons";
import { Button, Empty, ErrorNotice, Loading, SearchInput } from "../ui/parts";
import { Glyph, Legend, stateWord } from "../ui/state";
import { useNow } from "../ui/time";
import { arrange } from "./arrange";
import { useSelection } from "./selection";

interface BoxData extends Record<string, unknown> {
  node: SeenNode;
  state: TaskState | null;
  selected: boolean;
  dim: boolean;
  direction: Direction;
  onSelect(id: string): void;
  onToggle(id: string): void;
}

type BoxNode = Node<BoxData>;

interface Arranged extends Arrangement {
  shape: string;
}

type RoutedEdge = Edge<{ route: Point[] | undefined }>;

/** How long one looks at an empty canvas before the plain arrangement is shown. */
const PATIENCE_MS = 800;
const MANY = 60;
/** Of so many boxes not all are drawn at once: the view begins at the start of the graph, legibly. */
const TOO_MANY = 400;

export default function Graph({ dagId }: { dagId: string }) {
  return (
    <ReactFlowProvider>
      <GraphView dagId={dagId} />
    </ReactFlowProvider>
  );
}

function GraphView({ dagId }: { dagId: string }) {
  const t = useT();
  const structure = useStructure(dagId);
  const grid = useGrid(dagId, Number(readSetting("runs")) || 25, null);
  const selection = useSelection();
  const [closed, setClosed, toggle] = useClosedGroups(dagId);
  const [direction, setDirection] = useState<Direction>(readSetting("direction") === "DOWN" ? "DOWN" : "RIGHT");
  const [search, setSearch] = useState("");
  const graph = useMemo(() => (structure.data ? seenGraph(structure.data, closed) : null), [structure.data, closed]);
  const arranged = useArranged(graph, direction);
  const runs = grid.data?.runs ?? [];
  const run = runs.find((one) => one.run_id === selection.run) ?? (selection.run ? undefined : runs.at(-1));
  const groups = structure.data?.groups ?? [];

  if (structure.error && !structure.data) return <ErrorNotice error={structure.error} onRetry={() => void structure.refetch()} />;
  if (!graph) return <Loading />;
  if (graph.nodes.length === 0) return <Empty title={t("graph.empty")} />;
  return (
    <div className="graph-view">
      <div className="toolbar">
        <label className="row muted">
          {t("graph.of_run")}
          <RunChoice runs={runs} value={run?.run_id ?? ""} onChange={(id) => selection.select(id || null, selection.task)} />
        </label>
        <SearchInput hotkey label={t("graph.search")} value={search} onChange={setSearch} width="13em" />
        <Button
          size="small"
          title={t("graph.direction")}
          onClick={() => {
            const next = direction === "RIGHT" ? "DOWN" : "RIGHT";
            writeSetting("direction", next);
            setDirection(next);
          }}
        >
          {t(direction === "RIGHT" ? "graph.left_right" : "graph.top_bottom")}
        </Button>
        {groups.length > 0 ? (
          <Button size="small" onClick={() => setClosed(closed.size > 0 ? [] : groups.map((group) => group.id))}>
            {t(closed.size > 0 ? "grid.expand_all" : "grid.collapse_all")}
          </Button>
        ) : null}
        <ZoomButtons />
        <span className="grow" />
        <Legend states={["running", "success", "failed", "up_for_retry", "upstream_failed", "skipped", "queued", "none"]} />
      </div>
      <div className="graph-canvas" data-testid="graph" data-arranged={arranged.done ? (arranged.done.shape.startsWith("plain") ? "plain" : "well") : "no"} role="region" aria-label={t("graph.label", { dag: dagId })}>
        {arranged.error ? (
          <div className="pad">
            <ErrorNotice error={arranged.error} />
          </div>
        ) : null}
        {arranged.done ? (
          <Canvas
            graph={arranged.done.graph}
            boxes={arranged.done.boxes}
            routes={arranged.done.routes}
            direction={arranged.done.direction}
            shape={arranged.done.shape}
            tis={run?.tis ?? null}
            selected={selection.task}
            search={search.trim().toLowerCase()}
            onSelect={(id) => selection.select(selection.run ?? run?.run_id ?? null, id)}
            onToggle={toggle}
          />
        ) : (
          <div className="loading" role="status">
            {t("graph.layout")}
          </div>
        )}
      </div>
    </div>
  );
}

/**
 * The arrangement of the newest shape; until it is there, the one before stays on screen. Where
 * there is none and elk takes its time, the plain one is shown meanwhile.
 */
function useArranged(graph: SeenGraph | null, direction: Direction) {
  const [done, setDone] = useState<(Arranged & { graph: SeenGraph; direction: Direction }) | null>(null);
  const [error, setError] = useState<unknown>(null);
  const shape = useMemo(() => (graph ? shapeOf(graph, direction) : ""), [graph, direction]);
  useEffect(() => {
    if (!graph) return undefined;
    let current = true;
    const show = (arrangement: Arrangement, isPlain: boolean) => {
      if (current) setDone((now) => (isPlain && now ? now : { shape: isPlain ? `plain ${shape}` : shape, ...arrangement, graph, direction }));
    };
    const timer = setTimeout(() => show(quickLayout(graph, direction), true), PATIENCE_MS);
    arrange(graph, direction)
      .then((arrangement) => {
        clearTimeout(timer);
        if (current) setError(null);
        show(arrangement, false);
      })
      .catch((problem: unknown) => {
        if (current) setError(problem);
      });
    return () => {
      current = false;
      clearTimeout(timer);
    };
    // `shape` says all that the arrangement depends on.
  }, [shape]);
  return { done, error };
}

interface CanvasProps {
  graph: SeenGraph;
  boxes: Map<string, Box>;
  routes: Map<string, Point[]>;
  direction: Direction;
  shape: string;
  tis: Record<string, { state: string | null }> | null;
  selected: string | null;
  search: string;
  onSelect(id: string): void;
  onToggle(id: string): void;
}

function startOf(graph: SeenGraph) {
  if (graph.nodes.length <= TOO_MANY) return { padding: 0.12, maxZoom: 1.1 };
  return { nodes: graph.nodes.slice(0, 30).map(({ id }) => ({ id })), minZoom: 0.45, maxZoom: 1 };
}

const NODE_TYPES = { task: memo(TaskNode), box: memo(GroupNode) };
const EDGE_TYPES = { routed: memo(RoutedPath) };

function Canvas({ graph, boxes, routes, direction, shape, tis, selected, search, onSelect, onToggle }: CanvasProps) {
  const flow = useReactFlow();
  const t = useT();
  const fitted = useRef("");
  const handlers = useRef({ onSelect, onToggle });
  handlers.current = { onSelect, onToggle };

  const nodes = useMemo<BoxNode[]>(
    () =>
      graph.nodes.map((node) => {
        const box = boxes.get(node.id) ?? { x: 0, y: 0, width: 150, height: 46 };
        const states = tis ? node.members.map((id) => tis[id]).filter((cell) => cell !== undefined) : [];
        return {
          id: node.id,
          type: node.kind === "group" ? "box" : "task",
          // Boxes of groups lie lowest, edges on them, tasks on top: no edge strikes a name through.
          zIndex: node.kind === "group" && node.open ? 0 : 2,
          position: { x: box.x, y: box.y },
          width: box.width,
          height: box.height,
          ...(node.parent ? { parentId: node.parent } : {}),
          sourcePosition: direction === "RIGHT" ? Position.Right : Position.Bottom,
          targetPosition: direction === "RIGHT" ? Position.Left : Position.Top,
          focusable: false,
          data: {
            node,
            state: states.length > 0 ? groupState(states.map((cell) => taskState(cell.state))) : null,
            selected: selected === node.id,
            dim: search !== "" && !node.id.toLowerCase().includes(search) && !node.label.toLowerCase().includes(search) && !(node.kind === "group" && node.open),
            direction,
            onSelect: (id: string) => handlers.current.onSelect(id),
            onToggle: (id: string) => handlers.current.onToggle(id),
          },
        };
      }),
    [graph, boxes, direction, tis, selected, search],
  );
  const edges = useMemo<RoutedEdge[]>(
    () =>
      graph.edges.map((edge) => ({
        id: edge.id,
        source: edge.source,
        target: edge.target,
        type: "routed",
        data: { route: routes.get(edge.id) },
        focusable: false,
        zIndex: 1,
        ...(edge.label ? { label: edge.label } : {}),
        className: tis && taskState(tis[edge.source]?.state) === "success" ? "walked" : "",
      })),
    [graph, routes, tis],
  );

  useEffect(() => {
    // A new arrangement is shown whole; new states must not move the view.
    if (fitted.current === shape) return;
    fitted.current = shape;
    requestAnimationFrame(() => void flow.fitView(startOf(graph)));
  }, [shape, flow, graph]);

  useEffect(() => {
    // The panel beside it opened or closed: show all of the graph again, as before.
    const canvas = document.querySelector(".graph-canvas");
    let width = canvas?.clientWidth ?? 0;
    const observer = new ResizeObserver(() => {
      const now = canvas?.clientWidth ?? 0;
      if (Math.abs(now - width) < 60) return;
      width = now;
      void flow.fitView({ ...startOf(graph), duration: 200 });
    });
    if (canvas) observer.observe(canvas);
    return () => observer.disconnect();
  }, [flow, graph]);

  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={NODE_TYPES}
      edgeTypes={EDGE_TYPES}
      fitView
      fitViewOptions={startOf(graph)}
      minZoom={0.05}
      maxZoom={1.8}
      nodesDraggable={false}
      nodesConnectable={false}
      elementsSelectable={false}
      zIndexMode="manual"
      onlyRenderVisibleElements={graph.nodes.length > MANY}
      deleteKeyCode={null}
      aria-label={t("graph.of_run")}
    >
      <Background gap={24} size={1} color="var(--line)" />
      {graph.nodes.length > MANY ? <MiniMap pannable zoomable nodeColor={(node) => `var(--s-${(node.data as BoxData).state ?? "none"})`} maskColor="rgb(128 128 128 / 18%)" /> : null}
    </ReactFlow>
  );
}

/** An edge along the way that elk found for it, or a plain curve where nothing is in between. */
function RoutedPath({ id, data, label, sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition }: EdgeProps<RoutedEdge>) {
  const [curve, curveX, curveY] = getBezierPath({ sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition });
  const route = data?.route;
  const middle = route?.[Math.floor(route.length / 2)];
  return <BaseEdge id={id} path={route ? smoothPath(route) : curve} label={label} labelX={middle?.x ?? curveX} labelY={middle?.y ?? curveY} />;
}

function TaskNode({ data }: NodeProps<BoxNode>) {
  const t = useT();
  const { node, state } = data;
  const word = state ? stateWord(t, state) : "";
  return (
    <>
      <Handle type="target" position={data.direction === "RIGHT" ? Position.Left : Position.Top} isConnectable={false} />
      <button
        type="button"
        className={`node nopan${data.selected ? " selected" : ""}${data.dim ? " dim" : ""}`}
        data-state={state ?? "none"}
        data-testid={`node-${node.id}`}
        title={`${node.id}${word ? `\n${word}` : ""}`}
        aria-pressed={data.selected}
        onClick={() => data.onSelect(node.id)}
      >
        {state ? <Glyph state={state} /> : null}
        <span className="text">
          <span className="ellipsis">{node.label}</span>
          <small className="ellipsis">{word || node.operator}</small>
        </span>
      </button>
      <Handle type="source" position={data.direction === "RIGHT" ? Position.Right : Position.Bottom} isConnectable={false} />
    </>
  );
}

function GroupNode({ data }: NodeProps<BoxNode>) {
  const t = useT();
  const { node, state } = data;
  return (
    <>
      <Handle type="target" position={data.direction === "RIGHT" ? Position.Left : Position.Top} isConnectable={false} />
      <div className={`group-node${data.dim ? " dim" : ""}`} data-state={state ?? "none"} data-testid={`group-${node.id}`}>
        <button
          type="button"
          className="nopan"
          aria-expanded={node.open}
          aria-label={t(node.open ? "grid.collapse" : "grid.expand", { group: node.label })}
          title={`${node.id}${state ? `\n${stateWord(t, state)}` : ""}`}
          onClick={() => data.onToggle(node.id)}
        >
          <Icon name={node.open ? "down" : "right"} size={12} />
          {state ? <Glyph state={state} /> : null}
          <span className="ellipsis">{node.label}</span>
          {node.open ? null : <small className="muted nowrap">{t("graph.tasks_in_group", { n: node.members.length })}</small>}
        </button>
      </div>
      <Handle type="source" position={data.direction === "RIGHT" ? Position.Right : Position.Bottom} isConnectable={false} />
    </>
  );
}

function RunChoice({ runs, value, onChange }: { runs: readonly { run_id: string; state: string; logical_date: string | null; start_date: string | null }[]; value: string; onChange(runId: string): void }) {
  const t = useT();
  const now = useNow();
  return (
    <select className="select" value={value} onChange={(event) => onChange(event.target.value)}>
      {value === "" ? <option value="">{t("graph.no_run")}</option> : null}
      {[...runs].reverse().map((run) => {
        const date = parseInstant(run.logical_date ?? run.start_date);
        return (
          <option key={run.run_id} value={run.run_id}>
            {`${date ? formatShort(date, now) : run.run_id} · ${stateWord(t, run.state)}`}
          </option>
        );
      })}
    </select>
  );
}

function ZoomButtons() {
  const t = useT();
  const flow = useReactFlow();
  return (
    <span className="row" style={{ gap: 4 }}>
      <Button size="small" icon="minus" aria-label={t("graph.zoom_out")} title={t("graph.zoom_out")} onClick={() => void flow.zoomOut({ duration: 150 })} />
      <Button size="small" icon="plus" aria-label={t("graph.zoom_in")} title={t("graph.zoom_in")} onClick={() => void flow.zoomIn({ duration: 150 })} />
      <Button size="small" icon="fit" onClick={() => void flow.fitView({ padding: 0.12, maxZoom: 1.1, duration: 200 })}>
        {t("graph.fit")}
      </Button>
    </span>
  );
}
