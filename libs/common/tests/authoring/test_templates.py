"""Jinja in templated fields."""

import json
from collections import namedtuple
from datetime import UTC, datetime, timedelta

import jinja2
import pytest

from gale.authoring.dag import DAG
from gale.authoring.execution import warm_up
from gale.authoring.operator import BaseOperator
from gale.authoring.params import Param
from gale.core.attempt import ConnectionData, Outcome

Pair = namedtuple("Pair", "left right")  # noqa: PYI024  what older DAG files use


class Show(BaseOperator):
    """Returns its field as rendering left it."""

    template_fields = ("text",)
    template_ext = (".sql",)

    def __init__(self, *, text, **kwargs):
        super().__init__(**kwargs)
        self.text = text

    def execute(self, context):
        return self.text


@pytest.fixture
def render(dag, run, services):
    """Return a function that renders a field and returns what the task saw."""

    def render_one(text, dag=dag, **changes):
        Show(task_id="t", dag=dag, text=text)
        ended = run(dag, **changes)
        assert ended.outcome is Outcome.SUCCESS, ended.reason
        return services.pushed("t") if "return_value" in ended.xcoms else None

    return render_one


# Name, and what it says in the scheduled run for 2026-03-14 of a daily DAG.
DATES = {
    "ds": "2026-03-14",
    "ds_nodash": "20260314",
    "ts": "2026-03-14T00:00:00+00:00",
    "ts_nodash": "20260314T000000",
    "ts_nodash_with_tz": "20260314T000000+0000",
    "yesterday_ds": "2026-03-13",
    "yesterday_ds_nodash": "20260313",
    "tomorrow_ds": "2026-03-15",
    "tomorrow_ds_nodash": "20260315",
    "prev_ds": "2026-03-13",
    "prev_ds_nodash": "20260313",
    "next_ds": "2026-03-15",
    "next_ds_nodash": "20260315",
    "execution_date.isoformat()": "2026-03-14T00:00:00+00:00",
    "logical_date.isoformat()": "2026-03-14T00:00:00+00:00",
    "prev_execution_date.isoformat()": "2026-03-13T00:00:00+00:00",
    "next_execution_date.isoformat()": "2026-03-15T00:00:00+00:00",
    "data_interval_start.isoformat()": "2026-03-14T00:00:00+00:00",
    "data_interval_end | ds": "2026-03-15",
    "data_interval_end | ts_nodash": "20260315T000000",
    "END_DATE": "2026-03-14",
    "latest_date": "2026-03-14",
}
OTHERS = {
    "run_id": "r",
    "dag.dag_id": "d",
    "task.task_id": "t",
    "ti.try_number": "1",
    "task_instance.task_id": "t",
    "try_number": "1",
    "dag_run.run_id": "r",
    "dag_run.conf['x']": "from conf",
    "dag_run.logical_date | ds": "2026-03-14",
    "test_mode": "False",
    "task_instance_key_str": "d__t__20260314",
    "params.a": "1",
    "var.value.plain": "text",
    "var.json.deep.list[1]": "2",
    "var.value.get('missing', 'nothing')": "nothing",
    "var.json.get('missing', {'a': 1}).a": "1",
    "conn.db.host": "db.example.com",
    "conn.get('missing', 'none')": "none",
    "conf.get('core', 'x', 'fallback')": "fallback",
    "macros.ds_add(ds, -2)": "2026-03-12",
    "macros.ds_format(ds, '%Y-%m-%d', '%d.%m.')": "14.03.",
    "macros.timedelta(hours=1)": "1:00:00",
    "macros.datetime(2026, 1, 1) | ds": "2026-01-01",
    "macros.json.dumps([1])": "[1]",
    "macros.uuid.UUID(int=1)": "00000000-0000-0000-0000-000000000001",
    "macros.dateutil.parser.parse('1 Feb 2026') | ds": "2026-02-01",
    "macros.random() < 1": "True",
    "inlets": "[]",
    "prev_start_date_success": "None",
    "prev_data_interval_end_success | ds": "2026-03-14",
    "reason": "None",
    "exception": "None",
    "tables": "None",
}


@pytest.mark.parametrize(("expression", "text"), [*DATES.items(), *OTHERS.items()])
def test_every_name_of_airflows_context_says_what_it_does_there(render, services, expression, text):
    services.variables |= {"plain": "text", "deep": '{"list": [1, 2]}'}
    services.connections["db"] = ConnectionData(conn_id="db", host="db.example.com")
    dag = DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC), params={"a": 1})
    seen = render(
        f"{{{{ {expression} }}}}",
        dag,
        run_conf={"x": "from conf"},
        run_prev_success_interval_end=datetime(2026, 3, 14, tzinfo=UTC),
    )
    assert seen == text


def test_previous_and_next_follow_the_schedule(render):
    dag = DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule="0 0 * * 6")
    saturday = datetime(2026, 3, 14, tzinfo=UTC)
    assert (
        render(
            "{{ prev_ds }} {{ next_ds }}",
            dag,
            run_logical_date=saturday,
            run_data_interval_end=saturday + timedelta(days=7),
        )
        == "2026-03-07 2026-03-21"
    )


def test_a_run_by_hand_has_no_neighbours(render):
    assert render("{{ prev_ds }} {{ ds }} {{ next_ds }}", run_run_type="manual") == "2026-03-14 2026-03-14 2026-03-14"


