"""What is known of DAGs: lists, versions, sources, tags, warnings, import errors."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import Connection, Engine, Select, exists, func, or_, select

from gale.core.graph import DagSpec
from gale.db.read.browse import (
    EVERYTHING,
    FIRST_PAGE,
    AnyRow,
    Listing,
    Page,
    SortKeys,
    Visible,
    contains,
    list_rows,
    matches,
)
from gale.db.tables import dag, dag_run, dag_source, dag_tag, dag_version, dag_warning, import_error
from gale.errors import NotFound

DAG_SORT: Final = SortKeys(
    keys={
        "dag_id": dag.c.dag_id,
        "dag_display_name": dag.c.display_name,
        "is_paused": dag.c.is_paused,
        "next_dagrun": dag.c.next_run_after,
        "last_parsed_time": dag.c.last_parsed_at,
        "fileloc": dag.c.fileloc,
    },
    aliases={"next_dagrun_run_after": "next_dagrun"},
    default=("dag_id",),
    tie=dag.c.dag_id,
)
VERSION_SORT: Final = SortKeys(
    keys={"version_number": dag_version.c.version_number, "created_at": dag_version.c.created_at},
    aliases={"id": "version_number"},
    default=("-version_number",),
    tie=dag_version.c.id,
)
TAG_SORT: Final = SortKeys(keys={"name": dag_tag.c.name}, default=("name",), tie=dag_tag.c.name)
WARNING_SORT: Final = SortKeys(
    keys={
        "dag_id": dag_warning.c.dag_id,
        "warning_type": dag_warning.c.warning_type,
        "message": dag_warning.c.message,
        "timestamp": dag_warning.c.timestamp,
    },
    default=("dag_id",),
    tie=dag_warning.c.id,
)
IMPORT_ERROR_SORT: Final = SortKeys(
    keys={
        "import_error_id": import_error.c.id,
        "timestamp": import_error.c.timestamp,
        "filename": import_error.c.filename,
        "stack_trace": import_error.c.stacktrace,
    },
    aliases={"id": "import_error_id", "stacktrace": "stack_trace"},
    default=("filename",),
    tie=import_error.c.id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DagFilter:
    """Which DAGs a list shows. None or empty = do not filter by this."""

    #: Literal text in id, name, description or a tag: what a person types into the search box.
    search: str | None = None
    dag_id_pattern: str | None = None
    display_name_pattern: str | None = None
    dag_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    all_tags: bool = False
    owners: tuple[str, ...] = ()
    paused: bool | None = None
    has_import_errors: bool | None = None
    last_run_state: str | None = None
    #: Leave out DAGs whose file no longer defines them.
    exclude_stale: bool = True


def _tagged(statement: Select[Any], wanted: DagFilter) -> Select[Any]:
    if not wanted.tags:
        return statement
    if not wanted.all_tags:
        return statement.where(dag.c.dag_id.in_(select(dag_tag.c.dag_id).where(dag_tag.c.name.in_(wanted.tags))))
    for name in wanted.tags:
        statement = statement.where(dag.c.dag_id.in_(select(dag_tag.c.dag_id).where(dag_tag.c.name == name)))
    return statement


def _searched(statement: Select[Any], text: str) -> Select[Any]:
    in_tag = exists().where(dag_tag.c.dag_id == dag.c.dag_id, contains(dag_tag.c.name, text))
    return statement.where(
        or_(contains(dag.c.dag_id, text), contains(dag.c.display_name, text), contains(dag.c.description, text), in_tag)
    )


def _last_run_in(state: str) -> Any:
    newest = (
        select(dag_run.c.state)
        .where(dag_run.c.dag_id == dag.c.dag_id)
        .order_by(dag_run.c.run_after.desc(), dag_run.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return newest == state


def dags_matching(
    conn: Connection, wanted: DagFilter, page: Page = FIRST_PAGE, visible: Visible = EVERYTHING
) -> Listing:
    """Return the DAGs that a filter lets through."""
    statement = _tagged(visible.only(select(dag), dag.c.dag_id), wanted)
    if wanted.search:
        statement = _searched(statement, wanted.search)
    if wanted.dag_id_pattern:
        statement = statement.where(matches(dag.c.dag_id, wanted.dag_id_pattern))
    if wanted.display_name_pattern:
        statement = statement.where(matches(dag.c.display_name, wanted.display_name_pattern))
    if wanted.dag_ids:
        statement = statement.where(dag.c.dag_id.in_(wanted.dag_ids))
    if wanted.owners:
        statement = statement.where(or_(*(condition_of_owner(owner) for owner in wanted.owners)))
    if wanted.paused is not None:
        statement = statement.where(dag.c.is_paused.is_(wanted.paused))
    if wanted.has_import_errors is not None:
        statement = statement.where(dag.c.has_import_errors.is_(wanted.has_import_errors))
    if wanted.last_run_state:
        statement = statement.where(_last_run_in(wanted.last_run_state))
    if wanted.exclude_stale:
        statement = statement.where(dag.c.is_active.is_(True))
    return list_rows(conn, statement, DAG_SORT, page)


def condition_of_owner(owner: str) -> Any:
    """Return the condition that `owner` is one of a DAG's owners."""
    return Visible(owner=owner).condition()


