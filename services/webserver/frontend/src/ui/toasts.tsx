// Short messages that come and go. Errors stay until they are closed.

import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react";
import { useT } from "../i18n";
import { Button, errorSentence } from "./parts";

interface Toast {
  id: number;
  kind: "good" | "error";
  text: string;
  action?: { label: string; run(): void } | undefined;
}

interface Toasts {
  good(text: string, action?: Toast["action"]): void;
  error(error: unknown): void;
}

const ToastContext = createContext<Toasts | null>(null);
const GOOD_MS = 6000;
let nextId = 1;

export function ToastProvider({ children }: { children: ReactNode }) {
  const t = useT();
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const drop = useCallback((id: number) => setToasts((all) => all.filter((toast) => toast.id !== id)), []);
  const put = useCallback(
    (toast: Omit<Toast, "id">) => {
      const id = nextId++;
      setToasts((all) => [...all.filter((other) => other.text !== toast.text), { ...toast, id }].slice(-4));
      if (toast.kind === "good") setTimeout(() => drop(id), GOOD_MS);
    },
    [drop],
  );
  const value = useMemo<Toasts>(
    () => ({
      good: (text, action) => put({ kind: "good", text, action }),
      error: (error) => put({ kind: "error", text: errorSentence(t, error) }),
    }),
    [put, t],
  );
  return (
    <ToastContext value={value}>
      {children}
      <div className="toasts" aria-live="polite" aria-relevant="additions">
        {toasts.map((toast) => (
          <div key={toast.id} className={`toast ${toast.kind}`} role={toast.kind === "error" ? "alert" : "status"}>
            <span className="grow">{toast.text}</span>
            {toast.action ? (
              <Button
                size="small"
                onClick={() => {
                  toast.action?.run();
                  drop(toast.id);
                }}
              >
                {toast.action.label}
              </Button>
            ) : null}
            <Button look="plain" size="small" icon="close" aria-label={t("common.close")} onClick={() => drop(toast.id)} />
          </div>
        ))}
      </div>
    </ToastContext>
  );
}

export function useToasts(): Toasts {
  const toasts = useContext(ToastContext);
  if (!toasts) throw new Error("useToasts is used outside ToastProvider");
  return toasts;
}
