"""DAG files of all generations of Airflow, as their users wrote them."""

import json

import pytest

NOTES = """
from datetime import datetime, timedelta
from airflow.models import DAG

seven_days_ago = datetime.combine(datetime.today() - timedelta(7), datetime.min.time())
args = {
    'owner': 'airflow',
    'start_date': seven_days_ago,
    'email': ['airflow@airflow.com'],
    'email_on_failure': True,
    'email_on_retry': True,
    'retries': 3,
    'retries_delay': timedelta(seconds=60),
    'depends_on_past': True
}

dag = DAG(
    dag_id='dag',
    default_args=args,
    schedule_interval='0 0 * * *',
    dagrun_timeout=timedelta(minutes=60)
)
from airflow.operators.bash_operator import BashOperator
from airflow.operators.dummy_operator import DummyOperator

demo = DummyOperator(
    task_id='demo',
    dag=dag
)

last_execute = BashOperator(
    task_id='last_execute',
    bash_command='echo 1',
    dag=dag
)
demo.set_downstream(last_execute)
"""


def test_the_notes_own_dag_runs_and_its_slip_is_told(load, run_dag):
    loaded = load(NOTES)
    assert loaded.errors == []
    (warning,) = loaded.warnings
    assert "'retries_delay'" in warning
    assert "'retry_delay'" in warning
    dag = loaded.dags["dag"]
    assert dag.era == "interval"
    ran = run_dag(dag)
    assert ran.outcomes == {"demo": "success", "last_execute": "success"}
    assert ran.services.texts["last_execute", "return_value"] == '"1"'


def test_a_tutorial_of_airflow_1_runs(load, run_dag):
    loaded = load("""
        from datetime import timedelta
        import airflow
        from airflow import DAG
        from airflow.operators.bash_operator import BashOperator

        default_args = {'owner': 'airflow', 'depends_on_past': False, 'start_date': airflow.utils.dates.days_ago(2)}
        dag = DAG('tutorial', default_args=default_args, description='A simple tutorial DAG',
                  schedule_interval=timedelta(days=1))
        t1 = BashOperator(task_id='print_date', bash_command='date', dag=dag)
        t1.doc_md = '# Title'
        templated_command = '''
        {% for i in range(2) %}
            echo "{{ ds }}"
            echo "{{ macros.ds_add(ds, 7)}}"
            echo "{{ params.my_param }} {{ execution_date.add(days=1).to_date_string() }} {{ ts_nodash }}"
        {% endfor %}
        '''
        t3 = BashOperator(task_id='templated', bash_command=templated_command,
                          params={'my_param': 'Parameter I passed in'}, dag=dag)
        t1 >> [t3]
    """)
    assert loaded.errors == []
    ran = run_dag(loaded.dags["tutorial"])
    assert ran.services.texts["templated", "return_value"] == '"Parameter I passed in 2016-05-15 20160514T000000"'


def test_xcoms_of_airflow_1_are_pulled_in_all_its_ways(load, run_dag):
    loaded = load("""
        import airflow
        from airflow import DAG
        from airflow.operators.python_operator import PythonOperator

        args = {'owner': 'airflow', 'start_date': airflow.utils.dates.days_ago(2), 'provide_context': True}
        dag = DAG('example_xcom', schedule_interval='@once', default_args=args)
        value_1, value_2 = [1, 2, 3], {'a': 'b'}

        def push(**kwargs):
            kwargs['ti'].xcom_push(key='value from pusher 1', value=value_1)

        def push_by_returning(**kwargs):
            return value_2

        def puller(**kwargs):
            ti = kwargs['ti']
            assert ti.xcom_pull(key=None, task_ids='push') == value_1
            assert ti.xcom_pull(task_ids='push_by_returning') == value_2
            assert ti.xcom_pull(key=None, task_ids=['push', 'push_by_returning']) == [value_1, value_2]

        push1 = PythonOperator(task_id='push', dag=dag, python_callable=push)
        push2 = PythonOperator(task_id='push_by_returning', dag=dag, python_callable=push_by_returning)
        pull = PythonOperator(task_id='puller', dag=dag, python_callable=puller)
        pull << [push1, push2]
    """)
    assert loaded.errors == []
    assert set(run_dag(loaded.dags["example_xcom"]).outcomes.values()) == {"success"}


