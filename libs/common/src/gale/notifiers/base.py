"""BaseNotifier: a callback with templates."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from gale.authoring.operator import task_log
from gale.authoring.templates import renderer_of


class BaseNotifier:
    """Tell somebody. Subclasses write `notify`; an instance is given as a callback of a DAG or a task."""

    #: Fields that are Jinja templates.
    template_fields: Sequence[str] = ()
    template_ext: Sequence[str] = ()
    log = task_log

    def __init__(self, **_: Any) -> None:
        """Take no arguments of its own; subclasses may call it in the usual way."""

    def notify(self, context: Mapping[str, Any]) -> None:
        """Tell what is to be told."""
        raise NotImplementedError(f"{type(self).__name__} has no notify(). Write one: it sends the notice.")

    def __call__(self, *args: Any) -> None:
        """Fill in the templates and notify; called with the context by the callback."""
        context = args[0]
        # A copy: the same notifier may serve many tasks of a file.
        filled = copy.copy(self)
        for field in self.template_fields:
            value = getattr(self, field, None)
            setattr(filled, field, renderer_of(context["dag"], native=False).render(value, context, self.template_ext))
        filled.notify(context)
