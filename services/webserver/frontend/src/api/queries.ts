// What the pages ask the server, and how often. What moves is asked for each second, what rests
// every few seconds, and for a while after a person did something each second again.

import { QueryClient, keepPreviousData, useQuery } from "@tanstack/react-query";
import { isActive, isWaiting } from "../lib/states";
import { ApiError, request, seg, type Query } from "./client";
import type {
  Connection,
  DagDetails,
  DagList,
  DagRun,
  EventLog,
  Grid,
  Finding,
  Health,
  ImportError,
  Pool,
  Structure,
  TaskInstance,
  User,
  Variable,
  Why,
  XComEntry,
} from "./types";

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // A Gale on this machine answers without a network too.
        networkMode: "always",
        retry: false,
        staleTime: 500,
        refetchOnWindowFocus: true,
      },
      mutations: { networkMode: "always", retry: false },
    },
  });
}

const QUICK_MS = 1000;
const CALM_MS = 4000;
const SLOW_MS = 15_000;
const BOOST_MS = 12_000;
let boostedUntil = 0;

/** A person just asked for something: look more often for a while, so that they see it happen. */
export function boost(client: QueryClient, ...keys: readonly (readonly unknown[])[]): void {
  boostedUntil = Date.now() + BOOST_MS;
  for (const queryKey of keys) void client.invalidateQueries({ queryKey });
}

const pace = (active: boolean, calm: number = CALM_MS): number =>
  active || Date.now() < boostedUntil ? QUICK_MS : calm;

export const keys = {
  dags: ["dags"] as const,
  dag: (dagId: string) => ["dag", dagId] as const,
  grid: (dagId: string) => ["grid", dagId] as const,
  run: (dagId: string, runId: string) => ["run", dagId, runId] as const,
  ti: (dagId: string, runId: string) => ["ti", dagId, runId] as const,
  admin: (name: string) => ["admin", name] as const,
  lists: ["lists"] as const,
};

const v2 = (...path: string[]): string => `/api/v2/${path.map(seg).join("/")}`;
export const dagPath = (dagId: string, ...rest: string[]): string => v2("dags", dagId, ...rest);
export const runPath = (dagId: string, runId: string, ...rest: string[]): string =>
  v2("dags", dagId, "dagRuns", runId, ...rest);
/** The address of a task instance; one of a mapped task has its index behind. */
export const tiPath = (dagId: string, runId: string, taskId: string, mapIndex: number, ...rest: string[]): string =>
  runPath(dagId, runId, "taskInstances", taskId, ...(mapIndex >= 0 ? [String(mapIndex)] : []), ...rest);

