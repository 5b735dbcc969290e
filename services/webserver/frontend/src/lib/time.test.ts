import { describe, expect, it } from "vitest";
import { formatDuration, formatRelative, formatUtc, parseInstant, secondsBetween } from "./time";

const now = new Date("2026-11-22T12:00:00Z");
const at = (text: string) => new Date(text);

describe("time", () => {
  it("refuses text that is no instant", () => {
    expect(parseInstant("yesterday")).toBeNull();
    expect(parseInstant(null)).toBeNull();
  });
  it("shows UTC without a doubt about the zone", () => {
    expect(formatUtc(at("2026-11-22T03:04:05.678Z"))).toBe("2026-11-22 03:04:05 UTC");
  });
  it("tells how long ago in both languages", () => {
    expect(formatRelative(at("2026-11-22T11:57:00Z"), now, "en")).toBe("3 minutes ago");
    expect(formatRelative(at("2026-11-22T17:00:00Z"), now, "en")).toBe("in 5 hours");
    expect(formatRelative(at("2026-11-22T11:57:00Z"), now, "zh")).toBe("3分钟前");
    expect(formatRelative(at("2026-11-22T12:00:01Z"), now, "en")).toBe("now");
  });
  it("keeps the smaller unit while it tells more", () => {
    expect(formatRelative(at("2026-11-22T11:58:40Z"), now, "en")).toBe("80 seconds ago");
    expect(formatRelative(at("2026-11-22T10:40:00Z"), now, "en")).toBe("80 minutes ago");
    expect(formatRelative(at("2026-11-21T06:00:00Z"), now, "en")).toBe("30 hours ago");
  });
  it.each([
    [0.0123, "12ms"],
    [0.34, "0.3s"],
    [9.96, "10s"],
    [59.6, "1m 00s"],
    [187, "3m 07s"],
    [7500, "2h 05m"],
    [273_600, "3d 4h"],
  ])("writes %f seconds as %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
  it("writes whole seconds while the time still goes on", () => {
    expect(formatDuration(2.7, true)).toBe("2s");
    expect(formatDuration(59.9, true)).toBe("59s");
    expect(formatDuration(60, true)).toBe("1m 00s");
  });
  it("writes nothing where there is no duration", () => {
    expect(formatDuration(null)).toBe("");
    expect(formatDuration(Number.NaN)).toBe("");
  });
  it("measures to now while there is no end", () => {
    expect(secondsBetween("2026-11-22T11:59:30Z", null, now)).toBe(30);
    expect(secondsBetween(null, null, now)).toBeNull();
  });
});
