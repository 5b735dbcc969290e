// Keys that work everywhere, and the dialog that lists them.

import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { useT, type MessageKey } from "../i18n";
import { Dialog } from "./dialog";

const SHOW_EVENT = "gale:shortcuts";
const THEN_MS = 1200;

export function showShortcuts(): void {
  window.dispatchEvent(new Event(SHOW_EVENT));
}

const PLACES: Record<string, string> = { d: "/dags", r: "/runs", t: "/task-instances" };

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function Shortcuts() {
  const t = useT();
  const [shown, setShown] = useState(false);
  const [, navigate] = useLocation();

  useEffect(() => {
    let gAt = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      const place = PLACES[event.key];
      if (event.key === "g") gAt = Date.now();
      else if (place && Date.now() - gAt < THEN_MS) {
        gAt = 0;
        navigate(place);
      } else if (event.key === "?") setShown(true);
      else if (event.key === "/") {
        const field = document.querySelector<HTMLInputElement>("[data-hotkey=search]");
        if (!field) return;
        event.preventDefault();
        field.focus();
        field.select();
      }
    };
    const onShow = () => setShown(true);
    document.addEventListener("keydown", onKey);
    window.addEventListener(SHOW_EVENT, onShow);
    return () => {
      document.removeEventListener("keydown", onKey);
      window.removeEventListener(SHOW_EVENT, onShow);
    };
  }, [navigate]);

  if (!shown) return null;
  const rows: [string[], MessageKey][] = [
    [["/"], "keys.search"],
    [["g", "d"], "keys.dags"],
    [["g", "r"], "keys.runs"],
    [["g", "t"], "keys.tasks"],
    [["←", "↑", "→", "↓"], "keys.arrows"],
    [["Enter"], "keys.enter"],
    [["Esc"], "keys.escape"],
    [["?"], "keys.help"],
  ];
  return (
    <Dialog title={t("keys.title")} onClose={() => setShown(false)}>
      <dl className="facts">
        {rows.map(([keys, label]) => (
          <div key={label} style={{ display: "contents" }}>
            <dt>
              {keys.map((key, index) => (
                <span key={key}>
                  {index > 0 && key.length === 1 && /[a-z]/.test(key) ? ` ${t("keys.then")} ` : " "}
                  <kbd className="tag">{key}</kbd>
                </span>
              ))}
            </dt>
            <dd>{t(label)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
