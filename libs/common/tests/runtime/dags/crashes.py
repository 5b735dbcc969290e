"""A DAG file that crashes in C code."""

import ctypes

ctypes.string_at(0)
