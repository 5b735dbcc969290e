// Which task groups the reader has closed, per DAG, shared by grid and graph.

import { useCallback, useSyncExternalStore } from "react";
import { readSetting, writeSetting } from "./settings";

const known = new Map<string, ReadonlySet<string>>();
const listeners = new Set<() => void>();

function read(dagId: string): ReadonlySet<string> {
  let closed = known.get(dagId);
  if (!closed) {
    let kept: unknown = [];
    try {
      kept = JSON.parse(readSetting(`closed.${dagId}`) ?? "[]");
    } catch {
      kept = [];
    }
    closed = new Set(Array.isArray(kept) ? kept.filter((name): name is string => typeof name === "string") : []);
    known.set(dagId, closed);
  }
  return closed;
}

export function useClosedGroups(dagId: string): [ReadonlySet<string>, (closed: Iterable<string>) => void, (group: string) => void] {
  const closed = useSyncExternalStore(
    useCallback((listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    }, []),
    () => read(dagId),
  );
  const set = useCallback(
    (next: Iterable<string>) => {
      const names = new Set(next);
      known.set(dagId, names);
      writeSetting(`closed.${dagId}`, names.size > 0 ? JSON.stringify([...names]) : null);
      for (const listener of listeners) listener();
    },
    [dagId],
  );
  const toggle = useCallback(
    (group: string) => {
      const now = new Set(read(dagId));
      if (!now.delete(group)) now.add(group);
      set(now);
    },
    [dagId, set],
  );
  return [closed, set, toggle];
}
