"""Every setting: its section, name, type, default and meaning.

This file is the schema: `gale.cfg` as first written, `gale config list`, the checks of names
and types and the documentation are all made from it. Names and defaults are Airflow's where
Airflow has the setting; where ours differ, the description says so.

The classes have no slots: making a class with them takes twice as long, and every command pays for it.

Values may use `{GALE_HOME}` and `{AIRFLOW_HOME}`; paths also `~` and `$VARIABLES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final


def option(
    default: Any,
    about: str,
    *,
    secret: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare one setting.

    Args:
        default: Value when nobody sets it; text may use `{GALE_HOME}`.
        about: One or two sentences for `gale.cfg` and the documentation.
        secret: Never shown; may also be given by `_cmd` and `_secret`.
        minimum: Smallest number allowed.
        maximum: Largest number allowed.
        choices: The only texts allowed; compared without regard to case, and by the last part of a dotted path.
    """
    metadata = {"about": about, "secret": secret, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class CoreSection:
    """What runs where, and how much at once."""

    dags_folder: Path = option(Path("{GALE_HOME}/dags"), "Folder that is searched for DAG files.")
    executor: str = option(
        "SequentialExecutor",
        "What runs the tasks: one at a time, many on this machine, or many on many machines.",
        choices=("SequentialExecutor", "LocalExecutor", "CeleryExecutor"),
    )
    parallelism: int = option(32, "Most tasks that one scheduler runs at once.", minimum=1)
    max_active_tasks_per_dag: int = option(16, "Most tasks of one DAG that run at once.", minimum=1)
    max_active_runs_per_dag: int = option(16, "Most runs of one DAG that are under way at once.", minimum=1)
    dags_are_paused_at_creation: bool = option(
        True, "Whether a DAG that is new waits until somebody switches it on. `gale standalone` switches them on."
    )
    load_examples: bool = option(True, "Whether the DAGs that come with Gale are loaded.")
    default_timezone: str = option("UTC", "Zone of DAGs whose dates name none: an IANA name such as Europe/Berlin.")
    fernet_key: str = option(
        "",
        "Key that encrypts variables and connections in the database; several, separated by commas, rotate it "
        "(the first one encrypts). Empty = stored in clear.",
        secret=True,
    )
    dagbag_import_timeout: float = option(30.0, "Seconds after which reading a DAG file is given up.", minimum=0.1)
    dag_discovery_safe_mode: bool = option(True, "Read only files that hold the words dag and airflow (or gale).")
    dag_ignore_file_syntax: str = option("glob", "How lines of .airflowignore are read.", choices=("glob", "regexp"))
    hostname_callable: str = option(
        "socket.getfqdn", "What this machine calls itself: socket.getfqdn, socket.gethostname, or a fixed name."
    )
    killed_task_cleanup_time: float = option(
        60.0, "Seconds that a task gets to clean up after SIGTERM before SIGKILL.", minimum=0
    )
    default_task_retries: int = option(0, "Retries of a task that says none.", minimum=0)
    default_pool_task_slot_count: int = option(128, "Slots of default_pool when it is made.", minimum=-1)
    check_slas: bool = option(True, "Whether SLA misses are looked for and mailed.")
    hide_sensitive_var_conn_fields: bool = option(
        True, "Show *** instead of values whose name says that they are secret."
    )
    sensitive_var_conn_names: tuple[str, ...] = option((), "More words that make a name secret, separated by commas.")


@dataclass(frozen=True, kw_only=True)
class DatabaseSection:
    """Where everything is kept."""

    sql_alchemy_conn: str = option(
        "sqlite:///{GALE_HOME}/gale.db",
        "The database: sqlite:///PATH or mysql://USER:PASSWORD@HOST:PORT/NAME.",
        secret=True,
    )
    sql_alchemy_pool_size: int = option(5, "Connections kept open by each process.", minimum=1)
    check_migrations: bool = option(True, "Whether services refuse to start on another schema than theirs.")


@dataclass(frozen=True, kw_only=True)
class LoggingSection:
    """What is written down."""

    base_log_folder: Path = option(Path("{GALE_HOME}/logs"), "Folder of the task logs.")
    logging_level: str = option(
        "INFO", "Least important level that is logged.", choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    )
    json_logs: bool = option(False, "Whether services log JSON, one object a line, instead of text.")
    worker_log_server_host: str = option(
        "0.0.0.0",  # noqa: S104 - Airflow's default; it answers signed requests only
        "Address on which a worker serves the logs of its tasks to the webserver.",
    )
    worker_log_server_port: int = option(
        8793, "Port on which a worker serves them; the same on all workers.", minimum=0, maximum=65535
    )
    remote_logging: bool = option(False, "Whether finished logs are copied to remote_base_log_folder.")
    remote_base_log_folder: str = option(
        "", "Where finished logs are copied to: a URL that fsspec knows, e.g. s3://BUCKET/logs or file:///mnt/logs."
    )


@dataclass(frozen=True, kw_only=True)
class SchedulerSection:
    """How often the scheduler looks, and when it gives up on others."""

    scheduler_heartbeat_sec: float = option(
        5.0,
        "Longest time between two rounds of the scheduler; work that is there starts a round at once.",
        minimum=0.05,
    )
    min_file_process_interval: float = option(
        30.0, "Seconds after which an unchanged DAG file is read again.", minimum=0
    )
    parsing_processes: int = option(2, "DAG files read at the same time.", minimum=1)
    max_dagruns_to_create_per_loop: int = option(10, "Most runs of DAGs that one round creates.", minimum=1)
    max_dagruns_per_loop_to_schedule: int = option(20, "Most runs that one scheduler takes on in a round.", minimum=1)
    task_queued_timeout: float = option(
        60.0, "Seconds that a queued task waits for a worker before its command is sent anew.", minimum=1
    )
    num_runs: int = option(-1, "Rounds after which the scheduler ends; -1 = never.", minimum=-1)
    run_duration: float = option(-1.0, "Seconds after which the scheduler ends; -1 = never.", minimum=-1)
    catchup_by_default: bool = option(True, "Whether a DAG that does not say makes up for runs it missed.")
    use_job_schedule: bool = option(True, "Whether timetables start runs at all.")


@dataclass(frozen=True, kw_only=True)
class WebserverSection:
    """The page and the REST API."""

    web_server_host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0 opens the page to other machines.")
    web_server_port: int = option(8080, "Port to listen on; 0 = any free one.", minimum=0, maximum=65535)
    base_url: str = option("http://localhost:8080", "Address under which users reach the page; used in mails.")
    secret_key: str = option(
        "", "Signs tokens: at least 16 random characters, the same on every webserver.", secret=True
    )
    workers: int = option(1, "Processes of the webserver.", minimum=1)
    threads: int = option(8, "Requests that each process handles at once.", minimum=1)
    web_server_worker_timeout: int = option(120, "Seconds after which a process that hangs is replaced.", minimum=1)
    web_server_ssl_cert: str = option("", "Path of a TLS certificate; empty = plain HTTP.")
    web_server_ssl_key: str = option("", "Path of the certificate's key.")
    enable_proxy_fix: bool = option(False, "Trust X-Forwarded-… headers; only behind a proxy that sets them.")
    authenticate: bool = option(True, "Airflow 1.x did not ask for a login unless this was on; Gale always asks.")
    auth_backend: str = option(
        "airflow.contrib.auth.backends.password_auth",
        "How users log in: the users table (the default; Airflow's name for it is accepted).",
    )
    filter_by_owner: bool = option(False, "Whether users see only DAGs of which they are an owner; Admins see all.")
    expose_config: bool = option(False, "Whether Admins can read the configuration on the page; never its secrets.")
    expose_stacktrace: bool = option(False, "Whether errors of the API carry a stack trace.")
    instance_name: str = option("Gale", "Title of the page.")
    session_lifetime_minutes: int = option(43200, "Minutes without a click after which a login ends.", minimum=1)
    cookie_secure: bool = option(False, "Send the cookie only over HTTPS; always on when base_url is https.")


@dataclass(frozen=True, kw_only=True)
class ApiSection:
    """The REST API under /api/v2."""

    maximum_page_limit: int = option(1000, "Most rows that a request gets.", minimum=1)
    fallback_page_limit: int = option(50, "Rows that a request gets that names no limit.", minimum=1)
    access_control_allow_origins: tuple[str, ...] = option((), "Other sites whose scripts may call the API.")
    access_control_allow_headers: tuple[str, ...] = option((), "Headers that they may send.")
    access_control_allow_methods: tuple[str, ...] = option((), "Methods that they may use.")


@dataclass(frozen=True, kw_only=True)
class ApiAuthSection:
    """Tokens of the REST API."""

    jwt_secret: str = option("", "Signs the tokens; empty = [webserver] secret_key.", secret=True)
    jwt_expiration_time: int = option(86400, "Seconds for which a token is valid.", minimum=1)
    jwt_issuer: str = option("gale", "Who issued a token, as it says itself.")
    jwt_audience: str = option("gale-api", "For whom a token is, as it says itself.")


@dataclass(frozen=True, kw_only=True)
class SmtpSection:
    """The mail server."""

    smtp_host: str = option("localhost", "Name of the mail server; empty = send no mail.")
    smtp_port: int = option(25, "Its port.", minimum=1, maximum=65535)
    smtp_starttls: bool = option(True, "Whether the connection is encrypted after the greeting.")
    smtp_ssl: bool = option(False, "Whether the connection is encrypted from the start.")
    smtp_user: str = option("", "Login at the mail server; empty = none.")
    smtp_password: str = option("", "Password at the mail server.", secret=True)
    smtp_mail_from: str = option("airflow@example.com", "Sender of mails.")
    smtp_timeout: float = option(30.0, "Seconds to wait for the mail server.", minimum=0.1)
    smtp_retry_limit: int = option(5, "How often a mail is tried.", minimum=1)


@dataclass(frozen=True, kw_only=True)
class EmailSection:
    """What mails say, and when they are sent."""

    from_email: str = option("", "Sender; empty = [smtp] smtp_mail_from.")


@dataclass(frozen=True, kw_only=True)
class OperatorsSection:
    """Defaults of operators."""

    default_owner: str = option("airflow", "Owner of tasks that name none.")
    default_queue: str = option("default", "Queue of tasks that name none.")


@dataclass(frozen=True, kw_only=True)
class CelerySection:
    """The cluster: `pip install gale[celery]`."""

    broker_url: str = option("", "The broker, e.g. amqp://USER:PASSWORD@HOST:5672/VHOST.", secret=True)
    result_backend: str = option("", "Where Celery keeps results; no decision reads it.", secret=True)
    celery_app_name: str = option("gale", "Name of the Celery application.")
    worker_concurrency: int = option(16, "Tasks that one worker runs at once.", minimum=1)
    worker_prefetch_multiplier: int = option(
        1, "Airflow's; without effect, because a worker takes messages only while a slot is free.", minimum=1
    )
    worker_max_memory_mb: int = option(
        0, "Memory of a worker process, without its tasks, at which it drains and ends; 0 = no limit.", minimum=0
    )
    worker_soft_shutdown_timeout: float = option(
        60.0, "Seconds that running tasks get to end by themselves when a worker is asked to end.", minimum=0
    )
    worker_enable_remote_control: bool = option(True, "Whether Flower and `celery control` may talk to workers.")
    ssl_active: bool = option(False, "Whether the connection to the broker is encrypted (TLS).")
    ssl_key: str = option("", "Path of the client's key for it.")
    ssl_cert: str = option("", "Path of the client's certificate for it.")
    ssl_cacert: str = option("", "Path of the certificate that the broker's must be signed by.")
    flower_host: str = option("0.0.0.0", "Address on which Flower listens.")  # noqa: S104 - Airflow's default, inside the compose network
    flower_port: int = option(5555, "Port on which Flower listens.", minimum=1, maximum=65535)
    flower_url_prefix: str = option("", "Path under which Flower is served.")
    flower_basic_auth: str = option(
        "", "Airflow's; without effect, because people sign in to Flower as Gale's users.", secret=True
    )


#: Section name to its class; the order is that of `gale.cfg`.
SECTIONS: Final[Mapping[str, type]] = {
    "core": CoreSection,
    "database": DatabaseSection,
    "logging": LoggingSection,
    "scheduler": SchedulerSection,
    "webserver": WebserverSection,
    "api": ApiSection,
    "api_auth": ApiAuthSection,
    "smtp": SmtpSection,
    "email": EmailSection,
    "operators": OperatorsSection,
    "celery": CelerySection,
}
