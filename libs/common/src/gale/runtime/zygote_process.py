"""The zygote as the service sees it: a process and a channel."""

import selectors
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from gale.runtime import messages
from gale.runtime.channel import ChannelClosed, QueuedChannel, channel_pair
from gale.runtime.endings import describe_exit

_CLOSE_SECONDS: Final = 5.0


class ZygoteProcess:
    """One zygote.

    Args:
        selector: The service's loop.
        command: What to start; the descriptor is added.
        environment: All of its environment.
        on_child_gone: Hears of ends of hosts and parse children.
        on_death: Called when the zygote itself is gone.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        on_child_gone: Callable[[messages.ChildGone], None],
        on_death: Callable[[], None],
    ) -> None:
        self._on_child_gone = on_child_gone
        self._on_death = on_death
        #: It has said that it is warmed up.
        self.ready = False
        ours, theirs = channel_pair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [*command, str(theirs.fileno())],
                env=dict(environment),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # A Ctrl-C in a terminal is for the service, which then stops its tasks in order.
                start_new_session=True,
            )
        self._channel = QueuedChannel(ours, selector)
        self._channel.watch(self._listen)

    @property
    def pid(self) -> int:
        """Return its pid."""
        return self._process.pid

    def send(self, message: messages.ToZygote, fds: Sequence[int] = ()) -> None:
        """Send a message; the descriptors are closed here."""
        self._channel.send(messages.encode(message), fds)

    def _listen(self) -> None:
        try:
            received = self._channel.receive()
        except ChannelClosed:
            self._on_death()
            return
        for body, _ in received:
            match messages.decode_from_zygote(body):
                case messages.Ready():
                    self.ready = True
                case messages.ChildGone() as gone:
                    self._on_child_gone(gone)

    def bury(self) -> str:
        """Make sure that it is dead, and say how it ended."""
        self._channel.close()
        self._process.kill()
        status = self._process.wait()
        return f"exit code {status}" if status >= 0 else describe_exit(-status)

    def close(self) -> None:
        """End it: it sees the channel close, kills everything below it, and goes."""
        self._channel.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSE_SECONDS)
        self._process.kill()
        self._process.wait()
