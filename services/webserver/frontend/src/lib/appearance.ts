// Light, dark, or as the system says. public/theme.js applies the kept choice before the first paint.

import { useState } from "react";
import { readSetting, writeSetting } from "./settings";

export type Appearance = "system" | "light" | "dark";

export function useAppearance(): [Appearance, (next: Appearance) => void] {
  const kept = readSetting("theme");
  const [value, setValue] = useState<Appearance>(kept === "light" || kept === "dark" ? kept : "system");
  return [
    value,
    (next) => {
      writeSetting("theme", next === "system" ? null : next);
      if (next === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = next;
      setValue(next);
    },
  ];
}
