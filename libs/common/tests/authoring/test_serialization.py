"""From DAGs to data and to JSON and back."""
# ruff: noqa: DTZ001  dates without a zone are what authors write

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gale.authoring.dag import DAG
from gale.authoring.edges import Label
from gale.authoring.params import Param
from gale.authoring.serialization import dag_to_spec, spec_from_json, spec_to_json
from gale.core.graph import CallbackKind
from gale.core.trigger_rules import TriggerRule
from gale.errors import CyclicDag, DagDefinitionError
from gale.operators.bash import BashOperator
from gale.operators.empty import EmptyOperator

IDS = st.text("abcXYZ019_-", min_size=1, max_size=9)
SPANS = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=9999))
DATES = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC))
TASKS = st.fixed_dictionaries(
    {},
    optional={
        "retries": st.integers(0, 10**6),
        "retry_delay": SPANS,
        "retry_exponential_backoff": st.booleans() | st.floats(0, 100),
        "max_retry_delay": st.none() | SPANS,
        "execution_timeout": st.none() | SPANS,
        "sla": st.none() | SPANS,
        "start_date": DATES,
        "end_date": DATES,
        "owner": st.text(max_size=20),
        "email": st.lists(st.sampled_from(["a@example.com", "b@example.com"]), max_size=2),
        "trigger_rule": st.sampled_from(TriggerRule),
        "weight_rule": st.sampled_from(["downstream", "upstream", "absolute"]),
        "priority_weight": st.integers(-(2**40), 2**40),
        "pool": IDS,
        "pool_slots": st.integers(1, 99),
        "queue": IDS,
        "depends_on_past": st.booleans(),
        "wait_for_downstream": st.booleans(),
        "doc_md": st.none() | st.text(max_size=50),
        "task_display_name": st.none() | st.text(max_size=20),
    },
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def dags(draw):
    ids = draw(st.lists(IDS, unique=True, max_size=8))
    dag = DAG(
        draw(IDS),
        description=draw(st.none() | st.text(max_size=50)),
        schedule=draw(st.sampled_from([None, "@once", "@daily", "*/5 3 * * 1-5", timedelta(minutes=7)])),
        start_date=draw(st.none() | DATES),
        end_date=draw(st.none() | DATES),
        tags=draw(st.lists(st.text(max_size=9), max_size=3)),
        dagrun_timeout=draw(st.none() | SPANS),
        catchup=draw(st.booleans()),
        max_active_runs=draw(st.none() | st.integers(1, 99)),
        params=draw(st.dictionaries(st.text(max_size=9), JSON, max_size=3)),
    )
    tasks = [EmptyOperator(task_id=task_id, dag=dag, **draw(TASKS)) for task_id in ids]
    for after in range(1, len(tasks)):
        for before in draw(st.sets(st.integers(0, after - 1), max_size=3)):
            tasks[before] >> Label(draw(st.text(max_size=5))) >> tasks[after]
    return dag


@settings(max_examples=60, deadline=None)
@given(dags())
def test_a_spec_is_the_same_after_a_trip_through_json(dag):
    spec = dag_to_spec(dag, "f.py")
    assert spec_from_json(spec_to_json(spec)) == spec


@settings(max_examples=40, deadline=None)
@given(dags())
def test_tasks_stand_in_topological_order_and_keep_their_arrows(dag):
    spec = dag_to_spec(dag, "f.py")
    place = {task.task_id: index for index, task in enumerate(spec.tasks)}
    assert place.keys() == dag.task_dict.keys()
    for task in spec.tasks:
        assert set(task.upstream) == dag.get_task(task.task_id).upstream_task_ids
        assert all(place[before] < place[task.task_id] for before in task.upstream)


def test_the_same_dag_gives_the_same_json_every_time():
    def make():
        with DAG("d", params={"b": 1, "a": {"y": 1, "x": 2}}, tags={"one", "two", "three"}) as dag:
            a, b, c = (EmptyOperator(task_id=name) for name in "abc")
            [b, a] >> c
        dag.lineno = 1
        return spec_to_json(dag_to_spec(dag, "f.py"))

    assert make() == make()


def test_a_task_in_the_spec_says_what_the_scheduler_needs():
    dag = DAG("d", start_date=datetime(2026, 1, 1), on_failure_callback=print, sla_miss_callback=[print])
    BashOperator(
        task_id="t",
        dag=dag,
        bash_command="true",
        retries=3,
        retry_delay=60,
        sla=timedelta(hours=1),
        on_success_callback=[print, repr],
        on_retry_callback=print,
        email="me@example.com",
    )
    spec = dag_to_spec(dag, "f.py")
    (task,) = spec.tasks
    assert (task.operator, task.retries, task.retry_delay, task.sla) == ("BashOperator", 3, 60.0, 3600.0)
    assert task.callbacks == (CallbackKind.SUCCESS, CallbackKind.RETRY)
    assert spec.callbacks == (CallbackKind.FAILURE, CallbackKind.SLA_MISS)
    assert task.email == ("me@example.com",)
    assert task.template_fields == ("bash_command", "env", "cwd")
    assert (spec.fileloc, spec.owners, spec.lineno) == ("f.py", ("airflow",), dag.lineno)


def test_what_authors_assign_afterwards_is_normalized_too(dag):
    task = EmptyOperator(task_id="t", dag=dag)
    task.retry_delay = 7
    task.doc_md = "# What it does"
    task.trigger_rule = "all_done"
    (spec,) = dag_to_spec(dag, "f.py").tasks
    assert (spec.retry_delay, spec.doc_md, spec.trigger_rule) == (7.0, "# What it does", TriggerRule.ALL_DONE)


def test_a_dag_without_a_start_date_starts_with_its_first_task():
    dag = DAG("d")
    EmptyOperator(task_id="a", dag=dag, start_date=datetime(2026, 3, 1))
    EmptyOperator(task_id="b", dag=dag, start_date=datetime(2026, 2, 1))
    assert dag_to_spec(dag, "f.py").start_date == datetime(2026, 2, 1, tzinfo=UTC)


def test_waiting_for_downstream_tasks_means_depending_on_the_past(dag):
    EmptyOperator(task_id="t", dag=dag, wait_for_downstream=True)
    (task,) = dag_to_spec(dag, "f.py").tasks
    assert task.depends_on_past


def test_a_circle_is_refused_and_walked(dag):
    a, b, c = (EmptyOperator(task_id=name, dag=dag) for name in "abc")
    a >> b >> c >> a
    with pytest.raises(CyclicDag, match="a >> b >> c >> a"):
        dag_to_spec(dag, "f.py")


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), float("inf"), {1, 2}], ids=str)
def test_a_param_that_json_cannot_hold_is_refused(value):
    dag = DAG("d", params={"when": Param(value)})
    with pytest.raises(DagDefinitionError, match=r"param 'when'.*must be JSON"):
        dag_to_spec(dag, "f.py")


def test_a_callback_that_cannot_be_called_is_refused(dag):
    EmptyOperator(task_id="t", dag=dag, on_failure_callback="notify")
    with pytest.raises(DagDefinitionError, match="on_failure_callback of task 't' is 'notify'"):
        dag_to_spec(dag, "f.py")
