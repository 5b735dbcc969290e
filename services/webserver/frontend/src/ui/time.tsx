// Instants on screen: the reader's zone, the UTC text in the tooltip; relative ones tick by themselves.

import { useSyncExternalStore } from "react";
import { useSpeech } from "../i18n";
import { formatDuration, formatLocal, formatRelative, formatUtc, parseInstant, secondsBetween } from "../lib/time";

// One clock for all times on the page: nothing is drawn more than once a second for the time's sake.
let now = new Date();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    now = new Date();
    timer = setInterval(() => {
      now = new Date();
      for (const each of listeners) each();
    }, 1000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

export function useNow(): Date {
  return useSyncExternalStore(subscribe, () => now);
}

const never = () => () => undefined;
/** The time without being told of each second: for what has ended already. */
function useNowIf(ticking: boolean): Date {
  return useSyncExternalStore(ticking ? subscribe : never, () => now);
}

/** An instant in the reader's zone. */
export function Time({ at, seconds = true }: { at: string | null | undefined; seconds?: boolean }) {
  const date = parseInstant(at);
  if (!date) return <span className="muted">–</span>;
  return (
    <time dateTime={date.toISOString()} title={formatUtc(date)} className="nowrap">
      {formatLocal(date, seconds)}
    </time>
  );
}

/** "3 minutes ago"; the tooltip has the local time and UTC. */
export function Ago({ at }: { at: string | null | undefined }) {
  const { language } = useSpeech();
  const current = useNow();
  const date = parseInstant(at);
  if (!date) return <span className="muted">–</span>;
  return (
    <time dateTime={date.toISOString()} title={`${formatLocal(date)}\n${formatUtc(date)}`} className="nowrap">
      {formatRelative(date, current, language)}
    </time>
  );
}

/** How long something took, or takes so far. */
export function Duration({ start, end, active }: { start: string | null | undefined; end: string | null | undefined; active?: boolean }) {
  const ticking = !end && active !== false;
  const current = useNowIf(ticking);
  if (!end && !ticking) return <span className="muted">–</span>;
  const seconds = secondsBetween(start, end, current);
  const text = seconds === null ? "–" : formatDuration(seconds, !end);
  return <span className={seconds === null ? "muted" : "nowrap"}>{text}</span>;
}
