// Python source cut into coloured pieces, line by line. A reader's aid, not a parser: strings
// (also over several lines), comments, numbers, keywords, decorators and names being defined.

export type TokenKind = "plain" | "keyword" | "string" | "comment" | "number" | "decorator" | "definition" | "constant";

export interface Token {
  kind: TokenKind;
  text: string;
}

const KEYWORDS = new Set(
  (
    "and as assert async await break class continue def del elif else except finally for from global if import in is " +
    "lambda nonlocal not or pass raise return try while with yield match case"
  ).split(" "),
);
const CONSTANTS = new Set(["True", "False", "None", "self", "cls"]);

const PIECE =
  /(#[^\n]*)|((?:[rRbBuUfFtT]{0,2})(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))|(@[\w.]+)|(\b(?:0[xob][\da-f_]+|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?j?)\b)|([\p{L}_][\p{L}\p{N}_]*)|(\s+)|(.)/giu;

/** Return the tokens of each line. Joined again they are the source. */
export function highlightPython(source: string): Token[][] {
  const lines: Token[][] = [[]];
  const put = (kind: TokenKind, text: string): void => {
    text.split("\n").forEach((part, index) => {
      if (index > 0) lines.push([]);
      if (!part) return;
      const line = lines[lines.length - 1] as Token[];
      const last = line[line.length - 1];
      if (last && last.kind === kind) last.text += part;
      else line.push({ kind, text: part });
    });
  };
  let previousWord = "";
  for (const match of source.replaceAll("\r\n", "\n").matchAll(PIECE)) {
    const [text, comment, string, decorator, number, word, space] = match;
    if (comment) put("comment", text);
    else if (string) put("string", text);
    else if (decorator) put(atLineStart(lines) ? "decorator" : "plain", text);
    else if (number) put("number", text);
    else if (word) {
      if (previousWord === "def" || previousWord === "class") put("definition", text);
      else if (KEYWORDS.has(word)) put("keyword", text);
      else if (CONSTANTS.has(word)) put("constant", text);
      else put("plain", text);
    } else put("plain", text);
    if (!space) previousWord = word ?? "";
  }
  return lines;
}

function atLineStart(lines: Token[][]): boolean {
  return (lines[lines.length - 1] as Token[]).every((token) => token.text.trim() === "");
}
