// Instants and durations as people read them. Instants arrive as ISO text in UTC and are shown in
// the reader's own zone; the UTC text goes into the tooltip. Every function takes `now`.

export type Language = "en" | "zh";

const LOCALE: Record<Language, string> = { en: "en-GB", zh: "zh-CN" };

export function parseInstant(text: string | null | undefined): Date | null {
  if (!text) return null;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? null : date;
}

const pad = (value: number, width = 2): string => String(value).padStart(width, "0");

/** 2026-11-22 15:04:05 in the reader's zone: sorts as it reads, the same in every language. */
export function formatLocal(date: Date, seconds = true): string {
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  return seconds ? `${day} ${time}:${pad(date.getSeconds())}` : `${day} ${time}`;
}

/** The same instant in UTC. */
export function formatUtc(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** The shortest text that tells runs of one grid apart: 11-22 00:00, with the year when it is not this one. */
export function formatShort(date: Date, now: Date): string {
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  const day = `${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return date.getFullYear() === now.getFullYear() ? `${day} ${time}` : `${date.getFullYear()}-${day}`;
}

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

const formatters = new Map<Language, Intl.RelativeTimeFormat>();

/** "3 minutes ago", "in 5 hours"; "now" within a second and a half. */
export function formatRelative(date: Date, now: Date, language: Language): string {
  let formatter = formatters.get(language);
  if (!formatter) {
    formatter = new Intl.RelativeTimeFormat(LOCALE[language], { numeric: "auto" });
    formatters.set(language, formatter);
  }
  const seconds = (date.getTime() - now.getTime()) / 1000;
  const size = Math.abs(seconds);
  if (size < 1.5) return formatter.format(0, "second");
  for (const [unit, length] of STEPS) {
    // Up to 90 seconds, 90 minutes and 36 hours the smaller unit tells more.
    if (size >= length * (unit === "day" || unit === "hour" || unit === "minute" ? 1.5 : 1)) {
      return formatter.format(Math.trunc(seconds / length), unit);
    }
  }
  return formatter.format(Math.trunc(seconds), "second");
}

/** A duration of a task: 0.3s, 12s, 3m 07s, 2h 05m, 3d 4h. The units are the same in both languages. */
export function formatDuration(seconds: number | null | undefined, isTicking = false): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return "";
  // Of what still goes on, tenths of a second would only flicker.
  if (isTicking && seconds < 60) return `${Math.floor(seconds)}s`;
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${pad(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h ${pad(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3600)}h`;
}

/** Seconds from start to end, or to `now` while there is no end. Null before the start. */
export function secondsBetween(
  start: string | null | undefined,
  end: string | null | undefined,
  now: Date,
): number | null {
  const from = parseInstant(start);
  if (!from) return null;
  const to = parseInstant(end) ?? now;
  return Math.max(0, (to.getTime() - from.getTime()) / 1000);
}

/** What <input type="datetime-local"> wants, in the reader's zone. */
export function toInputValue(date: Date): string {
  return formatLocal(date).replace(" ", "T");
}
