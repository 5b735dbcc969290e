// One door to the server: session cookie, CSRF header, errors with their sentence, ETags kept so
// that asking each second is cheap, and one place that knows whether the server can be reached.

import type { Me } from "./types";

/** A refusal or failure that the server put into words, or that kept us from reaching it (status 0). */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

export function isLost(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 502 || error.status === 503 || error.status === 504);
}

let csrfToken = "";
export function rememberCsrf(me: Pick<Me, "csrf_token">): void {
  csrfToken = me.csrf_token;
}

// ---- whether the server answers -------------------------------------------------------------

type Listener = () => void;
let connected = true;
const connectionListeners = new Set<Listener>();

export const connection = {
  isUp: (): boolean => connected,
  subscribe(listener: Listener): () => void {
    connectionListeners.add(listener);
    return () => connectionListeners.delete(listener);
  },
};

function setConnected(value: boolean): void {
  if (connected === value) return;
  connected = value;
  for (const listener of connectionListeners) listener();
}

// ---- when the session is gone ----------------------------------------------------------------

let onSignedOut: () => void = () => undefined;
export function whenSignedOut(action: () => void): void {
  onSignedOut = action;
}

// ---- requests ---------------------------------------------------------------------------------

interface Remembered {
  etag: string;
  body: unknown;
}

const REMEMBER = 60;
const remembered = new Map<string, Remembered>();

function remember(url: string, entry: Remembered): void {
  remembered.delete(url);
  remembered.set(url, entry);
  if (remembered.size > REMEMBER) {
    const oldest = remembered.keys().next();
    if (!oldest.done) remembered.delete(oldest.value);
  }
}

/** Forget every answer, e.g. because another person may sign in. */
export function forgetAnswers(): void {
  remembered.clear();
}

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

/** Put `query` behind `path`; empty values are left out, lists are repeated. */
export function withQuery(path: string, query?: Query): string {
  if (!query) return path;
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    if (Array.isArray(value)) for (const item of value) params.append(name, String(item));
    else params.append(name, String(value));
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

/** The sentence of an error, whichever of the usual shapes it comes in. */
export function sentenceOf(body: unknown, status: number): string {
  if (typeof body === "object" && body !== null) {
    const fields = body as Record<string, unknown>;
    for (const name of ["detail", "message", "error", "title"]) {
      const value = fields[name];
      if (typeof value === "string" && value) return value;
      if (typeof value === "object" && value !== null && !Array.isArray(value)) {
        const inner = sentenceOf(value, 0);
        if (inner) return inner;
      }
      if (Array.isArray(value) && value.length > 0) {
        return value
          .map((item) => {
            const entry = item as { msg?: unknown; loc?: unknown[] } | string;
            if (typeof entry === "string") return entry;
            const where = Array.isArray(entry.loc) ? entry.loc.filter((part) => part !== "body").join(".") : "";
            return where ? `${where}: ${String(entry.msg)}` : String(entry.msg);
          })
          .join("; ");
      }
    }
  }
  if (typeof body === "string" && body && body.length < 500 && !body.trimStart().startsWith("<")) return body;
  return status ? `HTTP ${status}` : "";
}

export interface Send {
  method?: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  query?: Query;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

export async function request<T>(path: string, send: Send = {}): Promise<T> {
  const method = send.method ?? "GET";
  const url = withQuery(path, send.query);
  const headers: Record<string, string> = { Accept: "application/json" };
  if (send.body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrfToken) headers["X-CSRF-Token"] = csrfToken;
  const known = method === "GET" ? remembered.get(url) : undefined;
  if (known) headers["If-None-Match"] = known.etag;

  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers,
      credentials: "same-origin",
      body: send.body === undefined ? null : JSON.stringify(send.body),
      signal: send.signal ?? null,
    });
  } catch (error) {
    if (send.signal?.aborted) throw error;
    setConnected(false);
    throw new ApiError(0, "");
  }
  if (response.status === 502 || response.status === 504) setConnected(false);
  else setConnected(true);
  const text = await response.text();
  if (response.status === 304 && known) return known.body as T;
  let body: unknown = text;
  if (text && (response.headers.get("content-type") ?? "").includes("json")) {
    try {
      body = JSON.parse(text);
    } catch {
      body = text;
    }
  }
  if (!response.ok) {
    if (response.status === 401 && !path.startsWith("/ui/login") && !path.startsWith("/ui/me")) onSignedOut();
    throw new ApiError(response.status, sentenceOf(body, response.status));
  }
  const etag = response.headers.get("etag");
  if (method === "GET" && etag) remember(url, { etag, body });
  return body as T;
}

/** One segment of a path: ids may hold `+`, `:`, `/` and anything else. */
export const seg = encodeURIComponent;
