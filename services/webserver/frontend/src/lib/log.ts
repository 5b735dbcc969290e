// The text of a log as it streams in: lines, the last one perhaps unfinished, the oldest ones let
// go when there are too many, so that a log of 100 MB does not take the browser with it.

export interface LogText {
  /** Finished lines. */
  lines: readonly string[];
  /** What came after the last line end. */
  rest: string;
  /** Characters and lines that were let go from the start. */
  droppedCharacters: number;
  droppedLines: number;
  characters: number;
}

export const EMPTY_LOG: LogText = { lines: [], rest: "", droppedCharacters: 0, droppedLines: 0, characters: 0 };

export const KEEP_CHARACTERS = 4_000_000;
const KEEP_LINE = 20_000;

// Colours and cursor moves that programs write for a terminal.
const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;

function clean(line: string): string {
  let text = line.includes("\u001b") ? line.replace(ANSI, "") : line;
  // A progress bar rewrites its line; what it wrote last is what a terminal would show.
  if (text.endsWith("\r")) text = text.slice(0, -1);
  const rewritten = text.lastIndexOf("\r");
  if (rewritten >= 0) text = text.slice(rewritten + 1);
  return text.length > KEEP_LINE ? `${text.slice(0, KEEP_LINE)} …` : text;
}

/** Return `log` with `content` behind it. */
export function appendLog(log: LogText, content: string, keep: number = KEEP_CHARACTERS): LogText {
  if (!content) return log;
  const parts = (log.rest + content).split("\n");
  const rest = parts.pop() as string;
  const fresh = parts.map(clean);
  let lines = log.lines.length === 0 ? fresh : [...log.lines, ...fresh];
  let characters = log.characters + fresh.reduce((sum, line) => sum + line.length + 1, 0);
  let { droppedCharacters, droppedLines } = log;
  if (characters > keep) {
    // Let go of a good part at once, so that this does not happen with every chunk.
    let first = 0;
    while (characters > keep * 0.75 && first < lines.length - 1) {
      const length = (lines[first] as string).length + 1;
      characters -= length;
      droppedCharacters += length;
      first += 1;
    }
    droppedLines += first;
    lines = lines.slice(first);
  }
  // A "line" without an end must not grow without bound either.
  const keptRest = rest.length > KEEP_LINE * 4 ? rest.slice(-KEEP_LINE) : rest;
  return { lines, rest: keptRest, droppedCharacters, droppedLines, characters };
}

/** All lines to show, the unfinished one included. */
export function visibleLines(log: LogText): readonly string[] {
  return log.rest ? [...log.lines, clean(log.rest)] : log.lines;
}

export type LineLevel = "error" | "warning" | "frame" | "plain";

/** What a line is about, so that the eye finds the error at three in the night. */
export function levelOf(line: string): LineLevel {
  if (/\b(?:ERROR|CRITICAL|FATAL)\b|^Traceback \(most recent call last\)|^(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b(?::|$)/.test(line))
    return "error";
  if (/\b(?:WARNING|WARN)\b|\w+Warning:/.test(line)) return "warning";
  if (line.startsWith("*** ")) return "frame";
  return "plain";
}

/** The numbers of the lines that hold `needle`, without regard to case. */
export function findLines(lines: readonly string[], needle: string): number[] {
  const wanted = needle.toLowerCase();
  if (!wanted) return [];
  const found: number[] = [];
  lines.forEach((line, index) => {
    if (line.toLowerCase().includes(wanted)) found.push(index);
  });
  return found;
}

export interface Piece {
  text: string;
  hit: boolean;
}

/** Cut a line into what matches and what does not. */
export function splitHits(line: string, needle: string): Piece[] {
  const wanted = needle.toLowerCase();
  if (!wanted) return [{ text: line, hit: false }];
  const low = line.toLowerCase();
  // Lower case may change a text's length (İ); then mark the whole line rather than the wrong part.
  if (low.length !== line.length) return [{ text: line, hit: low.includes(wanted) }];
  const pieces: Piece[] = [];
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    if (at > from) pieces.push({ text: line.slice(from, at), hit: false });
    pieces.push({ text: line.slice(at, at + wanted.length), hit: true });
    from = at + wanted.length;
  }
  if (from < line.length) pieces.push({ text: line.slice(from), hit: false });
  return pieces;
}

export function formatSize(characters: number): string {
  if (characters < 1000) return `${characters} B`;
  if (characters < 1_000_000) return `${(characters / 1000).toFixed(0)} KB`;
  return `${(characters / 1_000_000).toFixed(1)} MB`;
}
