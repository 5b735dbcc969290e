// A menu behind a button, with the keys that people of the keyboard expect.

import { useEffect, useRef, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { Icon, type IconName } from "./icons";

export interface MenuEntry {
  key: string;
  label?: string;
  heading?: string;
  rule?: boolean;
  icon?: IconName;
  checked?: boolean;
  offBecause?: string | undefined;
  danger?: boolean;
  href?: string;
  onSelect?: () => void;
}

export function Menu({ label, entries, children, end, look = "plain" }: { label: string; entries: readonly MenuEntry[]; children: ReactNode; end?: boolean; look?: string }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open) return undefined;
    root.current?.querySelector<HTMLElement>("[role^=menuitem]")?.focus();
    const away = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, [open]);

  const close = (giveFocusBack: boolean) => {
    setOpen(false);
    if (giveFocusBack) button.current?.focus();
  };

  const move = (step: number | "first" | "last") => {
    const items = [...(root.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const next = step === "first" ? 0 : step === "last" ? items.length - 1 : (at + step + items.length) % items.length;
    items[next]?.focus();
  };

  return (
    <div
      ref={root}
      className={`menu${end ? " end" : ""}`}
      onKeyDown={(event) => {
        if (!open) return;
        const keys: Record<string, () => void> = {
          Escape: () => close(true),
          ArrowDown: () => move(1),
          ArrowUp: () => move(-1),
          Home: () => move("first"),
          End: () => move("last"),
          Tab: () => close(false),
        };
        const action = keys[event.key];
        if (!action) return;
        if (event.key !== "Tab") event.preventDefault();
        event.stopPropagation();
        action();
      }}
    >
      <button ref={button} type="button" className={`button ${look}`} aria-haspopup="menu" aria-expanded={open} aria-label={label} title={label} onClick={() => setOpen(!open)}>
        {children}
      </button>
      {open ? (
        <ul role="menu" aria-label={label}>
          {entries.map((entry) =>
            entry.rule ? (
              <li key={entry.key} role="separator">
                <hr />
              </li>
            ) : entry.heading ? (
              <li key={entry.key} role="presentation" className="heading">
                {entry.heading}
              </li>
            ) : (
              <li key={entry.key} role="none">
                <Item entry={entry} onDone={() => close(!entry.href)} />
              </li>
            ),
          )}
        </ul>
      ) : null}
    </div>
  );
}

function Item({ entry, onDone }: { entry: MenuEntry; onDone(): void }) {
  const inside = (
    <>
      {entry.checked !== undefined ? (
        <span style={{ width: 14, display: "inline-grid" }}>{entry.checked ? <Icon name="check" size={14} /> : null}</span>
      ) : entry.icon ? (
        <Icon name={entry.icon} size={14} />
      ) : null}
      {entry.label}
    </>
  );
  if (entry.href) {
    return (
      <Link href={entry.href} role="menuitem" tabIndex={-1} onClick={onDone}>
        {inside}
      </Link>
    );
  }
  return (
    <button
      type="button"
      role={entry.checked === undefined ? "menuitem" : "menuitemradio"}
      aria-checked={entry.checked}
      tabIndex={-1}
      aria-disabled={entry.offBecause ? true : undefined}
      title={entry.offBecause}
      style={entry.danger ? { color: "var(--danger)" } : undefined}
      onClick={() => {
        if (entry.offBecause) return;
        onDone();
        entry.onSelect?.();
      }}
    >
      {inside}
    </button>
  );
}
