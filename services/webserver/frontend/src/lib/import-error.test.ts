import { describe, expect, it } from "vitest";
import { importErrorLine } from "./import-error";

describe("an import error", () => {
  it("names the last line of the file itself, not of a library", () => {
    const stack_trace = [
      "Traceback (most recent call last):",
      '  File "/home/g/dags/etl.py", line 3, in <module>',
      '    import pandas',
      '  File "/usr/lib/python3/pandas/__init__.py", line 99, in <module>',
      "ImportError: no numpy",
    ].join("\n");
    expect(importErrorLine({ filename: "etl.py", stack_trace })).toEqual({ line: 3, message: "ImportError: no numpy" });
  });
  it("takes Gale's own sentence before Python's", () => {
    const stack_trace = "/home/g/dags/a.py, line 2 [import]: Importing the file failed: ModuleNotFoundError: No module named 'x'\n\nTraceback (most recent call last):\n…";
    expect(importErrorLine({ filename: "a.py", stack_trace })).toEqual({ line: 2, message: "Importing the file failed: ModuleNotFoundError: No module named 'x'" });
    expect(importErrorLine({ filename: "a.py", stack_trace: "/dags/a.py [timeout]: It took more than 30 s." })).toEqual({ line: null, message: "It took more than 30 s." });
  });
  it("takes the line that the server names", () => {
    expect(importErrorLine({ filename: "a.py", line: 7, stack_trace: "SyntaxError: bad" })).toEqual({ line: 7, message: "SyntaxError: bad" });
  });
  it("finds a line told in words, and does without one", () => {
    expect(importErrorLine({ filename: "a.py", stack_trace: "a.py, line 12: a circle" }).line).toBe(12);
    expect(importErrorLine({ filename: "a.py", stack_trace: "timed out" })).toEqual({ line: null, message: "timed out" });
  });
});
