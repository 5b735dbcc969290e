"""A DAG that is never finished being defined."""
# ruff: noqa: T201  as authors write DAG files

print("counting sheep", flush=True)
while True:
    pass
