import { describe, expect, it } from "vitest";
import { groupState, isActive, taskState } from "./states";

describe("states", () => {
  it("reads a missing or unknown state as none", () => {
    expect(taskState(null)).toBe("none");
    expect(taskState("deferred_by_a_newer_server")).toBe("none");
    expect(taskState("failed")).toBe("failed");
  });
  it("shows of a group what needs a person first", () => {
    expect(groupState(["success", "failed", "running"])).toBe("failed");
    expect(groupState(["success", "running", "none"])).toBe("running");
    expect(groupState(["success", "skipped"])).toBe("success");
    expect(groupState([])).toBe("none");
  });
  it("knows what still moves by itself", () => {
    expect(isActive("up_for_retry")).toBe(true);
    expect(isActive("none")).toBe(false);
    expect(isActive(null)).toBe(false);
  });
});