export function useDags(filter: { search: string; tag: string; paused: string; limit: number; offset: number }) {
  return useQuery({
    queryKey: [...keys.dags, filter],
    queryFn: ({ signal }) => request<DagList>("/ui/dags", { query: filter, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: (query) =>
      pace(!!query.state.data?.dags.some((dag) => dag.recent_runs.some((run) => isActive(run.state))), 2500),
  });
}

export function useDag(dagId: string) {
  return useQuery({
    queryKey: keys.dag(dagId),
    queryFn: ({ signal }) => request<DagDetails>(`/ui/dags/${seg(dagId)}`, { signal }),
    refetchInterval: () => pace(false, 5000),
  });
}

export function useStructure(dagId: string) {
  return useQuery({
    queryKey: [...keys.dag(dagId), "structure"],
    queryFn: ({ signal }) => request<Structure>(`/ui/dags/${seg(dagId)}/structure`, { signal }),
    refetchInterval: SLOW_MS,
  });
}

export function useGrid(dagId: string, limit: number, before: string | null) {
  return useQuery({
    queryKey: [...keys.grid(dagId), limit, before],
    queryFn: ({ signal }) => request<Grid>(`/ui/dags/${seg(dagId)}/grid`, { query: { limit, before }, signal }),
    placeholderData: (previous, previousQuery) => (previousQuery?.queryKey[1] === dagId ? previous : undefined),
    // An unchanged grid is a 304 and the same object; comparing 100,000 cells each second would not be free.
    structuralSharing: false,
    refetchInterval: (query) => pace(!!query.state.data?.runs.some((run) => isActive(run.state)), 3000),
  });
}

export function useRun(dagId: string, runId: string | null) {
  return useQuery({
    queryKey: keys.run(dagId, runId ?? ""),
    queryFn: ({ signal }) => request<DagRun>(runPath(dagId, runId ?? ""), { signal }),
    enabled: runId !== null,
    refetchInterval: (query) => pace(isActive(query.state.data?.state)),
  });
}

export function useTaskInstance(dagId: string, runId: string, taskId: string, mapIndex: number) {
  return useQuery({
    queryKey: [...keys.ti(dagId, runId), taskId, mapIndex],
    queryFn: ({ signal }) => request<TaskInstance>(tiPath(dagId, runId, taskId, mapIndex), { signal }),
    refetchInterval: (query) => pace(!query.state.data?.state || isActive(query.state.data.state)),
  });
}

export function useMappedInstances(dagId: string, runId: string, taskId: string, enabled: boolean) {
  return useQuery({
    queryKey: [...keys.ti(dagId, runId), taskId, "mapped"],
    queryFn: ({ signal }) =>
      request<{ task_instances: TaskInstance[]; total_entries: number }>(
        runPath(dagId, runId, "taskInstances", taskId, "listMapped"),
        { query: { limit: 1000 }, signal },
      ),
    enabled,
    refetchInterval: () => pace(true),
  });
}

export function useTries(dagId: string, runId: string, taskId: string, mapIndex: number, tries: number) {
  return useQuery({
    queryKey: [...keys.ti(dagId, runId), taskId, mapIndex, "tries", tries],
    queryFn: ({ signal }) =>
      request<{ task_instances: TaskInstance[] }>(tiPath(dagId, runId, taskId, mapIndex, "tries"), { signal }),
    enabled: tries > 0,
    placeholderData: keepPreviousData,
    refetchInterval: () => pace(false, 5000),
  });
}

export function useXComs(dagId: string, runId: string, taskId: string, mapIndex: number) {
  return useQuery({
    queryKey: [...keys.ti(dagId, runId), taskId, mapIndex, "xcom"],
    queryFn: async ({ signal }) => {
      const path = runPath(dagId, runId, "taskInstances", taskId, "xcomEntries");
      const list = await request<{ xcom_entries: XComEntry[] }>(path, { query: { map_index: mapIndex, limit: 100 }, signal });
      return Promise.all(
        list.xcom_entries.map((entry) =>
          request<XComEntry>(`${path}/${seg(entry.key)}`, { query: { map_index: mapIndex }, signal }),
        ),
      );
    },
    refetchInterval: () => pace(false, 5000),
  });
}

export function useWhy(dagId: string, runId: string | null, taskId: string | null, state: string | null | undefined) {
  return useQuery({
    queryKey: ["why", dagId, runId, taskId],
    queryFn: ({ signal }) => request<Why>("/ui/why", { query: { dag_id: dagId, run_id: runId, task_id: taskId }, signal }),
    enabled: isWaiting(state),
    refetchInterval: () => pace(false, 2500),
  });
}

export function useImportErrors() {
  return useQuery({
    queryKey: ["import_errors"],
    queryFn: ({ signal }) => request<{ import_errors: ImportError[]; total_entries?: number }>("/ui/import_errors", { signal }),
    refetchInterval: () => pace(false),
  });
}

export function useHealth() {
  return useQuery({
    queryKey: ["health"],
    queryFn: ({ signal }) => request<Health>("/ui/health", { signal }),
    refetchInterval: 10_000,
  });
}

/** What `gale doctor` prints on the webserver's machine. It asks the broker and the database, so only on demand. */
export function useDoctor(options: { enabled: boolean }) {
  return useQuery({
    queryKey: ["doctor"],
    queryFn: ({ signal }) => request<{ is_well: boolean; findings: Finding[] }>("/ui/doctor", { signal }),
    staleTime: 30_000,
    ...options,
  });
}

/** One page of a list of /api/v2, e.g. dagRuns of all DAGs. */
export function useList<T>(path: string, query: Query, options: { live?: boolean; enabled?: boolean } = {}) {
  return useQuery({
    queryKey: [...keys.lists, path, query],
    queryFn: ({ signal }) => request<T>(`/api/v2/${path}`, { query, signal }),
    placeholderData: keepPreviousData,
    enabled: options.enabled ?? true,
    refetchInterval: () => pace(false, options.live ? 3000 : SLOW_MS),
  });
}

export type Variables = { variables: Variable[]; total_entries: number };
export type Connections = { connections: Connection[]; total_entries: number };
export type Pools = { pools: Pool[]; total_entries: number };
export type EventLogs = { event_logs: EventLog[]; total_entries: number };
export type Users = { users: User[]; total_entries?: number };
export type DagRuns = { dag_runs: DagRun[]; total_entries: number };
export type TaskInstances = { task_instances: TaskInstance[]; total_entries: number };

export function useSource(dagId: string, version: number | null) {
  return useQuery({
    queryKey: [...keys.dag(dagId), "source", version],
    queryFn: ({ signal }) =>
      request<{ content: string | null; version_number?: number | null }>(v2("dagSources", dagId), {
        query: { version_number: version },
        signal,
      }),
    placeholderData: keepPreviousData,
    refetchInterval: SLOW_MS,
  });
}

export function useVersions(dagId: string) {
  return useQuery({
    queryKey: [...keys.dag(dagId), "versions"],
    queryFn: ({ signal }) =>
      request<{ dag_versions: { version_number: number; created_at?: string }[] }>(dagPath(dagId, "dagVersions"), {
        query: { limit: 100, order_by: "-version_number" },
        signal,
      }),
    refetchInterval: SLOW_MS,
  });
}

export function isMissing(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}
