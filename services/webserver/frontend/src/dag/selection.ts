// What is selected on a DAG's page: a run, a task, or a task in a run. It lives in the address.

import { useCallback, useMemo } from "react";
import { useParamsInAddress } from "../lib/use-params";

export interface Selection {
  run: string | null;
  task: string | null;
  mapIndex: number;
  tab: string;
  tryNumber: number | null;
  wide: boolean;
  /** The part of the address that carries the selection to another view. */
  search: string;
  select(run: string | null, task: string | null): void;
  selectMapIndex(index: number): void;
  setTab(tab: string): void;
  setTry(tryNumber: number | null): void;
  setWide(wide: boolean): void;
  close(): void;
}

export function useSelection(): Selection {
  const address = useParamsInAddress();
  const { change } = address;
  const run = address.get("run") || null;
  const task = address.get("task") || null;
  const tab = address.get("tab");
  const tryNumber = Number(address.get("try")) || null;
  const map = address.get("map");
  const mapIndex = map === "" ? -1 : Number(map);
  const wide = address.get("wide") === "1";

  const select = useCallback(
    (nextRun: string | null, nextTask: string | null) => change({ run: nextRun, task: nextTask, map: null, try: null }, true),
    [change],
  );
  const close = useCallback(
    () => change({ run: null, task: null, map: null, try: null, wide: null, tab: null }, true),
    [change],
  );
  const search = useMemo(() => {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries({ run, task, map, tab })) if (value) params.set(name, value);
    return params.toString();
  }, [run, task, map, tab]);
  return {
    run,
    task,
    mapIndex: Number.isInteger(mapIndex) ? mapIndex : -1,
    tab,
    tryNumber,
    wide,
    search,
    select,
    selectMapIndex: (index) => change({ map: index < 0 ? null : index, try: null }, true),
    setTab: (next) => change({ tab: next }),
    setTry: (next) => change({ try: next }),
    setWide: (next) => change({ wide: next }),
    close,
  };
}
