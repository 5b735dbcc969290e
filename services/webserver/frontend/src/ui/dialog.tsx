// Dialogs on the browser's own <dialog>: it keeps the focus inside, gives it back, and closes on Escape.

import { useEffect, useId, useRef, type ReactNode } from "react";
import { useT } from "../i18n";
import { Button } from "./parts";

interface DialogProps {
  title: string;
  onClose(): void;
  children: ReactNode;
  footer?: ReactNode;
  onSubmit?: () => void;
}

export function Dialog({ title, onClose, children, footer, onSubmit }: DialogProps) {
  const t = useT();
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
  }, []);
  const inside = (
    <>
      <header>
        <h2 id={id}>{title}</h2>
        <Button look="plain" icon="close" aria-label={t("common.close")} onClick={onClose} />
      </header>
      <div className="content">{children}</div>
      {footer ? <footer>{footer}</footer> : null}
    </>
  );
  return (
    <dialog
      ref={ref}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={(event) => event.stopPropagation()}
      onPointerDown={(event) => {
        // A press on the dimmed ground closes; a press that began inside does not.
        if (event.target === ref.current) onClose();
      }}
    >
      {onSubmit ? (
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            onSubmit();
          }}
        >
          {inside}
        </form>
      ) : (
        <div className="sheet">{inside}</div>
      )}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  action: string;
  danger?: boolean;
  busy?: boolean;
  onConfirm(): void;
  onClose(): void;
}

export function Confirm({ title, text, action, danger, busy, onConfirm, onClose }: ConfirmProps) {
  const t = useT();
  return (
    <Dialog
      title={title}
      onClose={onClose}
      onSubmit={onConfirm}
      footer={
        <>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" look={danger ? "danger" : "primary"} disabled={busy}>
            {action}
          </Button>
        </>
      }
    >
      <p>{text}</p>
    </Dialog>
  );
}
