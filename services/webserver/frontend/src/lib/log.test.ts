import { describe, expect, it } from "vitest";
import { EMPTY_LOG, appendLog, findLines, levelOf, splitHits, visibleLines } from "./log";

describe("a log that streams", () => {
  it("joins a line that came in two chunks", () => {
    const log = appendLog(appendLog(EMPTY_LOG, "one\ntw"), "o\nthree");
    expect(visibleLines(log)).toEqual(["one", "two", "three"]);
  });
  it("stays the same object when nothing came", () => {
    const log = appendLog(EMPTY_LOG, "one\n");
    expect(appendLog(log, "")).toBe(log);
  });
  it("drops the colours of a terminal and what a progress bar overwrote", () => {
    const log = appendLog(EMPTY_LOG, "\u001b[31mred\u001b[0m\n10%\r50%\r100%\nwindows\r\n");
    expect(visibleLines(log)).toEqual(["red", "100%", "windows"]);
  });
  it("lets the oldest lines go and says how much", () => {
    let log = EMPTY_LOG;
    for (let index = 0; index < 50; index += 1) log = appendLog(log, `${"x".repeat(9)}\n`, 200);
    expect(log.characters).toBeLessThanOrEqual(200);
    expect(log.droppedCharacters + log.characters).toBe(500);
    expect(log.droppedLines + log.lines.length).toBe(50);
  });
  it("does not grow without bound on a line that never ends", () => {
    let log = EMPTY_LOG;
    for (let index = 0; index < 30; index += 1) log = appendLog(log, "x".repeat(10_000));
    expect(log.rest.length).toBeLessThanOrEqual(80_000);
  });
});

describe("lines of a log", () => {
  it.each([
    ["Traceback (most recent call last):", "error"],
    ["ValueError: no rows", "error"],
    ["requests.exceptions.ConnectionError: refused", "error"],
    ["2026-11-22 12:00:00 ERROR gale.task no rows", "error"],
    ["DeprecationWarning: old", "warning"],
    ["no errors found", "plain"],
    ["Error rate is 3 %", "plain"],
  ])("knows that %j is %s", (line, level) => {
    expect(levelOf(line)).toBe(level);
  });
  it("are found without regard to case", () => {
    expect(findLines(["Loaded", "nothing", "LOAD"], "load")).toEqual([0, 2]);
    expect(findLines(["a"], "")).toEqual([]);
  });
  it("are cut at each match", () => {
    expect(splitHits("a load, a Load", "load")).toEqual([
      { text: "a ", hit: false },
      { text: "load", hit: true },
      { text: ", a ", hit: false },
      { text: "Load", hit: true },
    ]);
  });
});
