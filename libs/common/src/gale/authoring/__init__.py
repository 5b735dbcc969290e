"""What DAG files are written with, and what runs one task of them.

User code lives here as objects; the scheduler sees them only as `gale.core.graph`
data (`serialization`), and a task process only through `execution`. DAG authors import
from `gale`, not from here.
"""
