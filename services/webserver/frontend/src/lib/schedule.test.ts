import { describe, expect, it } from "vitest";
import { en } from "../i18n/en";
import { fill } from "../i18n/messages";
import { zh } from "../i18n/zh";
import { scheduleInWords } from "./schedule";
import type { Translate } from "../i18n";

const english: Translate = (key, values) => fill(en[key], values);
const chinese: Translate = (key, values) => fill(zh[key], values);

describe("schedule in words", () => {
  it.each([
    ["0 0 * * *", "every day at 00:00", "每天 00:00"],
    ["@daily", "every day at 00:00", "每天 00:00"],
    ["*/5 * * * *", "every 5 minutes", "每 5 分钟"],
    ["* * * * *", "every minute", "每分钟"],
    ["@hourly", "every hour", "每小时"],
    ["15 * * * *", "every hour at :15", "每小时的第 15 分"],
    ["0 */6 * * *", "every 6 hours", "每 6 小时"],
    ["30 8,20 * * *", "every day at 08:30, 20:30", "每天 08:30、20:30"],
    ["30 2 * * 1-5", "Monday to Friday at 02:30", "周一至周五 02:30"],
    ["0 9 * * mon,thu", "every Monday and Thursday at 09:00", "每周一和周四 09:00"],
    ["0 0 * * 0", "every Sunday at 00:00", "每周日 00:00"],
    ["0 6 1 * *", "on day 1 of each month at 06:00", "每月 1 日 06:00"],
    ["@yearly", "every year on 1 January at 00:00", "每年 1月1日 00:00"],
    ["1 day, 0:00:00", "every 24 hours", "每 24 小时"],
    ["0:10:00", "every 10 minutes", "每 10 分钟"],
    ["7 days, 0:00:00", "every 7 days", "每 7 天"],
    ["None", "only by hand", "仅手动触发"],
    ["@once", "once", "仅一次"],
  ])("says %s", (schedule, inEnglish, inChinese) => {
    expect(scheduleInWords(schedule, null, english, "en")).toBe(inEnglish);
    expect(scheduleInWords(schedule, null, chinese, "zh")).toBe(inChinese);
  });

  it("leaves to the server what it has no words for", () => {
    const odd = "5-10/2 3 L * fri#2";
    expect(scheduleInWords(odd, "At minute 5 …", english, "en")).toBe("At minute 5 …");
    expect(scheduleInWords(odd, "At minute 5 …", chinese, "zh")).toBe(odd);
    expect(scheduleInWords(odd, null, english, "en")).toBe(odd);
  });

  it("does not misread a field that is out of range or runs backwards", () => {
    expect(scheduleInWords("0 9 * * 5-1", null, english, "en")).toBe("0 9 * * 5-1");
    expect(scheduleInWords("0 9 * * 9", null, english, "en")).toBe("0 9 * * 9");
  });
});
