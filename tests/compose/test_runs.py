"""DAGs on three workers and two schedulers, some of which die."""

from collections import Counter

from stack import Stack, docker, until

TASKS = 300


def hosts_of(stack: Stack, dag_id: str) -> Counter[str]:
    """Return how many attempts of a DAG were claimed on each host."""
    rows = stack.sql(f"SELECT hostname FROM task_event WHERE dag_id = '{dag_id}' AND to_state = 'running'")
    return Counter(host for (host,) in rows)


def workers_of(stack: Stack) -> set[str]:
    """Return the hosts that run tasks."""
    return {container["Config"]["Hostname"] for container in stack.containers("worker")}


def claimed_twice(stack: Stack, dag_id: str) -> list[list[str]]:
    """Return the attempts of a DAG that were claimed more than once."""
    return stack.sql(
        f"SELECT ti, try_number, count(*) FROM task_event WHERE dag_id = '{dag_id}' AND to_state = 'running' "
        "GROUP BY ti, try_number HAVING count(*) > 1"
    )


def test_the_dag_of_the_notes_makes_its_seven_runs_and_all_are_green(stack: Stack) -> None:
    until("seven runs succeed", lambda: stack.run_states("dag") == ["success"] * 7, 90, every=1)


def test_the_dag_with_real_data_is_green_wherever_its_tasks_ran(stack: Stack) -> None:
    until("the first run ends", lambda: "success" in stack.run_states("library_report"), 90, every=1)
    stack.trigger("library_report")
    until("the second run ends", lambda: stack.run_states("library_report") == ["success"] * 2, 90, every=1)
    assert "</html>" in stack.run_in("worker", "cat", "/opt/gale/reports/library/latest.html")
    assert set(hosts_of(stack, "library_report") + hosts_of(stack, "dag")) == workers_of(stack)


def test_the_log_of_a_task_is_seen_on_the_page_though_another_container_wrote_it(stack: Stack) -> None:
    (run,) = stack.api("GET", "/dags/library_report/dagRuns?limit=1&order_by=logical_date")["dag_runs"][:1]
    path = f"/dags/library_report/dagRuns/{run['dag_run_id']}/taskInstances/validate/logs/1"
    assert "dimensions agree" in str(stack.api("GET", path))


def test_a_worker_that_is_asked_to_end_lets_its_task_end(stack: Stack) -> None:
    run_id = stack.trigger("patient")
    until("the task runs", lambda: stack.states("patient", run_id) == {"running": 1})
    ((host,),) = stack.sql("SELECT hostname FROM task_instance WHERE task_id = 'wait'")
    docker("stop", host)
    assert stack.states("patient", run_id) == {"success": 1}
    assert hosts_of(stack, "patient") == {host: 1}
    docker("start", host)


def test_a_run_of_300_tasks_survives_the_death_of_a_worker_and_of_its_scheduler(stack: Stack) -> None:
    """All tasks succeed, no attempt is claimed twice, and every worker did some of the work."""
    workers = workers_of(stack)
    run_id = stack.trigger("burst")
    until("a third is done", lambda: stack.states("burst", run_id).get("success", 0) >= TASKS // 3, 90)
    ((owner,),) = stack.sql(
        "SELECT job.hostname FROM job JOIN dag_run ON dag_run.owner_job_id = job.id WHERE dag_run.dag_id = 'burst'"
    )
    busy = hosts_of(stack, "burst").most_common(1)[0][0]
    docker("kill", "--signal", "KILL", owner, busy)
    assert stack.states("burst", run_id).get("success", 0) < TASKS
    until("all tasks succeed", lambda: stack.states("burst", run_id) == {"success": TASKS}, 150, every=1)
    until("the run succeeds", lambda: stack.run_states("burst") == ["success"])
    assert claimed_twice(stack, "burst") == []
    assert set(hosts_of(stack, "burst")) == workers
    docker("start", owner, busy)
