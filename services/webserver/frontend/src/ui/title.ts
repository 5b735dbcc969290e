import { useEffect } from "react";

/** Name the browser's tab: what is on screen first, so that many tabs can be told apart. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Gale` : "Gale";
  }, [title]);
}
