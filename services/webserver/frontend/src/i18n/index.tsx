// The language of the page: chosen by the reader, kept in the browser, else the browser's own.

import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import type { Language } from "../lib/time";
import { readSetting, writeSetting } from "../lib/settings";
import { en, type MessageKey } from "./en";
import { fill, type Values } from "./messages";
import { zh } from "./zh";

export type { MessageKey } from "./en";

const CATALOGUES: Record<Language, Record<MessageKey, string>> = { en, zh };
export const LANGUAGES: readonly { id: Language; name: string; tag: string }[] = [
  { id: "en", name: "English", tag: "en" },
  { id: "zh", name: "简体中文", tag: "zh-CN" },
];

export type Translate = (key: MessageKey, values?: Values) => string;

interface Speech {
  language: Language;
  setLanguage(language: Language): void;
  t: Translate;
}

const SpeechContext = createContext<Speech | null>(null);

function firstLanguage(): Language {
  const kept = readSetting("language");
  if (kept) return kept.startsWith("zh") ? "zh" : "en";
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function translator(language: Language): Translate {
  const catalogue = CATALOGUES[language];
  return (key, values) => fill(catalogue[key], values);
}

export function SpeechProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(firstLanguage);
  useEffect(() => {
    document.documentElement.lang = LANGUAGES.find((entry) => entry.id === language)?.tag ?? "en";
  }, [language]);
  const choose = useCallback((next: Language) => {
    writeSetting("language", LANGUAGES.find((entry) => entry.id === next)?.tag ?? "en");
    setLanguage(next);
  }, []);
  const speech = useMemo(() => ({ language, setLanguage: choose, t: translator(language) }), [language, choose]);
  return <SpeechContext value={speech}>{children}</SpeechContext>;
}

export function useSpeech(): Speech {
  const speech = useContext(SpeechContext);
  if (!speech) throw new Error("useSpeech is used outside SpeechProvider");
  return speech;
}

export function useT(): Translate {
  return useSpeech().t;
}
