import { describe, expect, it } from "vitest";
import { highlightPython } from "./python";

const kinds = (source: string) =>
  highlightPython(source).map((line) => line.filter((token) => token.text.trim()).map((token) => `${token.kind}:${token.text.trim()}`));

describe("Python in colours", () => {
  it("gives the source back, whatever it holds", () => {
    const source = "def f(x):\n    '''doc\n    more'''\n    return f\"{x!r}\" # ü 中文\n@task\n\nx = 'unclosed\ny = 1e-3\n";
    const again = highlightPython(source)
      .map((line) => line.map((token) => token.text).join(""))
      .join("\n");
    expect(again).toBe(source);
  });
  it("sees strings over several lines", () => {
    expect(kinds('"""a\nb"""\nx')).toEqual([['string:"""a'], ['string:b"""'], ["plain:x"]]);
  });
  it("tells definitions, decorators and a matrix product apart", () => {
    expect(kinds("@dag\ndef load(): pass")).toEqual([["decorator:@dag"], ["keyword:def", "definition:load", "plain:():", "keyword:pass"]]);
    expect(kinds("a @b")).toEqual([["plain:a @b"]]);
  });
  it("leaves keywords inside strings and comments alone", () => {
    expect(kinds("x = 'def' # return")).toEqual([["plain:x =", "string:'def'", "comment:# return"]]);
  });
});
