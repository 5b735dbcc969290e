"""Hooks: how tasks reach other systems by the id of a connection."""
