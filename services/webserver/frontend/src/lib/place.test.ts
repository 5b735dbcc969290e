import { describe, expect, it } from "vitest";
import { placeAfterSignIn } from "./place";

describe("the page after signing in", () => {
  it("is the one that was asked for", () => {
    expect(placeAfterSignIn("?next=%2Fdags%2Fetl%3Frun%3Da")).toBe("/dags/etl?run=a");
  });
  it.each(["", "?next=https://evil.example", "?next=//evil.example", "?next=/\\\\evil.example", "?next=/login?next=/login"])("is the list for %j", (search) => {
    expect(placeAfterSignIn(search)).toBe("/dags");
  });
});
