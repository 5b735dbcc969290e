// Small parts used by every page: buttons that say why they are off, notices, tables' pagers, switches.

import { useId, type ButtonHTMLAttributes, type ReactNode } from "react";
import { ApiError } from "../api/client";
import { useMeIfSignedIn } from "../api/session";
import { useT, type Translate } from "../i18n";
import { may, type Permission } from "../lib/roles";
import { Icon, type IconName } from "./icons";

/** Why the reader may not do this, or undefined if they may. */
export function useRefusal(permission: Permission | undefined): string | undefined {
  const t = useT();
  const me = useMeIfSignedIn();
  if (!permission || !me || may(me, permission)) return undefined;
  return t("common.no_permission", { role: me.role });
}

interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "disabled"> {
  look?: "primary" | "danger" | "plain";
  size?: "small";
  icon?: IconName;
  /** Without it the button is off and its tooltip says that the role may not. */
  needs?: Permission;
  /** A sentence that says why the button is off. */
  offBecause?: string | undefined;
  disabled?: boolean;
}

export function Button({ look, size, icon, needs, offBecause, disabled, className, children, onClick, title, type = "button", ...rest }: ButtonProps) {
  const refusal = useRefusal(needs) ?? offBecause;
  const classes = ["button", look, size, !children && icon ? "icon" : "", className].filter(Boolean).join(" ");
  // aria-disabled keeps the button in the tab order, so that its reason can be read by everybody.
  return (
    <button
      {...rest}
      type={type}
      className={classes}
      title={refusal ?? title}
      aria-disabled={refusal ? true : undefined}
      disabled={disabled}
      onClick={(event) => {
        if (refusal) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {icon ? <Icon name={icon} size={size === "small" ? 14 : 16} /> : null}
      {children}
    </button>
  );
}

export function Switch({ on, label, hint, onChange, needs }: { on: boolean; label: string; hint?: string; onChange(on: boolean): void; needs?: Permission }) {
  const refusal = useRefusal(needs);
  return (
    <button
      type="button"
      role="switch"
      className="switch"
      aria-checked={on}
      aria-label={label}
      aria-disabled={refusal ? true : undefined}
      title={refusal ?? hint ?? label}
      onClick={() => {
        if (!refusal) onChange(!on);
      }}
    />
  );
}

export function errorSentence(t: Translate, error: unknown): string {
  if (error instanceof ApiError) return error.status === 0 ? t("error.unreachable") : error.message;
  return error instanceof Error ? error.message : String(error);
}

export function Notice({ kind, icon, children }: { kind: "error" | "warn" | "info"; icon?: IconName; children: ReactNode }) {
  return (
    <div className={`notice ${kind}`} role={kind === "error" ? "alert" : undefined}>
      <Icon name={icon ?? (kind === "info" ? "info" : "warning")} />
      <div className="grow">{children}</div>
    </div>
  );
}

/** What went wrong, in the server's own sentence, with a way to try again. */
export function ErrorNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const t = useT();
  return (
    <Notice kind="error">
      <div className="row wrap">
        <span className="grow">{errorSentence(t, error)}</span>
        {onRetry ? (
          <Button size="small" onClick={onRetry}>
            {t("common.retry")}
          </Button>
        ) : null}
      </div>
    </Notice>
  );
}

export function Loading() {
  const t = useT();
  return (
    <div className="loading" role="status">
      {t("app.loading")}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function SearchInput({ value, onChange, label, hotkey, width }: { value: string; onChange(value: string): void; label: string; hotkey?: boolean; width?: string }) {
  return (
    <span className="search" style={{ width: width ?? "18em" }}>
      <Icon name="search" size={14} />
      <input
        className="input"
        type="search"
        value={value}
        placeholder={label}
        aria-label={label}
        data-hotkey={hotkey ? "search" : undefined}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && value) {
            event.stopPropagation();
            onChange("");
          }
        }}
      />
    </span>
  );
}

export function Check({ on, onChange, children, disabled }: { on: boolean; onChange(on: boolean): void; children: ReactNode; disabled?: boolean }) {
  return (
    <label className="check">
      <input type="checkbox" checked={on} disabled={disabled} onChange={(event) => onChange(event.target.checked)} />
      <span>{children}</span>
    </label>
  );
}

export function Field({ label, hint, problem, children }: { label: string; hint?: ReactNode; problem?: string | undefined; children(ids: { id: string; "aria-describedby"?: string | undefined; "aria-invalid"?: boolean | undefined }): ReactNode }) {
  const id = useId();
  const described = [hint ? `${id}-hint` : "", problem ? `${id}-problem` : ""].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": described || undefined, "aria-invalid": problem ? true : undefined })}
      {hint ? (
        <span className="hint" id={`${id}-hint`}>
          {hint}
        </span>
      ) : null}
      {problem ? (
        <span className="problem" id={`${id}-problem`} role="alert">
          {problem}
        </span>
      ) : null}
    </div>
  );
}

export function Pager({ offset, limit, total, onMove }: { offset: number; limit: number; total: number; onMove(offset: number): void }) {
  const t = useT();
  if (total <= limit && offset === 0) return null;
  return (
    <div className="pager">
      <span>{t("common.page_of", { from: Math.min(offset + 1, total), to: Math.min(offset + limit, total), total })}</span>
      <Button size="small" icon="left" disabled={offset === 0} onClick={() => onMove(Math.max(0, offset - limit))}>
        {t("common.previous")}
      </Button>
      <Button size="small" disabled={offset + limit >= total} onClick={() => onMove(offset + limit)}>
        {t("common.next")}
        <Icon name="right" size={14} />
      </Button>
    </div>
  );
}

export function CopyButton({ text }: { text: string }) {
  const t = useT();
  return (
    <Button
      look="plain"
      size="small"
      onClick={(event) => {
        const button = event.currentTarget;
        void navigator.clipboard?.writeText(text).then(() => {
          button.textContent = t("common.copied");
        });
      }}
    >
      {t("common.copy")}
    </Button>
  );
}

/** A value of an API answer: text as it is, anything else as JSON. */
export function ValueBox({ value }: { value: unknown }) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return <pre className="codebox">{text ?? "null"}</pre>;
}
