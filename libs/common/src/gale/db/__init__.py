"""The database: its tables, its named queries, and the only writer of states."""
