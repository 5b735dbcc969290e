"""The scheduler: reads DAG files, creates runs when they are due, decides what runs next."""
