// What a role may do. The server decides; this only keeps the page from offering what it would refuse.

import type { Me } from "../api/types";

export type Permission =
  | "dags.edit"
  | "dags.delete"
  | "runs.trigger"
  | "runs.edit"
  | "runs.delete"
  | "tasks.edit"
  | "pools.read"
  | "pools.edit"
  | "jobs.read"
  | "config.read"
  | "variables.read"
  | "variables.edit"
  | "connections.read"
  | "connections.edit"
  | "audit.read"
  | "users.read"
  | "users.edit";

export function may(me: Pick<Me, "role" | "permissions">, permission: Permission): boolean {
  // A server that names no permissions decides by itself; then everything is offered.
  return me.permissions === undefined || me.permissions.includes(permission);
}