def test_a_run_without_a_logical_date_is_for_the_moment_it_could_start(render):
    assert render("{{ ds }}", run_logical_date=None, run_run_type="manual") == "2026-03-15"


def test_texts_are_rendered_inside_lists_dicts_and_tuples(render):
    value = {"a": ["{{ ds }}", ("{{ 1 + 1 }}", 3)], "{{ key }}": None}
    assert render(value) == {"a": ["2026-03-14", ["2", 3]], "{{ key }}": None}


def test_named_tuples_stay_what_they_are(dag, run):
    seen = []

    class Look(Show):
        def execute(self, context):
            seen.append(self.text)

    Look(task_id="t", dag=dag, text=Pair("{{ ds }}", {"{{ ds }}"}))
    run(dag)
    assert seen == [Pair("2026-03-14", {"2026-03-14"})]


def test_objects_with_template_fields_of_their_own_are_rendered(dag, run, services):
    class Letter:
        template_fields = ("body",)

        def __init__(self):
            self.body, self.other = "{{ ds }}", "{{ ds }}"

    letter = Letter()
    Show(task_id="t", dag=dag, text=[letter], do_xcom_push=False)
    run(dag)
    assert (letter.body, letter.other) == ("2026-03-14", "{{ ds }}")


def test_a_text_without_braces_is_left_alone_but_for_jinjas_newline(render):
    assert render("100% of {people}\n") == "100% of {people}"


def test_a_name_that_is_not_there_fails_the_task(dag, run):
    Show(task_id="t", dag=dag, text="{{ dss }}")
    ended = run(dag)
    assert ended.outcome is Outcome.FAILED
    assert "'dss' is undefined" in ended.reason
    assert json.loads(ended.rendered_fields) == {"text": "{{ dss }}"}


def test_a_dag_can_be_lenient_about_names_that_are_not_there(render):
    assert render("<{{ dss }}>", DAG("d", template_undefined=jinja2.Undefined)) == "<>"


def test_authors_macros_and_filters_are_there(render):
    dag = DAG("d", user_defined_macros={"double": lambda x: x * 2}, user_defined_filters={"shout": str.upper})
    assert render("{{ double(21) }} {{ 'hi' | shout }}", dag) == "42 HI"


def test_native_rendering_gives_values_instead_of_text(render):
    assert render("{{ [1, 2] }}", DAG("d", render_template_as_native_obj=True)) == [1, 2]
    assert render("{{ [1, 2] }}", DAG("d")) == "[1, 2]"


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ macros.ds_add.__globals__ }}",
        "{{ ti.__init__.__globals__ }}",
        "{{ (ti.xcom_pull).__func__ }}",
        "{{ macros.time.strftime.__self__ }}",
    ],
)
def test_a_template_cannot_reach_pythons_insides(dag, run, attack):
    Show(task_id="t", dag=dag, text=attack)
    ended = run(dag)
    assert ended.outcome is Outcome.FAILED
    assert "SecurityError" in ended.reason


def test_a_field_can_name_a_template_file_beside_the_dag_or_in_the_search_path(tmp_path, render):
    (tmp_path / "dags").mkdir()
    (tmp_path / "sql").mkdir()
    (tmp_path / "dags" / "near.sql").write_text("near {{ ds }}")
    (tmp_path / "sql" / "far.sql").write_text("far {% include 'near.sql' %}")
    for name, text in {"near.sql": "near 2026-03-14", "far.sql": "far near 2026-03-14"}.items():
        dag = DAG("d", template_searchpath=str(tmp_path / "sql"))
        dag.fileloc = str(tmp_path / "dags" / "flow.py")
        assert render(name, dag) == text


def test_a_template_file_that_is_not_there_is_told_with_where_it_was_looked_for(dag, run):
    Show(task_id="t", dag=dag, text="select.sql")
    ended = run(dag)
    assert ended.outcome is Outcome.FAILED
    assert "'select.sql' is in none of" in ended.reason
    assert "end the text with a space" in ended.reason


def test_rendering_does_not_change_the_dag(dag, run):
    task = Show(task_id="t", dag=dag, text="{{ ds }}")
    run(dag)
    assert task.text == "{{ ds }}"


def test_warming_up_compiles_what_it_can_and_leaves_the_rest_to_fail(dag, run):
    Show(task_id="good", dag=dag, text={"a": ["{{ ds }}"]})
    Show(task_id="broken", dag=dag, text="{{ ds")
    warm_up([dag])
    assert run(dag, "good").outcome is Outcome.SUCCESS
    assert run(dag, "broken").outcome is Outcome.FAILED


def test_a_param_as_a_value_is_resolved(render):
    assert render(Param(3, type="integer")) == 3


def test_a_macro_for_people_says_how_long_ago_something_was(render):
    assert render("{{ macros.datetime_diff_for_humans(logical_date) }}") == "1 day ago"
    assert render("{{ macros.datetime_diff_for_humans(next_execution_date, logical_date) }}", DAG("d")) == "1 day after"


def test_a_task_can_render_templates_of_its_own(dag, run, services):
    class Own(Show):
        def execute(self, context):
            return self.render_template({"a": "{{ run_id }}"}, context)

    Own(task_id="t", dag=dag, text="")
    run(dag)
    assert services.pushed("t") == {"a": "r"}
