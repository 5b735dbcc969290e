"""What the scheduler's mails say."""

from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from gale.core.graph import DagSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail, ready to be sent. `key` makes its Message-ID, the same each time it is tried."""

    to: tuple[str, ...]
    subject: str
    html: str
    key: str


_HEADLINES = {
    "email_on_failure": ("failed", "The task failed and is not tried again."),
    "email_on_retry": ("up for retry", "The task failed and is tried again."),
    "sla_miss": ("SLA missed", "The task has not succeeded in time."),
}


def compose(notice: Any, run: Any, task: Any, spec: DagSpec, *, reason: str, base_url: str) -> Mail | None:
    """Return the mail of a notice, or None if its task has no addresses any more.

    Args:
        notice: The row of `notice`.
        run: The row of its run.
        task: The row of its task instance.
        spec: The DAG.
        reason: Why it happened: the exception, exit code or signal.
        base_url: Where the web page is, for links.
    """
    known = next((known for known in spec.tasks if task is not None and known.task_id == task.task_id), None)
    if known is None or not known.email:
        return None
    word, sentence = _HEADLINES[notice.event]
    link = f"{base_url.rstrip('/')}/dags/{quote(run.dag_id)}?run={quote(run.run_id)}&task={quote(task.task_id)}"
    rows = [
        ("DAG", run.dag_id),
        ("Task", task.task_id),
        ("Run", run.run_id),
        ("Logical date", "" if run.logical_date is None else run.logical_date.isoformat()),
        ("Attempt", f"{notice.try_number} of {task.max_tries}" if notice.try_number else "-"),
        ("Host", task.hostname or "-"),
        ("Reason", reason or "none given"),
    ]
    table = "".join(f"<tr><th align='left'>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return Mail(
        to=known.email,
        subject=f"Gale: {run.dag_id}.{task.task_id} {word} [{run.run_id}]",
        html=f"<p>{escape(sentence)}</p><table>{table}</table><p><a href='{escape(link)}'>{escape(link)}</a></p>",
        key=f"notice-{notice.id}",
    )
