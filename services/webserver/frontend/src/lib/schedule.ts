// A schedule in words. The server names it ("0 0 * * *", "@daily", "1 day, 0:00:00"); the common
// shapes are said in the reader's language, the rest is shown as the server describes it.

import type { Translate } from "../i18n";
import type { Language } from "./time";

const PRESETS: Record<string, string> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};

const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const isNumber = (text: string): boolean => /^\d+$/.test(text);
const pad = (text: string | number): string => String(text).padStart(2, "0");

/** Days of the week as numbers, 0 = Sunday; null when the field says something we do not put into words. */
function weekdays(field: string): number[] | null {
  const days: number[] = [];
  for (const part of field.toLowerCase().split(",")) {
    const numbers = part.split("-").map((name) => {
      const index = WEEKDAYS.indexOf(name);
      return index >= 0 ? index : isNumber(name) && Number(name) <= 7 ? Number(name) : Number.NaN;
    });
    const [from, to = from] = numbers;
    if (from === undefined || to === undefined || Number.isNaN(from) || Number.isNaN(to) || from > to) return null;
    for (let day = from; day <= to; day += 1) days.push(day % 7);
  }
  return days.length > 0 ? [...new Set(days)] : null;
}

function dayName(day: number, language: Language): string {
  // 2023-01-01 was a Sunday.
  const date = new Date(Date.UTC(2023, 0, 1 + day));
  return new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", {
    weekday: language === "zh" ? "short" : "long",
    timeZone: "UTC",
  }).format(date);
}

function cronInWords(expression: string, t: Translate, language: Language): string | null {
  const fields = expression.trim().split(/\s+/);
  if (fields.length !== 5) return null;
  const [minute, hour, day, month, weekday] = fields as [string, string, string, string, string];
  const anyDay = day === "*" && month === "*" && (weekday === "*" || weekday === "?");
  const step = (field: string): number | null => {
    const match = /^(?:\*|0)\/(\d+)$/.exec(field);
    return match ? Number(match[1]) : null;
  };
  if (anyDay && hour === "*") {
    if (minute === "*") return t("schedule.minutely");
    if (step(minute) !== null) {
      return step(minute) === 1 ? t("schedule.minutely") : t("schedule.every_minutes", { n: step(minute) as number });
    }
    if (minute === "0") return t("schedule.hourly");
    return isNumber(minute) ? t("schedule.hourly_at", { minute: pad(minute) }) : null;
  }
  if (!isNumber(minute)) return null;
  if (anyDay && step(hour) !== null) {
    const n = step(hour) as number;
    return minute === "0" ? t("schedule.every_hours", { n }) : t("schedule.every_hours_at", { n, minute: pad(minute) });
  }
  const hours = hour.split(",");
  if (hours.length > 4 || !hours.every(isNumber)) return null;
  const time = hours.map((value) => `${pad(value)}:${pad(minute)}`).join(t("schedule.comma"));
  if (anyDay) return t("schedule.daily", { time });
  if (day === "*" && month === "*") {
    const days = weekdays(weekday);
    if (!days) return null;
    if ([1, 2, 3, 4, 5].every((name) => days.includes(name)) && days.length === 5) return t("schedule.weekdays", { time });
    const names = days.map((name) => dayName(name, language));
    const last = names.pop() as string;
    const text = names.length > 0 ? `${names.join(t("schedule.comma"))}${t("schedule.and")}${last}` : last;
    return t("schedule.weekly", { days: text, time });
  }
  if (weekday !== "*" || !isNumber(day)) return null;
  if (month === "*") return t("schedule.monthly", { day, time });
  if (!isNumber(month)) return null;
  const date = new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", {
    day: "numeric",
    month: "long",
    timeZone: "UTC",
  }).format(new Date(Date.UTC(2024, Number(month) - 1, Number(day))));
  return t("schedule.yearly", { date, time });
}

/** "1 day, 0:00:00" and "0:10:00": how Python writes a timedelta. */
function deltaInWords(text: string, t: Translate): string | null {
  const match = /^(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)(?:\.\d+)?$/.exec(text);
  if (!match) return null;
  const [days, hours, minutes, seconds] = match.slice(1).map((value) => Number(value ?? 0)) as [number, number, number, number];
  const total = days * 86_400 + hours * 3600 + minutes * 60 + seconds;
  if (total === 86_400) return t("schedule.every_hours", { n: 24 });
  if (total % 86_400 === 0) return t("schedule.every_days", { n: total / 86_400 });
  if (total === 3600) return t("schedule.hourly");
  if (total % 3600 === 0) return t("schedule.every_hours", { n: total / 3600 });
  if (total === 60) return t("schedule.minutely");
  if (total % 60 === 0) return t("schedule.every_minutes", { n: total / 60 });
  return t("schedule.every_seconds", { n: total });
}

/** Return the schedule in words; `described` is the server's own English sentence, the last resort but one. */
export function scheduleInWords(
  schedule: string | null | undefined,
  described: string | null | undefined,
  t: Translate,
  language: Language,
): string {
  const text = (schedule ?? "").trim();
  if (text === "" || text === "None" || text === "Never, external triggers only") return t("schedule.none");
  if (text === "@once") return t("schedule.once");
  if (text === "@continuous") return t("schedule.continuous");
  const words = cronInWords(PRESETS[text] ?? text, t, language) ?? deltaInWords(text, t);
  if (words) return words;
  return language === "en" && described ? described : text;
}
