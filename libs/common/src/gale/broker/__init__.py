"""The broker: the Celery application, the wire format of task commands, their publisher, the bus of hints.

Nothing here decides anything. A command on the broker is a copy of a row that says `queued`; a hint
says that looking at the rows is worth while now. Whatever gets lost is found again in the rows.
"""
