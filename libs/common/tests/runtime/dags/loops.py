"""A DAG that is never finished being defined."""

print("counting sheep", flush=True)
while True:
    pass
