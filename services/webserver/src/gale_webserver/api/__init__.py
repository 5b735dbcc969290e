"""The REST API under /api/v2, with the paths and bodies of Airflow 3."""
