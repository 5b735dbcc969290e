// What is filtered, sorted and selected lives in the address, so that a link shows the same to a colleague.

import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";

export type Changes = Record<string, string | number | boolean | null | undefined>;

/** The text behind "?" with `changes` made: empty, false and null go away. */
export function changedSearch(search: string, changes: Changes): string {
  const params = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "" || value === false) params.delete(name);
    else params.set(name, value === true ? "1" : String(value));
  }
  return params.toString();
}

export function useParamsInAddress(): {
  get(name: string): string;
  number(name: string, otherwise: number): number;
  change(changes: Changes, push?: boolean): void;
  search: string;
} {
  const search = useSearch();
  const [location, navigate] = useLocation();
  const params = useMemo(() => new URLSearchParams(search), [search]);
  const change = useCallback(
    (changes: Changes, push = false) => {
      // The address as it is now, not as it was drawn: two changes in one event must not lose the first.
      const next = changedSearch(window.location.search, changes);
      navigate(next ? `${location}?${next}` : location, { replace: !push });
    },
    [location, navigate],
  );
  return {
    get: (name) => params.get(name) ?? "",
    number: (name, otherwise) => {
      const value = Number(params.get(name) ?? Number.NaN);
      return Number.isInteger(value) && value >= 0 ? value : otherwise;
    },
    change,
    search,
  };
}
