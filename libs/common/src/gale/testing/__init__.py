"""What the tests of Gale and of its services share: twins of outside systems, and the checks of the invariants.

- `memory_store`: the store of states in memory; one suite of tests is run against it and the databases.
- `hand_executor`: an executor whose attempts a test ends by hand.
- `invariants`: what must be true of the rows of a database after whatever has happened.
"""
