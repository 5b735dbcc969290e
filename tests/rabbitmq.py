"""A RabbitMQ server of our own for as long as tests run: own data, node name, cookie, ports of this machine only.

It is Debian's `rabbitmq-server`, started by its own script. A server that the machine may run is neither asked
nor touched: epmd, through which Erlang's nodes find each other, is a private one as well.
"""

import contextlib
import ipaddress
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mariadb
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

START_SECONDS = 90
USER = PASSWORD = "airflow"
VHOST = "vairflow"
#: Debian's scripts in sbin change to the user rabbitmq and write to /var; these do neither.
_FOLDERS = ("/usr/lib/rabbitmq/bin",)


def is_installed() -> bool:
    """Return True if this machine has the server's programs."""
    return _program("rabbitmq-server") is not None and shutil.which("epmd") is not None


def _program(name: str) -> str | None:
    return next((found for folder in _FOLDERS if (found := shutil.which(name, path=folder))), None) or shutil.which(
        name
    )


@dataclass
class Server:
    """A server that runs, and ways to hurt it."""

    folder: Path
    port: int
    #: Where it speaks TLS.
    tls_port: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, as the notes write it."""
        return f"amqp://{USER}:{PASSWORD}@localhost:{self.port}/{VHOST}"

    @property
    def tls_url(self) -> str:
        """Where it is, encrypted; its certificate is good for 127.0.0.1 only."""
        return f"amqps://{USER}:{PASSWORD}@127.0.0.1:{self.tls_port}/{VHOST}"

    @property
    def certificate(self) -> Path:
        """What its certificate is signed by: itself."""
        return self.folder / "certificate.pem"

    def start(self) -> None:
        """Start it, on the data that it has, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(_program("rabbitmq-server"))],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The RabbitMQ server did not start:\n{(self.folder / 'server.log').read_text()}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as probe:
                # It listens before it has read its data; it greets, or hangs up on nonsense, only after that.
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(probe.recv(1))
        except OSError:
            return False

    def kill(self) -> None:
        """Kill it as a power cut does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it do nothing any more, while its connections stay."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop it in order; not by the notes' `rabbitmqctl stop`, which takes seconds to start itself."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            # The script and the Erlang machine below it have a group of their own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
            self.process = None

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl."""
        done = subprocess.run(
            [str(_program("rabbitmqctl")), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)} failed: {done.stderr or done.stdout}")
        return done.stdout

    def evaluate(self, code: str) -> str:
        """Run Erlang inside the server."""
        return self.control("eval", code)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Run a server with the notes' user and virtual host."""
    with tempfile.TemporaryDirectory(prefix="gale-rabbitmq-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        running = Server(folder, mariadb.free_port(), mariadb.free_port(), {})
        _certify(folder)
        running.environment = _prepare(folder, running.port, running.tls_port)
        epmd = subprocess.Popen(
            [str(shutil.which("epmd")), "-address", "127.0.0.1"],
            env=running.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            running.start()
            yield running
        finally:
            running.kill()
            epmd.kill()
            epmd.wait(10)


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Run a server and give the URL of the notes' virtual host on it."""
    with server() as one:
        yield one.url


def _certify(folder: Path) -> None:
    """Write a certificate for this machine that is signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A broker for tests")])
    now = datetime.now(UTC)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def _prepare(folder: Path, port: int, tls_port: int) -> dict[str, str]:
    home = folder / "home"
    home.mkdir()
    cookie = home / ".erlang.cookie"
    cookie.write_text(secrets.token_hex(16), encoding="ascii")
    cookie.chmod(0o400)
    (folder / "plugins").write_text("[].\n", encoding="ascii")
    (folder / "rabbitmq.conf").write_text(
        f"""listeners.tcp.1 = 127.0.0.1:{port}
listeners.ssl.1 = 127.0.0.1:{tls_port}
ssl_options.cacertfile = {folder}/certificate.pem
ssl_options.certfile = {folder}/certificate.pem
ssl_options.keyfile = {folder}/key.pem
default_user = {USER}
default_pass = {PASSWORD}
default_vhost = {VHOST}
default_user_tags.administrator = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
disk_free_limit.absolute = 50MB
log.console = false
log.file.level = warning
""",
        encoding="ascii",
    )
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"gale{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_DIST_PORT": str(mariadb.free_port()),
        "ERL_EPMD_PORT": str(mariadb.free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        # One scheduler thread that does not spin: two cores have to do for everything.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
        " -kernel inet_dist_use_interface {127,0,0,1}",
        # rabbitmqctl is a program for the Erlang machine as well.
        "RABBITMQ_CTL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