def dag_with_id(conn: Connection, dag_id: str, visible: Visible = EVERYTHING) -> AnyRow:
    """Return the row of one DAG.

    Raises:
        NotFound: There is none, or the asking person may not know of it.
    """
    statement = visible.only(select(dag).where(dag.c.dag_id == dag_id), dag.c.dag_id)
    row = conn.execute(statement).one_or_none()
    if row is None:
        raise NotFound(f"There is no DAG {dag_id!r}. `gale dags list` and the page's list name those that there are.")
    return row


def display_names(conn: Connection, dag_ids: Sequence[str]) -> dict[str, str]:
    """Return the name to show for each DAG; the id if it has no other."""
    rows = conn.execute(select(dag.c.dag_id, dag.c.display_name).where(dag.c.dag_id.in_(set(dag_ids))))
    return {row.dag_id: row.display_name or row.dag_id for row in rows}


def tags_of(conn: Connection, dag_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the tags of each of the DAGs, sorted."""
    tags: defaultdict[str, list[str]] = defaultdict(list)
    statement = select(dag_tag).where(dag_tag.c.dag_id.in_(dag_ids)).order_by(dag_tag.c.name)
    for row in conn.execute(statement):
        tags[row.dag_id].append(row.name)
    return tags


def tags_in_use(
    conn: Connection, pattern: str | None = None, page: Page = FIRST_PAGE, visible: Visible = EVERYTHING
) -> Listing:
    """Return the distinct tags of all DAGs."""
    statement = visible.only(select(dag_tag.c.name), dag_tag.c.dag_id).distinct()
    if pattern:
        statement = statement.where(matches(dag_tag.c.name, pattern))
    total = conn.execute(select(func.count()).select_from(statement.subquery())).scalar_one()
    rows = conn.execute(TAG_SORT.apply(statement, page)).all() if page.limit else []
    return Listing(rows, total)


#: Decoded versions by id, for each database. A version never changes once it is written.
_specs: Final[WeakKeyDictionary[Engine, dict[str, DagSpec]]] = WeakKeyDictionary()
_MAX_SPECS: Final = 512


def spec_of_version(conn: Connection, version_id: str | None) -> DagSpec | None:
    """Return a version of a DAG, read and decoded once per process; None if there is no such version."""
    if version_id is None:
        return None
    known = _specs.setdefault(conn.engine, {})
    if (kept := known.get(version_id)) is not None:
        return kept
    data = conn.execute(select(dag_version.c.data).where(dag_version.c.id == version_id)).scalar_one_or_none()
    if data is None:
        return None
    if len(known) >= _MAX_SPECS:
        known.clear()
    spec = msgspec.json.decode(data, type=DagSpec)
    known[version_id] = spec
    return spec


def spec_of_dag(conn: Connection, dag_id: str, visible: Visible = EVERYTHING) -> DagSpec:
    """Return the newest version of a DAG.

    Raises:
        NotFound: There is no such DAG, or no version of it has been read yet.
    """
    spec = spec_of_version(conn, dag_with_id(conn, dag_id, visible).version_id)
    if spec is None:
        raise NotFound(f"No version of the DAG {dag_id!r} has been read yet. Look at the import errors, or wait.")
    return spec


def versions_of(conn: Connection, dag_id: str, page: Page = FIRST_PAGE) -> Listing:
    """Return the versions of a DAG, without their data, newest first."""
    columns = (
        dag_version.c.id,
        dag_version.c.dag_id,
        dag_version.c.version_number,
        dag_version.c.source_digest,
        dag_version.c.created_at,
    )
    return list_rows(conn, select(*columns).where(dag_version.c.dag_id == dag_id), VERSION_SORT, page)


def versions_with_ids(conn: Connection, ids: Sequence[str | None]) -> dict[str, AnyRow]:
    """Return the versions with these ids, without their data, by id."""
    wanted = {key for key in ids if key}
    if not wanted:
        return {}
    columns = (dag_version.c.id, dag_version.c.dag_id, dag_version.c.version_number, dag_version.c.created_at)
    return {row.id: row for row in conn.execute(select(*columns).where(dag_version.c.id.in_(wanted)))}


def version_numbered(conn: Connection, dag_id: str, number: int | None = None) -> AnyRow:
    """Return one version of a DAG; the newest if no number is given.

    Raises:
        NotFound: The DAG has no such version.
    """
    statement = select(dag_version).where(dag_version.c.dag_id == dag_id)
    if number is not None:
        statement = statement.where(dag_version.c.version_number == number)
    row = conn.execute(statement.order_by(dag_version.c.version_number.desc()).limit(1)).one_or_none()
    if row is None:
        what = "no version yet" if number is None else f"no version {number}"
        raise NotFound(f"The DAG {dag_id!r} has {what}.")
    return row


def source_text(conn: Connection, digest: str) -> str:
    """Return the text of a DAG file.

    Raises:
        NotFound: The text was not kept.
    """
    content = conn.execute(select(dag_source.c.content).where(dag_source.c.digest == digest)).scalar_one_or_none()
    if content is None:
        raise NotFound(f"The text of the DAG file with digest {digest[:12]}… was not kept.")
    return str(content)


def run_counts_by_state(conn: Connection, dag_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Return how many runs each of the DAGs has in each state; from the index (state, dag_id) alone."""
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    statement = (
        select(dag_run.c.dag_id, dag_run.c.state, func.count().label("runs"))
        .where(dag_run.c.dag_id.in_(dag_ids))
        .group_by(dag_run.c.dag_id, dag_run.c.state)
    )
    for row in conn.execute(statement):
        counts[row.dag_id][row.state] = row.runs
    return counts


def warnings_about(
    conn: Connection,
    dag_id: str | None = None,
    warning_type: str | None = None,
    page: Page = FIRST_PAGE,
    visible: Visible = EVERYTHING,
) -> Listing:
    """Return what parsing had to say about DAGs without refusing them."""
    statement = visible.only(select(dag_warning), dag_warning.c.dag_id)
    if dag_id is not None:
        statement = statement.where(dag_warning.c.dag_id == dag_id)
    if warning_type is not None:
        statement = statement.where(dag_warning.c.warning_type == warning_type)
    return list_rows(conn, statement, WARNING_SORT, page)


def _visible_files(statement: Select[Any], visible: Visible) -> Select[Any]:
    condition = visible.condition()
    if condition is None:
        return statement
    return statement.where(import_error.c.filename.in_(select(dag.c.fileloc).where(condition)))


def import_errors_matching(
    conn: Connection, filename_pattern: str | None = None, page: Page = FIRST_PAGE, visible: Visible = EVERYTHING
) -> Listing:
    """Return the files that could not be imported, and why.

    Who sees only some DAGs sees only the errors of files that once defined one of those.
    """
    statement = _visible_files(select(import_error), visible)
    if filename_pattern:
        statement = statement.where(matches(import_error.c.filename, filename_pattern))
    return list_rows(conn, statement, IMPORT_ERROR_SORT, page)


def import_error_with_id(conn: Connection, error_id: int, visible: Visible = EVERYTHING) -> AnyRow:
    """Return one import error.

    Raises:
        NotFound: There is none with this id, or not for this person.
    """
    statement = _visible_files(select(import_error).where(import_error.c.id == error_id), visible)
    row = conn.execute(statement).one_or_none()
    if row is None:
        raise NotFound(f"There is no import error {error_id}. It may have been cured since the list was made.")
    return row


def import_error_of_file(conn: Connection, filename: str) -> AnyRow | None:
    """Return why a file could not be imported; None if it could."""
    return conn.execute(select(import_error).where(import_error.c.filename == filename)).one_or_none()
