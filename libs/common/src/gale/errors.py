"""Every exception that Gale raises on purpose.

    GaleError
    ├── ConfigError            a setting is missing, misspelt or of the wrong type
    ├── DagDefinitionError     a DAG file breaks a rule (also Airflow's AirflowException base, see authoring)
    │   ├── DuplicateTaskId · CyclicDag · InvalidId · UnknownArgument
    ├── StoreError             the database cannot be used
    │   ├── StoreUnreachable · StoreLocked · StoreReadOnly · SchemaOutdated · SchemaTooNew
    ├── BrokerError            the broker cannot be used
    ├── BadMessage             a message on the broker is not ours
    ├── IllegalTransition      the table has no row for this state and event
    ├── RunExists              the run id or the logical date is taken
    ├── NotFound               a DAG, run, task, pool … that was named does not exist
    └── BadRequest             what a user asked for cannot be done

A message has three parts: what happened, why it is refused, what to do.
`exit_code` is what the command line ends with.
"""


class GaleError(Exception):
    """Something that Gale refuses or cannot do, told in one clear sentence."""

    exit_code = 1


class ConfigError(GaleError):
    """A setting is missing, misspelt or of the wrong type."""

    exit_code = 2


class DagDefinitionError(GaleError):
    """A DAG file breaks a rule of what a DAG may be."""


class DuplicateTaskId(DagDefinitionError):
    """Two tasks of one DAG have the same id."""


class CyclicDag(DagDefinitionError):
    """The tasks of a DAG depend on each other in a circle."""


class InvalidId(DagDefinitionError):
    """An id is empty, too long or has characters that paths and URLs cannot carry."""


class UnknownArgument(DagDefinitionError):
    """An operator or DAG was given an argument that it does not know."""


class StoreError(GaleError):
    """The database cannot be used."""

    exit_code = 3


class StoreUnreachable(StoreError):
    """Nothing answers at the database's address, or the file is not there."""


class StoreLocked(StoreError):
    """Another program holds the database's lock."""


class StoreReadOnly(StoreError):
    """The database can be read but not written."""


class SchemaOutdated(StoreError):
    """The database has an older schema than this program needs."""


class SchemaTooNew(StoreError):
    """The database has a schema that this program does not know."""


class BrokerError(GaleError):
    """The broker cannot be used."""

    exit_code = 3


class BadMessage(GaleError):
    """A message on the broker is not ours: malformed, too large, or not signed with our key."""


class IllegalTransition(GaleError):
    """An event cannot happen in this state; the message tells the story."""


class RunExists(GaleError):
    """The run id or the logical date is taken by another run of the DAG."""


class NotFound(GaleError):
    """What was named does not exist."""


class BadRequest(GaleError):
    """What was asked for cannot be done."""
