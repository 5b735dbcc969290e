"""Operators: the kinds of tasks that Gale brings along. Each module has one kind."""
