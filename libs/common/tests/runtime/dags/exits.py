"""A DAG file that ends its process as if all were well."""

import os

print("I have had enough", flush=True)
os._exit(0)
