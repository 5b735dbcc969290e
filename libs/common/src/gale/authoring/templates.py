"""Jinja for templated fields: sandboxed, with Airflow's filters, and made ready before the fork.

A text without a brace is no template and costs nothing. Templates are compiled once per
process that loaded the file (`warm_up`), so a task process only fills them in. Templates
get at no attribute that begins with two underscores, nor at the insides of functions.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

import jinja2
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment, is_internal_attribute

from gale.authoring.dag import DAG
from gale.authoring.edges import TaskNode
from gale.authoring.exceptions import TemplateFileMissing
from gale.authoring.params import DagParam, Param
from gale.authoring.xcom_arg import XComArg

#: How many compiled templates of a DAG are kept.
_KEPT: Final = 2000


class _Sandbox(SandboxedEnvironment):
    """Jinja's sandbox, but a leading underscore is allowed, as in Airflow: DAG authors' names may have one."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002  jinja2's signature
        return not is_internal_attribute(obj, attr)


class _NativeSandbox(NativeEnvironment, _Sandbox):
    """The same, giving Python values instead of text."""


def _stamp(form: str) -> Callable[[datetime | None], str | None]:
    return lambda value: None if value is None else value.strftime(form)


_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "ds": _stamp("%Y-%m-%d"),
    "ds_nodash": _stamp("%Y%m%d"),
    "ts": lambda value: None if value is None else value.isoformat(),
    "ts_nodash": _stamp("%Y%m%dT%H%M%S"),
    "ts_nodash_with_tz": lambda value: None if value is None else value.isoformat().replace("-", "").replace(":", ""),
}


def make_environment(dag: DAG | None = None, *, native: bool = False) -> jinja2.Environment:
    """Return a Jinja environment, with what a DAG adds to it."""
    options: dict[str, Any] = {
        "undefined": jinja2.StrictUndefined,
        "extensions": ["jinja2.ext.do"],
        "cache_size": 0,
    }
    if dag is not None:
        options["loader"] = jinja2.FileSystemLoader([dag.folder, *dag.template_searchpath])
        if dag.template_undefined is not None:
            options["undefined"] = dag.template_undefined
        options.update(dag.jinja_environment_kwargs or {})
    environment = (_NativeSandbox if native else _Sandbox)(**options)
    environment.filters.update(_FILTERS)
    if dag is not None:
        environment.globals.update(dag.user_defined_macros or {})
        environment.filters.update(dag.user_defined_filters or {})
    return environment


class Renderer:
    """Fills in the templated fields of a DAG's tasks."""

    def __init__(self, dag: DAG, *, native: bool) -> None:
        self.environment = make_environment(dag, native=native)
        self._plain_syntax = not dag.jinja_environment_kwargs
        self._searched = [dag.folder, *dag.template_searchpath]
        self._compiled: dict[str, jinja2.Template] = {}

    def is_template(self, text: str) -> bool:
        """Return whether there is anything in a text for Jinja to do."""
        return not self._plain_syntax or "{{" in text or "{%" in text or "{#" in text

    def compile(self, text: str) -> jinja2.Template:
        """Return the compiled template of a text."""
        template = self._compiled.get(text)
        if template is None:
            template = self.environment.from_string(text)
            if len(self._compiled) < _KEPT:
                self._compiled[text] = template
        return template

    def from_file(self, name: str) -> jinja2.Template:
        """Return the compiled template of a file.

        Raises:
            TemplateFileMissing: It is in no folder of the search path.
        """
        try:
            return self.environment.get_template(name)
        except jinja2.TemplateNotFound as error:
            raise TemplateFileMissing(
                f"The template file {error.name!r} is in none of {', '.join(self._searched)}. A templated text that "
                "ends in this way is taken for the name of a file: put the file there, set template_searchpath, or "
                "end the text with a space if it is meant as it stands."
            ) from None

    def fill(self, template: jinja2.Template, context: Mapping[str, Any]) -> Any:
        """Return the template filled in. What it does not use of the context is never worked out."""
        names: Any = ChainMap(context, template.globals)  # type: ignore[arg-type]  # only ever read
        frame = self.environment.context_class(self.environment, names, template.name, template.blocks)
        try:
            return self.environment.concat(template.root_render_func(frame))
        except Exception:  # noqa: BLE001  jinja2's own way: it rewrites the traceback to name the template's line
            self.environment.handle_exception()

    def render(self, value: Any, context: Mapping[str, Any], extensions: Sequence[str] = ()) -> Any:
        """Return a value with every text in it filled in, through lists, tuples, sets and dicts.

        Args:
            value: Anything; what holds no text comes back as it is.
            context: Names and values.
            extensions: Endings for which a text is the name of a template file.
        """
        if isinstance(value, str):
            if extensions and value.endswith(tuple(extensions)):
                return self.fill(self.from_file(value), context)
            if not self.is_template(value):
                # Jinja drops one newline at the end; so that adding a brace changes nothing else, so do we.
                return value.removesuffix("\n")
            return self.fill(self.compile(value), context)
        if isinstance(value, XComArg | DagParam):
            return value.resolve(context)
        return self._render_inside(value, context, extensions)

    def _render_inside(self, value: Any, context: Mapping[str, Any], extensions: Sequence[str]) -> Any:
        if isinstance(value, dict):
            return {key: self.render(item, context, extensions) for key, item in value.items()}
        if isinstance(value, tuple):
            items = [self.render(item, context, extensions) for item in value]
            # Named tuples take their fields one by one.
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        if isinstance(value, list):
            return [self.render(item, context, extensions) for item in value]
        if isinstance(value, set):
            return {self.render(item, context, extensions) for item in value}
        if isinstance(value, Param):
            return value.resolve()
        fields = getattr(type(value), "template_fields", None)
        if isinstance(fields, list | tuple) and not isinstance(value, TaskNode):
            for field in fields:
                setattr(value, field, self.render(getattr(value, field), context, extensions))
        return value