def test_a_run_of_another_dag_is_started_as_in_airflow_1(load, run_dag):
    loaded = load("""
        from airflow import DAG
        from airflow.operators.dagrun_operator import TriggerDagRunOperator
        from airflow.utils.dates import days_ago

        def conditionally_trigger(context, dag_run_obj):
            if context['params']['condition_param']:
                dag_run_obj.payload = {'message': context['params']['message']}
                return dag_run_obj

        dag = DAG('controller', default_args={'start_date': days_ago(2)}, schedule_interval='@once')
        trigger = TriggerDagRunOperator(
            task_id='trigger', trigger_dag_id='target', python_callable=conditionally_trigger,
            params={'condition_param': True, 'message': 'Hello World'}, dag=dag)
    """)
    ran = run_dag(loaded.dags["controller"])
    assert ran.services.triggered[0]["conf"] == {"message": "Hello World"}


def test_branches_and_skips_of_airflow_2_run(load, run_dag):
    loaded = load("""
        import pendulum
        from airflow.exceptions import AirflowSkipException
        from airflow.models.dag import DAG
        from airflow.operators.empty import EmptyOperator
        from airflow.operators.python import BranchPythonOperator
        from airflow.utils.edgemodifier import Label
        from airflow.utils.task_group import TaskGroup
        from airflow.utils.trigger_rule import TriggerRule

        class Skips(EmptyOperator):
            ui_color = "#e8b7e4"
            def execute(self, context):
                raise AirflowSkipException("on purpose")

        with DAG("branches", start_date=pendulum.datetime(2021, 1, 1, tz="UTC"), schedule="@daily", catchup=False,
                 tags=["example"]) as dag:
            branch = BranchPythonOperator(task_id="branching", python_callable=lambda: "a")
            a, b = EmptyOperator(task_id="a"), Skips(task_id="b")
            join = EmptyOperator(task_id="join", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
            branch >> Label("left") >> a >> join
            branch >> Label("right") >> b >> join
            with TaskGroup("section") as section:
                Skips(task_id="skipped")
            join >> section
    """)
    assert loaded.errors == []
    dag = loaded.dags["branches"]
    assert dag.timezone == "UTC"
    assert run_dag(dag).outcomes == {
        "branching": "success", "a": "success", "join": "success", "section.skipped": "skipped",
    }  # fmt: skip


def test_a_taskflow_tutorial_of_airflow_3_runs(load, run_dag):
    loaded = load("""
        import json
        import pendulum
        from airflow.sdk import Param, dag, task
        from airflow.providers.standard.operators.bash import BashOperator

        @dag(schedule=None, start_date=pendulum.datetime(2021, 1, 1, tz="UTC"), catchup=False,
             params={"factor": Param(2, type="integer")})
        def tutorial_taskflow_api():
            @task()
            def extract():
                return json.loads('{"1001": 301.27, "1002": 433.21}')

            @task(multiple_outputs=True)
            def transform(order_data_dict: dict, params: dict):
                return {"total_order_value": sum(order_data_dict.values()) * params["factor"]}

            @task()
            def load(total_order_value: float, logical_date=None):
                return f"{total_order_value:.2f} {logical_date.to_date_string()}"

            summary = transform(extract())
            told = load(summary["total_order_value"])
            told >> BashOperator(task_id="say", bash_command=f"echo {told}")

        tutorial_taskflow_api()
    """)
    assert loaded.errors == []
    dag = loaded.dags["tutorial_taskflow_api"]
    assert dag.era == "trigger"
    ran = run_dag(dag)
    assert json.loads(ran.services.texts["say", "return_value"]) == "1468.96 2016-05-14"


@pytest.mark.parametrize(
    ("line", "rule", "part"),
    [
        ("from airflow.operators.subdag_operator import SubDagOperator", "import", "no counterpart"),
        ("from airflow.providers.http.sensors.http import HttpSensor", "import", "no counterpart"),
        ("from airflow.models import BaseOperatorLink", "import", "BaseOperatorLink"),
        ("from airflow.sdk import Asset", "import", "Asset"),
        ("from airflow.operators.bash import BashOperator\nBashOperator.partial(task_id='x')", "definition", "loop"),
    ],
)
def test_what_gale_does_not_have_is_told_with_the_line(load, line, rule, part):
    (error,) = load(f"# airflow dag\n{line}\n").errors
    assert error.rule == rule
    assert error.line == 2 + line.count("\n")
    assert part in error.message
