// The line and the sentence of an import error, from what the server says or from the traceback.

import type { ImportError } from "../api/types";

export function traceOf(error: ImportError): string {
  return error.stack_trace ?? error.stacktrace ?? "";
}

/** Where in the file it went wrong, and what in one sentence. */
export function importErrorLine(error: ImportError): { line: number | null; message: string } {
  const trace = traceOf(error).trim();
  // Gale's own account: "/dags/etl.py, line 3 [rule]: sentence", the traceback below it.
  const told = /^.*?(?:, line (\d+)|:(\d+):?)? ?\[[\w-]+\]:? (.+)$/m.exec(trace.split("\n", 1)[0] ?? "");
  if (told) {
    const line = Number(told[1] ?? told[2] ?? error.line ?? 0);
    return { line: line > 0 ? line : null, message: told[3] as string };
  }
  const lines = trace.split("\n").filter((line) => line.trim() !== "");
  const message = (lines.at(-1) ?? "").trim();
  if (typeof error.line === "number" && error.line > 0) return { line: error.line, message };
  // The last frame in the file itself: deeper ones are in libraries.
  const name = error.filename.split("/").at(-1) ?? error.filename;
  let line: number | null = null;
  for (const match of trace.matchAll(/File "([^"]+)", line (\d+)/g)) {
    if ((match[1] as string).endsWith(name)) line = Number(match[2]);
  }
  if (line === null) {
    const said = /\bline (\d+)\b/.exec(trace);
    if (said) line = Number(said[1]);
  }
  return { line, message };
}