def renderer_of(dag: DAG, *, native: bool | None = None) -> Renderer:
    """Return the renderer of a DAG, made once per process."""
    wanted = dag.render_template_as_native_obj if native is None else native
    made: dict[bool, Renderer] = dag.__dict__.setdefault("_renderers", {})
    if wanted not in made:
        made[wanted] = Renderer(dag, native=wanted)
    return made[wanted]


class Templated(TaskNode):
    """A task with templated fields."""

    #: Fields that are Jinja templates, and file endings for which a field names a template file.
    template_fields: Sequence[str] = ()
    template_ext: Sequence[str] = ()
    template_fields_renderers: ClassVar[Mapping[str, str]] = {}
    #: Whether templates give Python values instead of text; None = as the DAG says.
    render_template_as_native_obj: bool | None

    @property
    def dag(self) -> DAG:
        """The DAG that the task is in."""
        raise NotImplementedError

    def get_template_env(self) -> jinja2.Environment:
        """Return the Jinja environment of the task's templates."""
        return renderer_of(self.dag, native=self.render_template_as_native_obj).environment

    def render_template(self, content: Any, context: Mapping[str, Any]) -> Any:
        """Return a value with every text in it filled in."""
        renderer = renderer_of(self.dag, native=self.render_template_as_native_obj)
        return renderer.render(content, context, self.template_ext)

    def render_template_fields(self, context: Mapping[str, Any]) -> None:
        """Fill in the templated fields, in place (`run_task` has done it before `execute`)."""
        render_fields(self, context)


def render_fields(task: Templated, context: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the templated fields of a task, in place, and return them.

    Raises:
        TemplateFileMissing: A field names a template file that is not there.
    """
    rendered: dict[str, Any] = {}
    renderer: Renderer | None = None
    for field in task.template_fields:
        value = getattr(task, field, None)
        if value is None or (isinstance(value, tuple | list | dict) and not value):
            rendered[field] = value
            continue
        if renderer is None:
            renderer = renderer_of(task.dag, native=task.render_template_as_native_obj)
        rendered[field] = renderer.render(value, context, task.template_ext)
        setattr(task, field, rendered[field])
    return rendered


def compile_ahead(task: Templated) -> None:
    """Compile the templates of a task; a broken one stays for the task to fail on."""
    renderer = renderer_of(task.dag, native=task.render_template_as_native_obj)
    waiting = [getattr(task, field, None) for field in task.template_fields]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and renderer.is_template(value):
            try:
                renderer.compile(value)
            except jinja2.TemplateError:
                continue
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set):
            waiting.extend(value)
