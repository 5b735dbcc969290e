// What the server says. Names are the API's; fields that an older server may lack are optional.

export type Instant = string;

export interface Me {
  username: string;
  role: string;
  permissions?: string[];
  csrf_token: string;
  version?: string;
  instance_name?: string;
}

export interface RecentRun {
  run_id: string;
  state: string;
  run_type?: string;
  logical_date: Instant | null;
  start_date: Instant | null;
  end_date: Instant | null;
}

export interface DagSummary {
  dag_id: string;
  display_name?: string | null;
  description?: string | null;
  is_paused: boolean;
  tags: string[];
  owners: string[];
  schedule: string | null;
  schedule_description?: string | null;
  next_run: { logical_date: Instant | null; run_after: Instant | null } | null;
  recent_runs: RecentRun[];
  state_counts?: Record<string, number>;
  has_import_errors?: boolean;
  file?: string;
}

export interface DagList {
  dags: DagSummary[];
  total: number;
}

export interface ParamSpec {
  value?: unknown;
  description?: string | null;
  schema?: JsonSchema;
}

export interface JsonSchema {
  type?: string | string[];
  title?: string;
  description?: string;
  enum?: unknown[];
  examples?: unknown[];
  values_display?: Record<string, string>;
  format?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  items?: JsonSchema;
  const?: unknown;
  section?: string;
  description_md?: string;
}

export interface DagTask {
  task_id: string;
  operator?: string;
  trigger_rule?: string;
  retries?: number;
  pool?: string;
  queue?: string;
  owner?: string;
  upstream?: string[];
  doc_md?: string | null;
  [field: string]: unknown;
}

export interface DagDetails extends DagSummary {
  version?: number | string | null;
  era?: string;
  timetable?: unknown;
  params?: Record<string, ParamSpec | unknown>;
  doc_md?: string | null;
  tasks?: DagTask[];
  warnings?: (string | { message: string; kind?: string })[];
  import_error?: string | ImportError | null;
  next_runs?: (Instant | { logical_date: Instant | null; run_after: Instant | null })[];
  start_date?: Instant | null;
  end_date?: Instant | null;
  catchup?: boolean;
  max_active_runs?: number | null;
  max_active_tasks?: number | null;
  dagrun_timeout?: number | null;
  last_parsed_at?: Instant | null;
  lineno?: number;
}

export interface StructureNode {
  id: string;
  label?: string;
  operator?: string;
  group?: string | null;
  trigger_rule?: string;
  ui_color?: string;
  doc?: string | null;
}

export interface Structure {
  nodes: StructureNode[];
  groups: { id: string; label?: string; parent?: string | null }[];
  edges: { source: string; target: string; label?: string | null }[];
}

export interface GridTask {
  task_id: string;
  label?: string;
  depth: number;
  is_group?: boolean;
}

export interface GridCell {
  state: string | null;
  try_number?: number;
  start_date?: Instant | null;
  end_date?: Instant | null;
}

export interface GridRun {
  run_id: string;
  pk?: string;
  state: string;
  run_type?: string;
  logical_date: Instant | null;
  start_date: Instant | null;
  end_date: Instant | null;
  queued_at?: Instant | null;
  tis: Record<string, GridCell>;
}

export interface Grid {
  tag?: string;
  tasks: GridTask[];
  runs: GridRun[];
}

export interface Why {
  cause: string;
  sentence: string;
  sentence_zh?: string;
  facts?: Record<string, unknown>;
}

export interface LogChunk {
  content: string;
  next_offset: number;
  at_end: boolean;
  /** Where the log was looked for in vain. */
  tried: TriedPlace[];
}

export interface TriedPlace {
  place: "local" | "worker" | "store";
  name: string;
  why: string;
}

export interface ImportError {
  import_error_id?: number;
  filename: string;
  timestamp?: Instant;
  stack_trace?: string;
  stacktrace?: string;
  line?: number | null;
}

export interface DagRun {
  dag_run_id: string;
  dag_id: string;
  state: string;
  run_type?: string;
  logical_date: Instant | null;
  data_interval_start?: Instant | null;
  data_interval_end?: Instant | null;
  run_after?: Instant | null;
  queued_at?: Instant | null;
  start_date: Instant | null;
  end_date: Instant | null;
  conf?: Record<string, unknown> | null;
  note?: string | null;
  triggered_by?: string | null;
  triggering_user_name?: string | null;
}

export interface TaskInstance {
  id?: string;
  task_id: string;
  dag_id: string;
  dag_run_id: string;
  map_index: number;
  state: string | null;
  try_number: number;
  max_tries?: number;
  start_date: Instant | null;
  end_date: Instant | null;
  duration?: number | null;
  logical_date?: Instant | null;
  run_after?: Instant | null;
  hostname?: string | null;
  pid?: number | null;
  pool?: string;
  pool_slots?: number;
  queue?: string | null;
  priority_weight?: number | null;
  operator?: string | null;
  queued_when?: Instant | null;
  scheduled_when?: Instant | null;
  note?: string | null;
  reason?: string | null;
  rendered_fields?: Record<string, unknown>;
}

export interface XComEntry {
  key: string;
  value?: unknown;
  timestamp?: Instant;
  map_index?: number;
}

export interface Variable {
  key: string;
  value: string | null;
  description?: string | null;
  is_encrypted?: boolean;
}

export interface Connection {
  connection_id: string;
  conn_type: string;
  description?: string | null;
  host?: string | null;
  login?: string | null;
  password?: string | null;
  schema?: string | null;
  port?: number | null;
  extra?: string | null;
}

export interface Pool {
  name: string;
  slots: number;
  description?: string | null;
  include_deferred?: boolean;
  occupied_slots?: number;
  running_slots?: number;
  queued_slots?: number;
  scheduled_slots?: number;
  open_slots?: number;
}

export interface EventLog {
  event_log_id: number;
  when: Instant;
  dag_id?: string | null;
  run_id?: string | null;
  task_id?: string | null;
  event: string;
  owner?: string | null;
  extra?: string | null;
}

export interface User {
  username: string;
  email?: string;
  first_name?: string;
  last_name?: string;
  role?: string;
  roles?: { name: string }[];
  is_active?: boolean;
  active?: boolean;
  last_login?: Instant | null;
}

/** One thing that Gale stands on, looked at from the webserver's machine. */
export interface Finding {
  part: string;
  check: string;
  verdict: "ok" | "warning" | "failed";
  sentence: string;
  advice: string;
}

export interface Health {
  [component: string]: { status: string | null; [fact: string]: unknown } | unknown;
}
