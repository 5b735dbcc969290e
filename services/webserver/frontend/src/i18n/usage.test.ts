import { describe, expect, it } from "vitest";
import { en } from "./en";

const SOURCES = Object.entries(import.meta.glob<string>("../**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true }))
  .filter(([path]) => !path.includes(".test.") && !/\/i18n\/(?:en|zh)\.ts$|^\.\/(?:en|zh)\.ts$/.test(path))
  .map(([, text]) => text)
  .join("\n");

/** Keys that are put together from a part and a name, such as t(`state.${state}`). */
const MADE = [...SOURCES.matchAll(/`([a-z_]+\.[a-z_]*)\$\{/g)].map((match) => match[1] as string);

describe("the catalogue", () => {
  it("holds nothing that no page says", () => {
    const unused = Object.keys(en).filter((key) => !SOURCES.includes(`"${key}"`) && !MADE.some((start) => key.startsWith(start)));
    expect(unused).toEqual([]);
  });
});
