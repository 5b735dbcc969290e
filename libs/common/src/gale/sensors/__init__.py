"""Sensors: tasks that wait for something. Each module has one kind."""
