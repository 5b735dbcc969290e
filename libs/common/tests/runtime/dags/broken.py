"""A DAG file with a mistake in line 3."""

raise ValueError("no such ünicorn")
