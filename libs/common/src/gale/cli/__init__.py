"""The command line: `main` is the door, `names` the table of commands, each group a module."""
