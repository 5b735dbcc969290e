// Which parts of Gale are not well. A part that is not in use has no status, and is not sick.

import type { Health } from "../api/types";

export const PARTS = ["metadatabase", "scheduler", "dag_processor", "triggerer", "worker", "webserver"] as const;
export type Part = (typeof PARTS)[number];

export function statusOf(health: Health, part: string): string | null {
  const entry = health[part];
  if (typeof entry === "object" && entry !== null && "status" in entry) {
    const { status } = entry as { status: unknown };
    return typeof status === "string" ? status : null;
  }
  return null;
}

export function sickParts(health: Health): Part[] {
  return PARTS.filter((part) => statusOf(health, part) === "unhealthy");
}
