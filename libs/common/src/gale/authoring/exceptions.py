"""What user code raises to say how its task ended, and what it gets when it asks in vain.

GaleError
└── TaskError                 something went wrong in a task          (AirflowException)
├── TaskSkipped           the task shall count as skipped         (AirflowSkipException)
├── TaskFailedFinal       failed, and a retry would not help      (AirflowFailException)
├── TaskRescheduled       ask again later, free the slot          (AirflowRescheduleException)
├── SensorTimeout         what a sensor waits for did not come    (AirflowSensorTimeout)
├── MissingEntry          no such variable, connection or XCom    (AirflowNotFoundException)
│   └── VariableMissing   also a KeyError, as in Airflow
├── InvalidParams         a run's params break their schema       (ParamValidationError)
└── TemplateFileMissing   a templated field names a file that is not there
"""

from datetime import datetime

from gale.errors import GaleError


class TaskError(GaleError):
    """Something went wrong in a task; the attempt fails and is retried if tries are left."""


class TaskSkipped(TaskError):
    """The task shall count as skipped."""


class TaskFailedFinal(TaskError):
    """The attempt failed, and trying again would not help."""


class TaskRescheduled(TaskError):
    """The task gives its slot back and wants to be asked again at `reschedule_date`."""

    def __init__(self, reschedule_date: datetime) -> None:
        super().__init__(f"to be asked again at {reschedule_date.isoformat()}")
        self.reschedule_date = reschedule_date


class SensorTimeout(TaskError):
    """What a sensor waits for did not come within its timeout. Never retried."""


class MissingEntry(TaskError):
    """There is no variable, connection or XCom of that name."""


class VariableMissing(MissingEntry, KeyError):
    """There is no variable of that name."""

    def __str__(self) -> str:
        # KeyError would show the quoted repr of the sentence.
        return str(self.args[0])


class InvalidParams(TaskError, ValueError):
    """The params of a run break their schema."""


class TemplateFileMissing(TaskError):
    """A templated field names a file that is nowhere in the search path."""


class GaleAuthoringWarning(UserWarning):
    """Something in a DAG file is legal and surely not meant."""
