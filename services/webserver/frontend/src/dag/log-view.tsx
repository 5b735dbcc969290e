// The log of one try: streams, follows, wraps, is searched and downloaded. Lines are drawn in
// blocks that cost nothing while they are out of sight, so that long logs scroll well.

import { memo, useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { useT } from "../i18n";
import { findLines, formatSize, levelOf, splitHits, visibleLines } from "../lib/log";
import { readSetting, writeSetting } from "../lib/settings";
import { isActive, isWaiting } from "../lib/states";
import { Button, ErrorNotice, SearchInput } from "../ui/parts";
import { useToasts } from "../ui/toasts";
import { fetchLogChunk, useLog, type LogPlace } from "./use-log";

const BLOCK = 100;
const LINE_PX = 18.75;
const NEAR_END_PX = 40;

interface Props extends LogPlace {
  tries: number;
  state: string | null;
  onTry(tryNumber: number): void;
}

export function LogView({ tries, state, onTry, ...place }: Props) {
  const t = useT();
  const toasts = useToasts();
  const running = isActive(state) && place.tryNumber >= tries;
  const log = useLog(place, running);
  const lines = useMemo(() => visibleLines(log.text), [log.text]);
  // Not started yet: an empty log is no news.
  const isWaitingFor = lines.length === 0 && tries < 1 && isWaiting(state);
  const [wrap, setWrap] = useState(readSetting("wrap") !== "no");
  const [follow, setFollow] = useState(true);
  const [needle, setNeedle] = useState("");
  const [hit, setHit] = useState(0);
  const [downloading, setDownloading] = useState(false);
  const wanted = useDeferredValue(needle);
  const hits = useMemo(() => findLines(lines, wanted), [lines, wanted]);
  const box = useRef<HTMLDivElement>(null);
  const current = hits.length > 0 ? hits[Math.min(hit, hits.length - 1)] : undefined;

  useEffect(() => {
    const element = box.current;
    if (element && follow && !wanted) element.scrollTop = element.scrollHeight;
  }, [lines, follow, wrap, wanted]);

  useEffect(() => setHit(0), [wanted]);

  useEffect(() => {
    if (current === undefined || !wanted) return;
    // The block may not be laid out yet; bring it in first, then the line itself.
    const element = box.current;
    element?.querySelector(`[data-block="${Math.floor(current / BLOCK)}"]`)?.scrollIntoView({ block: "nearest" });
    requestAnimationFrame(() => element?.querySelector(`[data-line="${current}"]`)?.scrollIntoView({ block: "center" }));
  }, [current, wanted]);

  const step = (by: number) => {
    if (hits.length > 0) setHit((now) => (Math.min(now, hits.length - 1) + by + hits.length) % hits.length);
  };

  const download = async () => {
    setDownloading(true);
    try {
      const parts: string[] = [];
      for (let offset = 0; ; ) {
        const chunk = await fetchLogChunk(place, offset);
        parts.push(chunk.content);
        if (chunk.at_end || chunk.next_offset <= offset) break;
        offset = chunk.next_offset;
      }
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
      link.download = `${place.dagId}.${place.taskId}${place.mapIndex >= 0 ? `.${place.mapIndex}` : ""}.${place.runId}.${place.tryNumber}.log`.replaceAll(/[^\w.+-]/g, "_");
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    } catch (error) {
      toasts.error(error);
    } finally {
      setDownloading(false);
    }
  };

  const blocks: string[][] = [];
  for (let from = 0; from < lines.length; from += BLOCK) blocks.push(lines.slice(from, from + BLOCK));
  return (
    <section className="log" aria-label={t("log.label", { task: place.taskId, n: place.tryNumber })}>
      <div className="toolbar">
        {tries > 1 ? (
          <select className="select" aria-label={t("ti.tries")} value={place.tryNumber} onChange={(event) => onTry(Number(event.target.value))}>
            {Array.from({ length: tries }, (_, index) => (
              <option key={index + 1} value={index + 1}>
                {t("ti.try", { n: index + 1 })}
              </option>
            ))}
          </select>
        ) : null}
        <span
          onKeyDown={(event) => {
            if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
          }}
        >
          <SearchInput label={t("log.search")} value={needle} onChange={setNeedle} width="13em" />
        </span>
        {wanted ? (
          <span className="row" aria-live="polite">
            <span className="muted small">{hits.length > 0 ? t("log.matches", { i: Math.min(hit, hits.length - 1) + 1, n: hits.length }) : t("log.no_match")}</span>
            <Button size="small" look="plain" icon="up" aria-label={t("log.previous_match")} disabled={hits.length === 0} onClick={() => step(-1)} />
            <Button size="small" look="plain" icon="down" aria-label={t("log.next_match")} disabled={hits.length === 0} onClick={() => step(1)} />
          </span>
        ) : null}
        <span className="grow" />
        <Button size="small" icon="follow" aria-pressed={follow} onClick={() => setFollow(!follow)}>
          {t("log.follow")}
        </Button>
        <Button
          size="small"
          icon="wrap"
          aria-pressed={wrap}
          aria-label={t("log.wrap")}
          title={t("log.wrap")}
          onClick={() => {
            writeSetting("wrap", wrap ? "no" : null);
            setWrap(!wrap);
          }}
        />
        <Button size="small" icon="download" aria-label={t("log.download")} title={t("log.download")} disabled={downloading} onClick={() => void download()} />
        <span className="muted small" data-testid="log-status">
          {isWaitingFor ? "" : `${log.complete ? t("log.complete") : log.asked ? t("log.streaming") : ""} · ${t("log.lines", { n: lines.length + log.text.droppedLines })}`}
        </span>
      </div>
      {log.error ? (
        <div className="pad">
          <ErrorNotice error={log.error} />
        </div>
      ) : null}
      <div
        ref={box}
        className={`log-text${wrap ? " wrap" : ""}`}
        data-testid="log"
        role="log"
        aria-live="off"
        tabIndex={0}
        aria-label={t("log.label", { task: place.taskId, n: place.tryNumber })}
        onScroll={(event) => {
          const element = event.currentTarget;
          const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
          // Who scrolls up wants to read in peace; who comes back to the end follows again.
          if (atEnd !== follow && element.scrollHeight > element.clientHeight) setFollow(atEnd);
        }}
      >
        {log.text.droppedLines > 0 ? <p className="pad muted">{t("log.cut", { size: formatSize(log.text.droppedCharacters) })}</p> : null}
        {lines.length === 0 && log.asked && !log.error ? (
          log.complete && log.tried.length > 0 ? (
            <div className="pad muted" data-testid="log-tried">
              <p>{t("log.nowhere")}</p>
              <ul>
                {log.tried.map((tried) => (
                  <li key={tried.place}>{t(`log.tried_${tried.place}`, { name: tried.name, why: tried.why })}</li>
                ))}
              </ul>
            </div>
          ) : (
            <p className="pad muted">{t(isWaitingFor || !log.complete ? "log.waiting" : "log.empty")}</p>
          )
        ) : null}
        {blocks.map((block, index) => (
          <Block
            key={index + Math.floor(log.text.droppedLines / BLOCK)}
            index={index}
            lines={block}
            firstNumber={log.text.droppedLines + index * BLOCK + 1}
            needle={wanted}
            current={current !== undefined && Math.floor(current / BLOCK) === index ? current : -1}
          />
        ))}
      </div>
    </section>
  );
}

interface BlockProps {
  index: number;
  lines: readonly string[];
  firstNumber: number;
  needle: string;
  current: number;
}

const Block = memo(
  function Block({ index, lines, firstNumber, needle, current }: BlockProps) {
    return (
      <div className="log-block" data-block={index} style={{ containIntrinsicSize: `auto ${lines.length * LINE_PX}px` }}>
        {lines.map((line, at) => {
          const number = index * BLOCK + at;
          return (
            <div key={at} className={`log-line${number === current ? " now" : ""}`} data-line={number} data-level={levelOf(line)}>
              <span className="n">{firstNumber + at}</span>
              <span className="l">
                {needle ? splitHits(line, needle).map((piece, part) => (piece.hit ? <mark key={part}>{piece.text}</mark> : piece.text)) : line || " "}
              </span>
            </div>
          );
        })}
      </div>
    );
  },
  (before, after) =>
    before.needle === after.needle &&
    before.current === after.current &&
    before.firstNumber === after.firstNumber &&
    before.lines.length === after.lines.length &&
    before.lines.every((line, at) => line === after.lines[at]),
);
