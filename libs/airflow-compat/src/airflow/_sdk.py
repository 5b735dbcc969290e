"""What `airflow.sdk` makes differently: DAGs of Airflow 3's era."""

from gale.authoring.dag import TriggerDag
from gale.authoring.decorators import dag_decorator

dag = dag_decorator(TriggerDag)
